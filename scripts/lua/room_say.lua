-- room_say: say something in a room: it becomes part of the history, and all who are in the room are told.
-- uses: time number publish date room once
--
-- Atomic because number, history and publication must agree. `frame` lacks its end: the message's id, which is its
-- number, and its time by Redis's clock. A `client` who is not in the room (any more) can't speak; an empty one is the
-- server itself, whom somebody must be there to hear. Of the messages the newest 50 are shown to who enters; as many of
-- those before as are 950, and 256 KiB, are kept for members who were away.
-- Returns {outcome, seq}; no_state: nobody is there; refused: something else was said with that key.

local room, members, history, older, channel, once = unpack(KEYS)
local client, frame, mark = unpack(ARGV)

-- `unshown` is read before anything is changed.
local function keep(change, seq)
    local shown, kept, kept_bytes = 50, 950, 262144
    local unshown = call('LLEN', older)
    local bytes = unshown > 0 and tonumber(call('HGET', room, 'older')) or 0
    if call('RPUSH', history, change) > shown then
        local last_shown = call('LPOP', history)
        call('RPUSH', older, last_shown)
        unshown, bytes = unshown + 1, bytes + #last_shown
        while unshown > 0 and (unshown > kept or bytes > kept_bytes) do
            unshown, bytes = unshown - 1, bytes - #call('LPOP', older)
        end
        call('PEXPIRE', older, forget_after)
    end
    call('PEXPIRE', history, forget_after)
    call('HSET', room, 'seq', seq, 'older', bytes)
end

local before = answered(once, mark)
if before then
    return before
end
if client == '' and call('ZCOUNT', members, '(' .. now_ms, '+inf') == 0 then
    return answer_once(once, mark, {'no_state'})
end
if client ~= '' and not call('ZSCORE', members, client) then
    return {'no_state'}
end
local seq, last = next_change(room)
local time = string.format('%s.%03dZ', date_text(now_ms), now_ms % 1000)
frame = frame .. ',"id":"' .. seq .. '","time":"' .. time .. '"}'
keep(change_text(seq, 'm', '-', last, frame), seq)
publish(channel, 'm', '-', seq, last, frame, '')
return answer_once(once, mark, {'applied', seq})
