-- eio_probe: a websocket wants to take a session over, or gives that up.
-- uses: time poll
--
-- Atomic because one websocket at a time may. `limit`: how long it has, in ms; 0 = it gives up.
-- Returns {outcome, word}. Refused: unknown, wrong (there is a websocket already, or another one tries).

local session = unpack(KEYS)
local proto, token, limit, timeout = unpack(ARGV)

local row, kind, due, upgrade, void = unpack(call('HMGET', session, 'proto', 'kind', 'due', 'upgrade', 'void'))
if limit == '0' then
    if upgrade == token and kind == 'p' then
        call('HDEL', session, 'upgrade', 'void', 'probed')
    end
    return {'applied'}
end
if row ~= proto or is_gone(due, timeout) then
    return {'refused', 'unknown'}
end
if kind ~= 'p' or upgrade and now_ms < tonumber(void) then
    return {'refused', 'wrong'}
end
call('HSET', session, 'upgrade', token, 'void', now_ms + limit)
call('HDEL', session, 'probed')
return {'applied'}
