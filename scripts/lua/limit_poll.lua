-- limit_poll: a polling session takes a place among a user's, or an address's, connections, keeps it or gives it back.
-- uses: time
--
-- Atomic for the same reason as limit_claim, which see. One that has a place keeps it, whatever the limit; with `keeps`
-- 1 it is taken for one that has. A `lease` of 0 gives the place back.
-- Returns the outcome; refused: there is no room.

local places, polls = unpack(KEYS)
local session, keeps, limit, lease = unpack(ARGV)

local now_ms = math.floor(now_us / 1000)

if lease == '0' then
    call('ZREM', polls, session)
    return 'applied'
end
local count = 0
for _, entry in ipairs(keeps == '0' and call('HVALS', places) or {}) do
    local has, ends = entry:match('^(%d+) (%d+)$')
    if has and tonumber(ends) > now_ms then
        count = count + has
    end
end
call('ZREMRANGEBYSCORE', polls, '-inf', now_ms)
if keeps == '0' and count + call('ZCARD', polls) >= tonumber(limit) and not call('ZSCORE', polls, session) then
    return 'refused'
end
call('ZADD', polls, now_ms + lease, session)
if call('PTTL', polls) < tonumber(lease) then
    call('PEXPIRE', polls, lease)
end
return 'applied'
