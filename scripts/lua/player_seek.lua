-- player_seek: move a user's player to a position and tell all gateways that serve the user.
-- uses: time publish playback
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
publish(channel, 's', origin, seq, old, message, playback_text(player, paused, pos, media))
return 'applied'
