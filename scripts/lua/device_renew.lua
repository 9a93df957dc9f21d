-- device_renew: a device of a user was heard: its lease begins anew from that moment.
-- uses: time lease
--
-- Atomic because the lease ends by Redis's clock, which the caller does not know; it only knows how long ago (`age`)
-- the device was heard. An entry that was lost with Redis's data comes back.
-- Returns the outcome.

local devices = unpack(KEYS)
local entry, lease, age = unpack(ARGV)

local now_ms = math.floor(now_us / 1000)

call('ZADD', devices, now_ms - age + lease, entry)
call('PEXPIRE', devices, forget_after)
return 'applied'
