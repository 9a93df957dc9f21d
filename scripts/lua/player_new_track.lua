-- player_new_track: start another track of a user's player and tell all gateways that serve the user.
-- uses: time publish
--
-- Atomic because what is kept of the old state, the number and the published message must agree. An empty `from`
-- or `from_id` keeps the old value, which only a state can give.
-- Returns the outcome.

local player, channel = unpack(KEYS)
local origin, message, at, time, track, from, from_id = unpack(ARGV)

local old_from, old_from_id, seq = unpack(call('HMGET', player, 'from', 'from_id', 'seq'))
if (from == '' or from_id == '') and not seq then
    return 'refused'
end
seq = next_seq(seq)
call('HSET', player, 'track', track, 'from', from ~= '' and from or old_from,
    'from_id', from_id ~= '' and from_id or old_from_id,
    'paused', '0', 'pos', '0', 'time', time, 'at', at, 'upd', now_us, 'seq', seq)
publish(channel, 'n', origin, seq, message)
return 'applied'
