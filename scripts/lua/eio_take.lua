-- eio_take: a GET is about to be answered: what it tells counts as sent.
-- uses: time poll
--
-- Atomic because the answer may hold only what belongs to the state that it was made from; a POST in between (another
-- version) makes it read again. The answer is confirmed by the next GET.
-- Returns {outcome, word}: applied; no_state: another version; refused: unknown.

local session = unpack(KEYS)
local claim, version, t, marks, items, ping, bytes, timeout = unpack(ARGV)

local holder, current, due = unpack(call('HMGET', session, 'claim', 'v', 'due'))
if holder ~= claim or is_gone(due, timeout) then
    return {'refused', 'unknown'}
end
if current ~= version then
    return {'no_state', 'changed'}
end
call('HSET', session, 'sent', marks, 'items', items, 'ping', ping, 't', t)
call('HDEL', session, 'claim')
call('HINCRBY', session, 'out', bytes)
return {'applied'}
