-- time: of a release whose envelopes have the next version, and whose keys all have next names: "player:{U}" has become
-- "player.2:{U}". What lies under an old name is taken along when it is touched, and a notice is left there, a set, for
-- as long as what was taken. Everything else as in scripts/lua/lib/time.lua.

local PUBLISH = 'PUBLISH'
local ENVELOPE = '2 '
local raw = redis.call
local clock = raw('TIME')
local now_us = clock[1] .. ('000000' .. clock[2]):sub(-6)

local function new_name(old)
    return (old:gsub(':{', '.2:{', 1))
end

local function take_along(old)
    local kind = raw('TYPE', old).ok
    if kind ~= 'none' and kind ~= 'set' then
        raw('RENAME', old, new_name(old))
    end
end

local function leave_notice(old)
    local new = new_name(old)
    raw('DEL', old)
    if raw('EXISTS', new) == 1 then
        local ms = raw('PTTL', new)
        raw('SADD', old, '2')
        if ms > 0 then
            raw('PEXPIRE', old, ms)
        end
    end
end

local function call(verb, ...)
    if verb == 'TIME' or verb == PUBLISH then
        return raw(verb, ...)
    end
    local words, names = {...}, {}
    for i = 1, verb == 'DEL' and #words or 1 do
        names[i] = words[i]
        take_along(names[i])
        words[i] = new_name(names[i])
    end
    local reply = raw(verb, unpack(words))
    for i = 1, #names do
        leave_notice(names[i])
    end
    return reply
end
