-- eio_renew: a session that a websocket took over is alive: its id stays known for so long.
-- uses: time poll
--
-- Returns the outcome; refused: it is not known any more.

local session = unpack(KEYS)
local lease = unpack(ARGV)

if call('HGET', session, 'kind') ~= 'w' then
    return 'refused'
end
call('HSET', session, 'due', now_ms + lease)
call('PEXPIRE', session, lease)
return 'applied'
