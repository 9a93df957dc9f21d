-- user_disconnect: an operator sends a user away: all gateways close what they hold for him.
-- uses: time publish farewell once
--
-- Atomic because a device that comes in between must either hear of it or come later. Sessions that poll may be with no
-- gateway at the moment; they are closed one by one.
-- Returns {outcome, id of a polling session, id, ...}, the same ids to who asks again, who may have to go on with them;
-- refused: something else was asked with that key.

local devices, channel, once = unpack(KEYS)
local mark = unpack(ARGV)

local before = answered(once, mark)
if before then
    return before
end
local polling = polling_sessions(devices)
send_away(channel)
return answer_once(once, mark, {'applied', unpack(polling)})
