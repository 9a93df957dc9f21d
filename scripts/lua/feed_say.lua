-- feed_say: tell all who are subscribed to a feed something that stands in no file.
-- uses: time number publish feed
--
-- Atomic because number, what is kept for those who poll, and publication must agree.
-- Returns the outcome.

local feed, lately, channel = unpack(KEYS)
local frame, event = unpack(ARGV)

say(feed, lately, channel, frame, event)
return 'applied'
