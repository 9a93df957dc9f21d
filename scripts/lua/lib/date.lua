-- date: a moment as the calendar says it. Part of the scripts that name it in their `uses` line.

-- The civil date of a number of days since 1970, counted in years that begin in March.
local function date_of(days)
    days = days + 719468
    local era = math.floor(days / 146097)
    local day = days - era * 146097
    local year = math.floor((day - math.floor(day / 1460) + math.floor(day / 36524) - math.floor(day / 146096)) / 365)
    day = day - (365 * year + math.floor(year / 4) - math.floor(year / 100))
    local month = math.floor((5 * day + 2) / 153)
    day = day - math.floor((153 * month + 2) / 5) + 1
    year = year + era * 400
    if month >= 10 then
        return year + 1, month - 9, day
    end
    return year, month + 3, day
end

-- Milliseconds since 1970 as YYYY-MM-DDThh:mm:ss; what follows (fraction, zone) is the caller's.
local function date_text(ms)
    local in_day = math.floor(ms / 1000) % 86400
    local year, month, day = date_of(math.floor(ms / 86400000))
    return string.format('%04d-%02d-%02dT%02d:%02d:%02d', year, month, day, math.floor(in_day / 3600),
        math.floor(in_day / 60) % 60, in_day % 60)
end
