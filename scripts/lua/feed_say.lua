-- feed_say: tell all who are subscribed to a feed something that stands in no file.
-- uses: time number publish feed once
--
-- Atomic because number, what is kept for those who poll, and publication must agree.
-- Returns {outcome}; refused: something else was said with that key.

local feed, lately, channel, once = unpack(KEYS)
local frame, event, mark = unpack(ARGV)

local hour_ms = 3600 * 1000

local before = answered(once, mark)
if before then
    return before
end
say(feed, lately, channel, frame, event, hour_ms)
return answer_once(once, mark, {'applied'})
