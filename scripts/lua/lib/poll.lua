-- poll: a polling session. Part of the scripts that name it in their `uses` line, behind time.
--
-- A hash: proto (its row), kind (p: polling, w: a websocket has it, c: closed, and the client is to be told so), v
-- (number of the state `saved`), saved (what the client made of it), marks (what it was told, confirmed), due (ms:
-- when it is pinged next), pinged (1: that ping was confirmed); of the answer that is not confirmed: sent (marks
-- behind it), items (of the queue), ping (1: it had one), t (of its request); claim (of the GET that is being
-- served); upgrade (of a prober), void (ms: when the prober's time is over), probed (1: it was answered, polls are
-- let go); allowance, charged (the rate's bucket, and the microsecond it was worked out); closed (the claim that a
-- closed session had), last (the words for it); for the log: born (ms), in, out (bytes of packets).

local now_ms = math.floor(now_us / 1000)

-- A session whose ping was not answered in time is gone, to the millisecond.
local function is_gone(due, timeout)
    return not due or now_ms >= due + timeout
end

-- Keys outlive their session a little, never the other way round.
local function keep(session, due, timeout)
    call('PEXPIRE', session, math.ceil(due + timeout - now_ms + 5000))
end

local function wake(channel, kind, words)
    call(PUBLISH, channel, ENVELOPE .. kind .. ' - 0 0 ' .. now_us .. ' 0\n' .. words)
end

-- The answer that was sent last has arrived.
local function confirm(session, queue)
    local sent, items, ping = unpack(call('HMGET', session, 'sent', 'items', 'ping'))
    if not sent then
        return
    end
    if tonumber(items) > 0 then
        call('LTRIM', queue, items, -1)
    end
    call('HSET', session, 'marks', sent)
    if ping == '1' then
        call('HSET', session, 'pinged', '1')
    end
    call('HDEL', session, 'sent', 'items', 'ping', 't')
end

-- What of the queue fits into so many bytes, and at least one piece.
local function queued(queue, room)
    local items, index = {}, 0
    while true do
        local item = call('LINDEX', queue, index)
        if not item or index > 0 and #item + 1 > room then
            return items
        end
        items[#items + 1] = item
        room = room - #item - 1
        index = index + 1
    end
end
