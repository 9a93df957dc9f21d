-- time: Redis's clock, the one clock that all processes share. Part of the scripts that name it in their `uses` line.
--
-- As text of microseconds since 1970, since text is what it is mostly needed as; a number on demand (now_us / 1000).

local call = redis.call
-- How a channel is told. In a Redis Cluster the gateway makes SPUBLISH of it (gateway/store/scripts).
local PUBLISH = 'PUBLISH'
-- The version of the envelopes (lib/publish), and what stands behind it; gateway/hub/msg.h says when to raise it.
local ENVELOPE = '1 '
local clock = call('TIME')
local now_us = clock[1] .. ('000000' .. clock[2]):sub(-6)
