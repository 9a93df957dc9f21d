-- once: a request that is repeated happens once. Part of the scripts that name it in their `uses` line, behind time.
--
-- `once` belongs to the request's Idempotency-Key: a list of a digest of the request (its mark), and of what it was
-- answered, which is answered again for five minutes. Without such a key the mark is empty, and nothing is looked at.

-- What the same request was answered; nil when it comes for the first time.
local function answered(once, mark)
    if mark == '' then
        return nil
    end
    local kept = call('LRANGE', once, 0, -1)
    local first = table.remove(kept, 1)
    if first and first ~= mark then
        return {'refused'}
    end
    return first and kept
end

local function answer_once(once, mark, answer)
    if mark ~= '' then
        call('RPUSH', once, mark, unpack(answer))
        call('PEXPIRE', once, 300 * 1000)
    end
    return answer
end
