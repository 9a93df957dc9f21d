-- emit_disconnect: a backend sends a user away as it would tell Socket.IO servers to, once for all who saw it.
-- uses: time publish farewell emit
--
-- Atomic because whoever dies between "it is mine" and "it is told" would leave the user connected.
-- Returns {outcome, id of a polling session, id, ...}: applied, taken or stale (see lib/emit).

local devices, channel, claims = unpack(KEYS)
local mark, number = unpack(ARGV)

local polling = polling_sessions(devices)
local outcome = claim_emit(claims, mark, number)
if outcome then
    return {outcome}
end
send_away(channel)
return {'applied', unpack(polling)}
