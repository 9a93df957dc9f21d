-- user_disconnect: an operator sends a user away: all gateways close what they hold for him.
-- uses: time publish farewell
--
-- Atomic because a device that comes in between must either hear of it or come later. Sessions that poll may be with no
-- gateway at the moment; they are closed one by one.
-- Returns {outcome, id of a polling session, id, ...}.

local devices, channel = unpack(KEYS)

return {'applied', unpack(send_away(devices, channel))}
