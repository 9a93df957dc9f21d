-- room: who is in a room, and how all are told of it. Part of the scripts that name it in their `uses` line, behind
-- time, number and publish.
--
-- A room is a hash with the number of its last change (`seq`), its members (a sorted set of client ids by the end of
-- their leases, in ms) and three lists of changes ("SEQ KIND ORIGIN/PREV FRAME", oldest first): its history, which is
-- the messages that who enters is shown; older ones, which members who were away can still be told (`older` in the
-- hash: the bytes of them); and its moves, which help who was away for a moment. It is there while it has members; one
-- whose lease is over is dead, and whoever takes him out of the set tells the others: so he is told once.

local now_ms = math.floor(now_us / 1000)
local forget_after = 86400 * 1000
local reaped_at_once = 100

-- All parts of a room are read before a member of it comes or goes, so that one of which a newer version has taken a
-- part is left as it is (gateway/store/keys.h, "Versions").
local function look_at(room, members, history, older, moves)
    call('HLEN', room)
    call('ZCARD', members)
    call('LLEN', history)
    call('LLEN', older)
    call('LLEN', moves)
end

-- The number of a room's next change, and of the one before.
local function next_change(room)
    local last = call('HGET', room, 'seq')
    return next_seq(last), last
end

-- A change as it is kept; `last`: the number of the one before.
local function change_text(seq, kind, origin, last, frame)
    return seq .. ' ' .. kind .. ' ' .. origin .. '/' .. (last or '0') .. ' ' .. frame
end

-- Who came or went is the origin, by the first 20 characters of the id, which are random enough: he knows it already.
local function tell_member(room, members, moves, channel, name, kind, client)
    local seq, last = next_change(room)
    local word = kind == 'j' and 'joined' or 'left'
    local frame = '{"type":"' .. word .. '","clientId":"' .. client .. '","roomId":"' .. name .. '","members":' ..
        call('ZCARD', members) .. '}'
    local origin, moves_kept = client:sub(1, 20), 100
    call('RPUSH', moves, change_text(seq, kind, origin, last, frame))
    call('LTRIM', moves, -moves_kept, -1)
    call('PEXPIRE', moves, forget_after)
    call('HSET', room, 'seq', seq)
    publish(channel, kind, origin, seq, last, frame, '')
    return seq
end

-- Takes out the dead, some at a time.
local function reap(room, members, moves, channel, name)
    for _, client in ipairs(call('ZRANGEBYSCORE', members, '-inf', now_ms, 'LIMIT', 0, reaped_at_once)) do
        call('ZREM', members, client)
        tell_member(room, members, moves, channel, name, 'l', client)
    end
end

-- In how many ms the next lease will be over, 0 when it is; nil when nobody is there.
local function next_end(members)
    local first = call('ZRANGE', members, 0, 0, 'WITHSCORES')
    return first[2] and math.max(0, first[2] - now_ms)
end
