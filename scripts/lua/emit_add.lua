-- emit_add: keep an event that a backend published for Socket.IO servers and tell it, once for all who saw it.
-- uses: time publish stream emit
--
-- Atomic because whoever dies between "it is mine" and "it is told" would take the event with him.
-- Returns {outcome, number}: applied, taken or stale (see lib/emit).

local events, channel, claims = unpack(KEYS)
local mark, number, body = unpack(ARGV)

local last = last_event(events)
local outcome = claim_emit(claims, mark, number)
if outcome then
    return {outcome}
end
return {'applied', add_event(events, last, channel, '-', body)}
