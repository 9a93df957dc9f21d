-- eio_close: a session ends.
-- uses: time poll
--
-- Atomic because a GET may come in between: one that waits gets `words`; one that has claimed the session and does
-- not listen yet finds them under its claim. Without such a GET, or when it is the one that ends the session, the
-- words are kept for the next one, if `told` is 1. `claim`: only when that one holds the session ('' = whoever does).
-- Returns {outcome, age in ms, bytes in, bytes out}; refused: it is not there, or held by another.

local session, queue, channel = unpack(KEYS)
local claim, words, told = unpack(ARGV)

local kept_ms = 5000
local told_ms = 60000

local proto, holder, born, got, sent = unpack(call('HMGET', session, 'proto', 'claim', 'born', 'in', 'out'))
if not proto or claim ~= '' and holder ~= claim then
    return {'refused'}
end
call('LLEN', queue) -- a newer version's stops us here
call('DEL', session, queue)
if holder and holder ~= claim then
    call('HSET', session, 'closed', holder, 'last', words)
    call('PEXPIRE', session, kept_ms)
    wake(channel, 'x', words)
elseif told == '1' then
    call('HSET', session, 'proto', proto, 'kind', 'c', 'last', words)
    call('PEXPIRE', session, told_ms)
end
return {'applied', now_ms - (born or now_ms), tonumber(got or 0), tonumber(sent or 0)}
