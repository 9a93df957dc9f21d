-- event_add: keep an event and tell it to all gateways that serve its stream.
-- uses: time publish stream
--
-- Atomic because the order of the stream must be the order of the publications.
-- Returns {outcome, number}.

local events, channel = unpack(KEYS)
local body = unpack(ARGV)

return {'applied', add_event(events, channel, '-', body)}
