-- device_list: which devices of a user are alive, by the end of their leases.
-- uses: time
--
-- A script because it is Redis's clock that decides who is alive.
-- Returns {outcome, entry, end of its lease, entry, ...}, `limit` devices at most.

local devices = unpack(KEYS)
local limit = unpack(ARGV)

local now_ms = math.floor(now_us / 1000)

return {'applied', unpack(call('ZRANGEBYSCORE', devices, '(' .. now_ms, '+inf', 'WITHSCORES', 'LIMIT', 0, limit))}
