-- eio_claim: a GET wants to be the one that is served.
-- uses: time poll
--
-- Atomic because of two GETs at the same moment one must see the other. `instead`: a claim whose process is dead and
-- which may be taken over; a claim that is made twice (its first answer was lost) is one. A GET that repeats the last
-- one (the same `t`) gets the same again; any other shows that the last answer arrived.
-- Returns {outcome, word, ...}: applied; refused: unknown, wrong (a websocket has it), held and the holder's claim,
-- closed and the last words.

local session, queue = unpack(KEYS)
local proto, claim, instead, t, timeout = unpack(ARGV)

local row, kind, due, holder, last_t, last =
    unpack(call('HMGET', session, 'proto', 'kind', 'due', 'claim', 't', 'last'))
if row == proto and kind == 'c' then
    call('DEL', session)
    return {'refused', 'closed', last}
end
if row ~= proto or is_gone(due, timeout) then
    return {'refused', 'unknown'}
end
if kind ~= 'p' then
    return {'refused', 'wrong'}
end
if holder and holder ~= instead and holder ~= claim then
    return {'refused', 'held', holder}
end
if t == '' or t ~= last_t then
    confirm(session, queue)
end
call('HSET', session, 'claim', claim)
return {'applied'}
