-- turn: a player's clock is stopped or let run, as a /player device says it. Part of the scripts that name it in their
-- `uses` line, behind time, number, playback and advance.

-- A clock that was running is brought forward to the time of the message; one that stood stays where it stood.
-- `paused`: 0 or 1; `playing`: the same for Socket.IO sockets.
local function turn(player, channel, kind, origin, message, at, time, paused, playing)
    local before, pos, old_at, old, media =
        unpack(call('HMGET', player, 'paused', 'pos', 'at', 'seq', 'media'))
    if not old then
        return 'no_state'
    end
    if before == '0' then
        pos = advance(pos, at - old_at)
    end
    local seq = next_seq(old)
    call('HSET', player, 'paused', paused, 'pos', pos, 'time', time, 'at', at, 'upd', now_us, 'seq', seq)
    publish_state(player, channel, kind, origin, seq, old, message, playing, pos, media)
    return 'applied'
end
