-- player_join: register a device of a user, or renew what is known of it, and read the state of the user's player.
-- uses: time publish advance
--
-- Atomic because the number tells which publications the state contains. A track that nobody can be listening to any
-- more is paused first, at the moment when the last device was alive ("the ghost"): nobody was there to tell, so
-- whoever reads next works it out.
-- Returns {outcome, now, devices, seq, track, from, from_id, paused, pos, time}; the last seven are nil when there is
-- no state.

local player, devices, channel = unpack(KEYS)
local id, since, lease, grace = unpack(ARGV)

local now_ms = math.floor(now_us / 1000)
local forget_after = 30 * 86400 * 1000
local leases_read = 1000
-- The first and the last moment that years of four digits can say.
local first_ms, last_ms = -62167219200000, 253402300799999

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

local function time_text(ms)
    local in_day = math.floor(ms / 1000) % 86400
    local fraction = ms % 1000
    local year, month, day = date_of(math.floor(ms / 86400000))
    return string.format('%04d-%02d-%02dT%02d:%02d:%02d%s+0000', year, month, day, math.floor(in_day / 3600),
        math.floor(in_day / 60) % 60, in_day % 60, fraction > 0 and string.format('.%03d', fraction) or '')
end

-- When the last device was alive: an entry's score is the end of its lease, its last word the lease's length.
local function last_alive(updated)
    local alive = updated
    local entries = call('ZREVRANGE', devices, 0, leases_read - 1, 'WITHSCORES')
    for i = 1, #entries, 2 do
        alive = math.max(alive, entries[i + 1] - entries[i]:match('%d+$'))
    end
    return alive
end

local function lay_ghost()
    local paused, pos, at, updated, seq = unpack(call('HMGET', player, 'paused', 'pos', 'at', 'upd', 'seq'))
    if paused ~= '0' or grace == '0' or call('ZCOUNT', devices, '(' .. now_ms, '+inf') > 0 then
        return
    end
    updated = math.floor(updated / 1000)
    local alive = last_alive(updated)
    if now_ms - alive <= tonumber(grace) then
        return
    end
    local played = alive - updated
    local moved = math.max(first_ms, math.min(last_ms, at + played))
    local time = time_text(moved)
    seq = next_seq(seq)
    call('HSET', player, 'paused', '1', 'pos', advance(pos, played), 'time', time, 'at', moved,
        'upd', now_us, 'seq', seq)
    publish(channel, 'p', '-', seq, '{"type_push_state":"on_pause","time_state_update":"' .. time .. '"}')
end

lay_ghost()
call('ZREMRANGEBYSCORE', devices, '-inf', now_ms)
call('ZADD', devices, now_ms + lease, id .. ' ' .. since .. ' ' .. lease)
call('PEXPIRE', devices, forget_after)
return {'applied', now_ms, call('ZCARD', devices),
    unpack(call('HMGET', player, 'seq', 'track', 'from', 'from_id', 'paused', 'pos', 'time'))}
