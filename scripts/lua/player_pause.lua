-- player_pause: stop the clock of a user's player and tell all gateways that serve the user.
-- uses: time publish advance
--
-- Atomic because position, number and published message must agree.
-- Returns the outcome.

local player, channel = unpack(KEYS)
local origin, message, at, time = unpack(ARGV)

local paused, pos, old_at, seq = unpack(call('HMGET', player, 'paused', 'pos', 'at', 'seq'))
if not seq then
    return 'no_state'
end
if paused == '0' then
    pos = advance(pos, at - old_at)
end
seq = next_seq(seq)
call('HSET', player, 'paused', '1', 'pos', pos, 'time', time, 'at', at, 'upd', now_us, 'seq', seq)
publish(channel, 'p', origin, seq, message)
return 'applied'
