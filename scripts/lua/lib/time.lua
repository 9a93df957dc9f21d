-- time: Redis's clock, the one clock that all processes share. Part of the scripts that name it in their `uses` line.

local call = redis.call
local seconds, micros = unpack(call('TIME'))
local now_ms = seconds * 1000 + math.floor(micros / 1000)
local now_us = seconds .. string.format('%06d', micros)
