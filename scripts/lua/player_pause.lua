-- player_pause: stop the clock of a user's player and tell all gateways that serve the user.
-- uses: time number playback advance turn
--
-- Atomic because position, number and published message must agree.
-- Returns the outcome.

local player, channel = unpack(KEYS)
local origin, message, at, time = unpack(ARGV)

return turn(player, channel, 'p', origin, message, at, time, '1', 'false')
