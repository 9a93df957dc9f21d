-- playback_command: a command to the devices of a user: kept as an event, told to all, applied to the user's player.
-- uses: time number publish playback advance date moment ghost dialect stream once
--
-- Atomic because the command and what it does to the state must agree. It is Redis's clock that decides here, since
-- the client's clock of the state is not the commander's; it is moved on with Redis's. For Socket.IO sockets the
-- command is the message, so the change of the state is told to /player devices alone. A play while it plays, and a
-- pause while it is paused, change nothing. `value`: the position of a seek; `body`: the event; `grace` as in
-- player_join: who commands may be nobody's device.
-- Returns {outcome, devices that are alive, number of the event}; refused: another command has that key.

local player, events, channel, devices, once = unpack(KEYS)
local command, value, body, origin, grace, mark = unpack(ARGV)

local now_ms = math.floor(now_us / 1000)

-- Quiet changes in a row: from where the first one began.
local function quiet_since(unsaid, old)
    local from, to = (unsaid or ''):match('^%* (%d+) (%d+)$')
    return to == old and from or old
end

local function apply(old, paused, pos, at, updated, unsaid)
    if not old or command == 'play' and paused == '0' or command == 'pause' and paused == '1' then
        return
    end
    local played = ms_since(updated)
    local moved = moved_on(at, played)
    local time = time_text(moved)
    local kind, message
    if command == 'play' then
        kind, paused, message = 'r', '0', player_message('off_pause', '', time)
    elseif command == 'pause' then
        kind, paused, message = 'p', '1', player_message('on_pause', '', time)
        pos = advance(pos, played)
    elseif command == 'seek' then
        kind, pos, message = 's', value, player_message('change_position', position_field(value), time)
    else
        return
    end
    local seq = next_seq(old)
    call('HSET', player, 'paused', paused, 'pos', pos, 'time', time, 'at', moved, 'upd', now_us, 'seq', seq,
        'unsaid', '* ' .. quiet_since(unsaid, old) .. ' ' .. seq)
    publish(channel, kind, '-', seq, old, message, '')
end

local before = answered(once, mark)
if before then
    return before
end
local last = last_event(events)
lay_ghost(player, devices, channel, grace)
local alive = call('ZCOUNT', devices, '(' .. now_ms, '+inf')
apply(unpack(call('HMGET', player, 'seq', 'paused', 'pos', 'at', 'upd', 'unsaid')))
return answer_once(once, mark, {'applied', alive, add_event(events, last, channel, origin, body)})
