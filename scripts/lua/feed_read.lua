-- feed_read: where a feed stands, and what it said since a number. An empty `since`: only where it stands.
-- uses: time
--
-- Atomic because the number tells which publications the list contains.
-- Returns {outcome, seq, number, event, number, event...}, the oldest first. A feed that never said anything stands at
-- Redis's time, which its first number will be above.

local feed, lately = unpack(KEYS)
local since = unpack(ARGV)

local answer = {'applied', call('HGET', feed, 'seq') or now_us}
if since ~= '' then
    local entries = call('LRANGE', lately, 0, -1)
    for i = #entries, 1, -1 do
        local number, event = entries[i]:match('^(%d+) (.*)$')
        if tonumber(number) > tonumber(since) then
            answer[#answer + 1] = number
            answer[#answer + 1] = event
        end
    end
end
return answer
