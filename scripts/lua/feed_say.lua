-- feed_say: tell all who are subscribed to a feed something that stands in no file.
-- uses: time publish
--
-- Atomic because it is one publication; a script so that it carries Redis's time as every other does.
-- Returns the outcome.

local channel = unpack(KEYS)
local frame, event = unpack(ARGV)

publish(channel, 'f', '-', now_us, nil, frame, event)
return 'applied'
