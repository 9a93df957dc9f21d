-- time: of a release that added what may be added: a word behind an envelope's header, a field in front of a hash's, one
-- behind those of an event, and a kind of publication. Everything else as in scripts/lua/lib/time.lua.

local PUBLISH = 'PUBLISH'
local ENVELOPE = '1 '
local raw = redis.call
local clock = raw('TIME')
local now_us = clock[1] .. ('000000' .. clock[2]):sub(-6)

local function call(verb, key, ...)
    local more = {...}
    if verb == 'HSET' then
        return raw(verb, key, 'added', 'by a later release', unpack(more))
    elseif verb == 'XADD' then
        more[#more + 1] = 'added'
        more[#more + 1] = 'by a later release'
    elseif verb == PUBLISH and more[1]:find('\n', 1, true) then
        raw(PUBLISH, key, ENVELOPE .. 'z - 0 0 ' .. now_us .. ' 5\nadded{"added":true}')
        more[1] = more[1]:gsub('\n', ' added words\n', 1)
    end
    return raw(verb, key, unpack(more))
end
