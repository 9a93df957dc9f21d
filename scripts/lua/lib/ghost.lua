-- ghost: a track that nobody can be listening to any more is paused at the moment when the last device was alive.
-- Nobody was there to tell, so whoever reads next works it out. Part of the scripts that name it in their `uses` line,
-- behind time, number, playback, advance and moment.
--
-- A member of a user's devices is "ID SINCE LEASE PROTOCOL TRANSPORT", its score the end of the lease; "gone 0" marks
-- the moment when the last one left.

local leases_read = 1000

local function last_alive(devices, updated)
    local alive = updated
    local entries = call('ZREVRANGE', devices, 0, leases_read - 1, 'WITHSCORES')
    for i = 1, #entries, 2 do
        alive = math.max(alive, entries[i + 1] - (entries[i]:match('^%S+ %S+ (%d+)') or 0))
    end
    return alive
end

-- `grace` in milliseconds; '0': no ghost.
local function lay_ghost(player, devices, channel, grace)
    local paused, pos, at, updated, old, media =
        unpack(call('HMGET', player, 'paused', 'pos', 'at', 'upd', 'seq', 'media'))
    local now_ms = math.floor(now_us / 1000)
    if paused ~= '0' or grace == '0' or call('ZCOUNT', devices, '(' .. now_ms, '+inf') > 0 then
        return
    end
    updated = math.floor(updated / 1000)
    local alive = last_alive(devices, updated)
    if now_ms - alive <= tonumber(grace) then
        return
    end
    local played = alive - updated
    local moved = moved_on(at, played)
    local time = time_text(moved)
    local seq = next_seq(old)
    pos = advance(pos, played)
    call('HSET', player, 'paused', '1', 'pos', pos, 'time', time, 'at', moved, 'upd', now_us, 'seq', seq)
    publish_state(player, channel, 'p', '-', seq, old,
        '{"type_push_state":"on_pause","time_state_update":"' .. time .. '"}', 'false', pos, media)
end
