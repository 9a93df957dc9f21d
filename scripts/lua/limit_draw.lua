-- limit_draw: tokens out of a rate's bucket, which all processes share; as many as there are, up to what is wanted.
-- uses: time
--
-- Atomic because what is in the bucket and what is taken must agree. The bucket holds `burst` and fills by `rate` a
-- second, by Redis's clock; forgotten, it is full.
-- Returns {outcome, tokens, ms until there is one again}.

local bucket = unpack(KEYS)
local wants, rate, burst = unpack(ARGV)

local tokens, at = unpack(call('HMGET', bucket, 'tokens', 'at'))
local left = tonumber(burst)
if tokens then
    left = math.min(left, tokens + math.max(0, now_us - at) / 1e6 * rate)
end
local granted = math.min(tonumber(wants), math.floor(left))
left = left - granted
call('HSET', bucket, 'tokens', string.format('%.6f', left), 'at', now_us)
call('PEXPIRE', bucket, math.ceil(burst / rate * 1000) + 1000)
return {'applied', granted, left >= 1 and 0 or math.ceil((1 - left) / rate * 1000)}
