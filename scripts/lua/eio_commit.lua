-- eio_commit: what a POST brought is done: its state is kept, its replies are queued.
-- uses: time poll
--
-- Atomic because a GET must see state and replies together. A version that only this state can have keeps two POSTs
-- at the same time from losing each other's changes. `pong`: 1 = the last ping was answered, and the next one is due
-- in `interval`.
-- Returns {outcome, word}. Refused: unknown, wrong, changed (another POST was quicker), full (nobody fetches).

local session, queue, channel = unpack(KEYS)
local version, saved, packets, bytes, pong, allowance, interval, timeout, queue_max = unpack(ARGV)

local kind, current, before, due, claim = unpack(call('HMGET', session, 'kind', 'v', 'saved', 'due', 'claim'))
if is_gone(due, timeout) then
    return {'refused', 'unknown'}
end
if kind ~= 'p' then
    return {'refused', 'wrong'}
end
if saved ~= before and current ~= version then
    return {'refused', 'changed'}
end
if packets ~= '' then
    call('RPUSH', queue, packets)
end
if pong == '1' then
    due = now_ms + interval
    call('HSET', session, 'due', due)
    call('HDEL', session, 'pinged', 'ping')
end
call('HSET', session, 'allowance', allowance, 'charged', now_us)
call('HINCRBY', session, 'in', bytes)
if saved ~= before then
    call('HSET', session, 'saved', saved, 'v', current + 1)
end
keep(session, due, timeout)
keep(queue, due, timeout)
if packets ~= '' then
    local waiting = 0
    for _, item in ipairs(call('LRANGE', queue, 0, -1)) do
        waiting = waiting + #item
    end
    if waiting > tonumber(queue_max) then
        return {'refused', 'full'}
    end
end
if claim and (packets ~= '' or saved ~= before or pong == '1') then
    wake(channel, 'w', '')
end
return {'applied'}
