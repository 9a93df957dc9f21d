-- player_new_track: start another track of a user's player and tell all gateways that serve the user.
-- uses: time publish playback
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
local media = plain_media(track)
call('HSET', player, 'track', track, 'from', from ~= '' and from or old_from,
    'from_id', from_id ~= '' and from_id or old_from_id,
    'paused', '0', 'pos', '0', 'time', time, 'at', at, 'upd', now_us, 'seq', seq, 'media', media, 'details', '')
publish(channel, 'n', origin, seq, old, message, playback_text(player, '0', '0', media))
return 'applied'
