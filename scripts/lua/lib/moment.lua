-- moment: the client's clock of a state, moved on by Redis's. Part of the scripts that name it in their `uses` line,
-- behind date.

-- The first and the last moment that years of four digits can say.
local first_ms, last_ms = -62167219200000, 253402300799999

-- The client's clock after so many milliseconds.
local function moved_on(at, ms)
    return math.max(first_ms, math.min(last_ms, at + ms))
end

local function time_text(ms)
    local fraction = ms % 1000
    return date_text(ms) .. (fraction > 0 and string.format('.%03d', fraction) or '') .. '+0000'
end

-- Milliseconds by Redis's clock since a state's last change.
local function ms_since(updated)
    return math.max(0, math.floor(now_us / 1000) - math.floor(updated / 1000))
end
