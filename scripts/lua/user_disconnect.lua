-- user_disconnect: an operator sends a user away: all gateways close what they hold for him.
-- uses: time publish
--
-- Atomic because it is one publication; a script so that it carries Redis's time as every other does.
-- Returns the outcome.

local channel = unpack(KEYS)

publish(channel, 'd', '-', now_us, nil, '', '')
return 'applied'
