-- room_say: say something in a room: it becomes part of the history, and all who are in the room are told.
-- uses: time number publish date room once
--
-- Atomic because number, history and publication must agree. `frame` lacks its end: the message's id, which is its
-- number, and its time by Redis's clock. A `client` who is not in the room (any more) can't speak; an empty one is the
-- server itself, whom somebody must be there to hear.
-- Returns {outcome, seq}; no_state: nobody is there; refused: something else was said with that key.

local room, members, history, channel, once = unpack(KEYS)
local client, frame, mark = unpack(ARGV)

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
tell(room, history, 50, channel, 'm', '-', seq, last, frame)
return answer_once(once, mark, {'applied', seq})
