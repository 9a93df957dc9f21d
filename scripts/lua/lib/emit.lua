-- emit: who tells what a backend published for Socket.IO servers. Part of the scripts that name it in their `uses`
-- line, behind time.
--
-- All gateways saw the publication, as the same number behind the same mark (see gateway/adapter), and all of them
-- come here with it. `claims` is a hash: mark, and the number of the publication behind it that was told last here.

local emits_known_us = 60 * 1000000

-- Whether the caller is to tell it: nil when it is, otherwise the outcome: taken (it was told), or stale (so long ago
-- that nobody knows).
local function claim_emit(claims, mark, number)
    local function is_old(other)
        local set_at = other:match('^%d+')
        return set_at and now_us - set_at > emits_known_us
    end
    if is_old(mark) then
        return 'stale'
    end
    local last = call('HGET', claims, mark)
    if last and tonumber(last) >= tonumber(number) then
        return 'taken'
    end
    if not last then
        for _, other in ipairs(call('HKEYS', claims)) do
            if is_old(other) then
                call('HDEL', claims, other)
            end
        end
    end
    call('HSET', claims, mark, number)
    call('PEXPIRE', claims, emits_known_us / 1000 * 2)
    return nil
end
