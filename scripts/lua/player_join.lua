-- player_join: register a device of a user, or renew what is known of it, and read the state of the user's player.
-- uses: time number playback advance date moment ghost lease
--
-- Atomic because the number tells which publications the state contains. A track that nobody can be listening to any
-- more is paused first ("the ghost"). `entry` is the device's member of `devices`.
-- Returns {outcome, now, devices, seq, track, from, from_id, paused, pos, time}; the last seven are nil when there is
-- no state.

local player, devices, channel = unpack(KEYS)
local entry, lease, grace = unpack(ARGV)

local now_ms = math.floor(now_us / 1000)

lay_ghost(player, devices, channel, grace)
call('ZREMRANGEBYSCORE', devices, '-inf', now_ms)
call('ZADD', devices, now_ms + lease, entry)
call('PEXPIRE', devices, forget_after)
return {'applied', now_ms, call('ZCARD', devices),
    unpack(call('HMGET', player, 'seq', 'track', 'from', 'from_id', 'paused', 'pos', 'time'))}
