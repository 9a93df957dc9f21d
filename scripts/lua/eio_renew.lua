-- eio_renew: a session that a websocket took over is alive: its id stays known for so long.
-- uses: time poll
--
-- Returns the outcome.

local session = unpack(KEYS)
local lease = unpack(ARGV)

call('HSET', session, 'due', now_ms + lease)
call('PEXPIRE', session, lease)
return 'applied'
