-- event_add: keep an event and tell it to all gateways that serve its stream.
-- uses: time publish stream once
--
-- Atomic because the order of the stream must be the order of the publications.
-- Returns {outcome, number}; refused: another event has that key.

local events, channel, once = unpack(KEYS)
local body, mark = unpack(ARGV)

return answered(once, mark)
    or answer_once(once, mark, {'applied', add_event(events, last_event(events), channel, '-', body)})
