-- player_resume: let the clock of a user's player run and tell all gateways that serve the user.
-- uses: time number playback advance
--
-- Atomic because position, number and published message must agree. A player that was running already is only
-- brought forward to the new time.
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
call('HSET', player, 'paused', '0', 'pos', pos, 'time', time, 'at', at, 'upd', now_us, 'seq', seq)
publish_state(player, channel, 'r', origin, seq, old, message, 'true', pos, media)
return 'applied'
