-- limit_claim: how many connections of a user, or an address, a process may have: its own, and more if there is room.
-- uses: time
--
-- Atomic because of two processes that ask for the last place one must be refused. What a process has is never taken
-- from it: its clients are connected, whatever became of Redis's data meanwhile. `places` holds, by process,
-- "COUNT END": it counts until the end of its lease, so that the places of a process that was killed are free again.
-- `polls` are the polling sessions, which no process has.
-- Returns {outcome, how many}.

local places, polls = unpack(KEYS)
local process, has, wants, limit, lease = unpack(ARGV)

local now_ms = math.floor(now_us / 1000)

local entries = call('HGETALL', places)
call('ZREMRANGEBYSCORE', polls, '-inf', now_ms)
local others = call('ZCARD', polls)
for i = 1, #entries, 2 do
    local count, ends = entries[i + 1]:match('^(%d+) (%d+)$')
    if not count or tonumber(ends) <= now_ms then
        call('HDEL', places, entries[i])
    elseif entries[i] ~= process then
        others = others + count
    end
end
local granted = math.max(tonumber(has), math.min(tonumber(wants), limit - others))
if granted > 0 then
    call('HSET', places, process, string.format('%d %d', granted, now_ms + lease))
    if call('PTTL', places) < tonumber(lease) then
        call('PEXPIRE', places, lease)
    end
else
    call('HDEL', places, process)
end
return {'applied', granted}
