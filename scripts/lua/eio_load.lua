-- eio_load: the session as a POST needs it.
-- uses: time poll
--
-- Atomic because state and version must belong together.
-- Returns {outcome, version, state, marks, allowance, microseconds since that was worked out}. Refused: word as of
-- eio_claim.

local session = unpack(KEYS)
local proto, timeout = unpack(ARGV)

local row, kind, due, version, saved, marks, sent, allowance, charged =
    unpack(call('HMGET', session, 'proto', 'kind', 'due', 'v', 'saved', 'marks', 'sent', 'allowance', 'charged'))
if row ~= proto or is_gone(due, timeout) then
    return {'refused', 'unknown'}
end
if kind ~= 'p' then
    return {'refused', 'wrong'}
end
return {'applied', version, saved, sent or marks, allowance, string.format('%.0f', math.max(0, now_us - charged))}
