-- eio_upgrade: a websocket takes the session over. What the last GET was told has arrived, or the client would not ask.
-- uses: time poll
--
-- Atomic because from now on no GET and no POST may be served any more.
-- Returns {outcome, state, marks, piece of the queue, ...}. Refused: unknown.

local session, queue, channel = unpack(KEYS)
local token, timeout, lease = unpack(ARGV)

local kind, due, upgrade, void, claim = unpack(call('HMGET', session, 'kind', 'due', 'upgrade', 'void', 'claim'))
if kind ~= 'p' or upgrade ~= token or now_ms >= tonumber(void) or is_gone(due, timeout) then
    return {'refused', 'unknown'}
end
call('LLEN', queue) -- a newer version's stops us here
confirm(session, queue)
local saved, marks = unpack(call('HMGET', session, 'saved', 'marks'))
local items = call('LRANGE', queue, 0, -1)
local proto = call('HGET', session, 'proto')
call('DEL', session, queue)
call('HSET', session, 'proto', proto, 'kind', 'w', 'due', now_ms + lease)
call('PEXPIRE', session, lease)
if claim then
    wake(channel, 'x', '')
end
return {'applied', saved, marks, unpack(items)}
