-- device_leave: a device of a user is gone; what remains is the moment when somebody was last there.
-- uses: time lease
--
-- Atomic because the entry and the mark of the last moment, `gone`, must change together: the ghost is worked out
-- from them. The mark is a lease of no length, so it needs no case of its own; it never moves back. `age` is how long
-- ago the device was last heard: its network may have been gone before the gateway noticed.
-- Returns the outcome.

local devices = unpack(KEYS)
local entry, age = unpack(ARGV)

local now_ms = math.floor(now_us / 1000)

call('ZREM', devices, entry)
call('ZADD', devices, 'GT', now_ms - age, 'gone 0')
call('PEXPIRE', devices, forget_after)
return 'applied'
