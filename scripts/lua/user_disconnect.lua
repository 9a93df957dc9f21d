-- user_disconnect: an operator sends a user away: all gateways close what they hold for him.
-- uses: time publish
--
-- Atomic because a device that comes in between must either hear of it or come later. Sessions that poll may be with no
-- gateway at the moment; they are closed one by one.
-- Returns {outcome, id of a polling session, id, ...}.

local devices, channel = unpack(KEYS)

local now_ms = math.floor(now_us / 1000)
local at_once = 1000

local answer = {'applied'}
for _, entry in ipairs(call('ZRANGEBYSCORE', devices, '(' .. now_ms, '+inf', 'LIMIT', 0, at_once)) do
    answer[#answer + 1] = entry:match('^(%S+) %S+ %S+ %S+ polling$')
end
publish(channel, 'd', '-', now_us, nil, '', '')
return answer
