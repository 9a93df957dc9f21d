-- player_resume: let the clock of a user's player run and tell all gateways that serve the user.
-- uses: time number playback advance turn
--
-- Atomic because position, number and published message must agree. A player that was running already is only
-- brought forward to the new time.
-- Returns the outcome.

local player, channel = unpack(KEYS)
local origin, message, at, time = unpack(ARGV)

return turn(player, channel, 'r', origin, message, at, time, '0', 'true')
