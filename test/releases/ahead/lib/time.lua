-- time: of a release whose envelopes have the next version, and whose keys are as they were. Everything else as in
-- scripts/lua/lib/time.lua.

local call = redis.call
local PUBLISH = 'PUBLISH'
local ENVELOPE = '2 '
local clock = call('TIME')
local now_us = clock[1] .. ('000000' .. clock[2]):sub(-6)
