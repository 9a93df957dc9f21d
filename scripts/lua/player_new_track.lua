-- player_new_track: start another track of a user's player and tell all gateways that serve the user.
-- uses: time number playback
--
-- Atomic because what is kept of the old state, the number and the published message must agree. An empty `from`
-- or `from_id` keeps the old value, which only a state can give. Titles and duration of the old track are forgotten.
-- Returns the outcome.

local player, channel = unpack(KEYS)
local origin, message, at, time, track, from, from_id = unpack(ARGV)

local old_from, old_from_id, old = unpack(call('HMGET', player, 'from', 'from_id', 'seq'))
if (from == '' or from_id == '') and not old then
    return 'refused'
end
local seq = next_seq(old)
local media = plain_media .. track
-- What other transitions look for stands in front: Redis searches a small hash from its beginning.
call('HSET', player, 'seq', seq, 'paused', '0', 'pos', '0', 'at', at, 'media', media, 'upd', now_us, 'time', time,
    'track', track, 'from', from ~= '' and from or old_from, 'from_id', from_id ~= '' and from_id or old_from_id,
    'details', '')
publish_state(player, channel, 'n', origin, seq, old, message, 'true', '0', media)
return 'applied'
