-- eio_probed: the probe was answered: a GET that waits is let go, so that the client can move over.
-- uses: time poll
--
-- Atomic because a GET that comes now must see it.
-- Returns the outcome.

local session, channel = unpack(KEYS)
local token = unpack(ARGV)

if call('HGET', session, 'upgrade') ~= token then
    return 'refused'
end
call('HSET', session, 'probed', '1')
wake(channel, 'u', '')
return 'applied'
