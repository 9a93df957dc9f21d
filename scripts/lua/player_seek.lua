-- player_seek: move a user's player to a position and tell all gateways that serve the user.
-- uses: time publish
--
-- Atomic because position, number and published message must agree. Paused or playing stays.
-- Returns the outcome.

local player, channel = unpack(KEYS)
local origin, message, at, time, pos = unpack(ARGV)

local seq = call('HGET', player, 'seq')
if not seq then
    return 'no_state'
end
seq = next_seq(seq)
call('HSET', player, 'pos', pos, 'time', time, 'at', at, 'upd', now_us, 'seq', seq)
publish(channel, 's', origin, seq, message)
return 'applied'
