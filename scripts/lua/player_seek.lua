-- player_seek: move a user's player to a position and tell all gateways that serve the user.
-- uses: time number playback
--
-- Atomic because position, number and published message must agree. Paused or playing stays.
-- Returns the outcome.

local player, channel = unpack(KEYS)
local origin, message, at, time, pos = unpack(ARGV)

local paused, old, media = unpack(call('HMGET', player, 'paused', 'seq', 'media'))
if not old then
    return 'no_state'
end
local seq = next_seq(old)
call('HSET', player, 'pos', pos, 'time', time, 'at', at, 'upd', now_us, 'seq', seq)
publish_state(player, channel, 's', origin, seq, old, message, paused == '0' and 'true' or 'false', pos, media)
return 'applied'
