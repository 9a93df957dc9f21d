-- player_pause: stop the clock of a user's player and tell all gateways that serve the user.
-- uses: time number playback advance
--
-- Atomic because position, number and published message must agree.
-- Returns the outcome.

local player, channel = unpack(KEYS)
local origin, message, at, time = unpack(ARGV)

local paused, pos, old_at, old, media = unpack(call('HMGET', player, 'paused', 'pos', 'at', 'seq', 'media'))
if not old then
    return 'no_state'
end
if paused == '0' then
    pos = advance(pos, at - old_at)
end
local seq = next_seq(old)
call('HSET', player, 'paused', '1', 'pos', pos, 'time', time, 'at', at, 'upd', now_us, 'seq', seq)
publish_state(player, channel, 'p', origin, seq, old, message, 'false', pos, media)
return 'applied'
