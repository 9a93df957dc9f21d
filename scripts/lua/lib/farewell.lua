-- farewell: an operator sends a user away: all gateways close what they hold for him. Part of the scripts that name it
-- in their `uses` line, behind time and publish.
--
-- Sessions that poll may be with no gateway at the moment; their ids are returned, to be closed one by one.

local function polling_sessions(devices)
    local now_ms, at_once = math.floor(now_us / 1000), 1000
    local polling = {}
    for _, entry in ipairs(call('ZRANGEBYSCORE', devices, '(' .. now_ms, '+inf', 'LIMIT', 0, at_once)) do
        polling[#polling + 1] = entry:match('^(%S+) %S+ %S+ %S+ polling$')
    end
    return polling
end

local function send_away(channel)
    publish(channel, 'd', '-', now_us, nil, '', '')
end
