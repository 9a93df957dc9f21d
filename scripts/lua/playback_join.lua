-- playback_join: register a device of a user, or renew what is known of it, and read the state as a PlaybackState.
-- uses: time number playback advance date moment ghost lease
--
-- Atomic because the number tells which publications the state contains; and because of the ghost, as in player_join.
-- An empty `entry` registers nobody: somebody only looks.
-- Returns {outcome, now, devices, seq, paused, pos, media, unsaid}; pos is worked out for now; the last five are nil
-- when there is no state, the very last also when there is nothing to leave unsaid.

local player, devices, channel = unpack(KEYS)
local entry, lease, grace = unpack(ARGV)

local now_ms = math.floor(now_us / 1000)

lay_ghost(player, devices, channel, grace)
if entry ~= '' then
    call('ZREMRANGEBYSCORE', devices, '-inf', now_ms)
    call('ZADD', devices, now_ms + lease, entry)
    call('PEXPIRE', devices, forget_after)
end
local alive = call('ZCOUNT', devices, '(' .. now_ms, '+inf')
local seq, paused, pos, updated, media, track, unsaid =
    unpack(call('HMGET', player, 'seq', 'paused', 'pos', 'upd', 'media', 'track', 'unsaid'))
if not seq then
    return {'applied', now_ms, alive, false, false, false, false, false}
end
if paused == '0' then
    pos = advance(pos, ms_since(updated))
end
return {'applied', now_ms, alive, seq, paused, pos, media or plain_media .. track, unsaid}
