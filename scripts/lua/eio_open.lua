-- eio_open: a polling session begins.
-- uses: time poll
--
-- Atomic because nobody may find half a session.
-- Returns the outcome.

local session, queue = unpack(KEYS)
local proto, saved, packets, interval, timeout, allowance = unpack(ARGV)

local due = now_ms + interval
call('LLEN', queue) -- a newer version's stops us here
call('HSET', session, 'proto', proto, 'kind', 'p', 'v', '1', 'saved', saved, 'marks', '', 'due', due,
    'allowance', allowance, 'charged', now_us, 'born', now_ms)
keep(session, due, timeout)
if packets ~= '' then
    call('RPUSH', queue, packets)
    keep(queue, due, timeout)
end
return 'applied'
