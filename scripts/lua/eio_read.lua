-- eio_read: the session as the GET that is served needs it.
-- uses: time poll
--
-- Atomic because state, marks and queue must belong together.
-- Returns {outcome, version, state, marks, wait, ping, probing, piece of the queue, ...}: in `wait` ms something is
-- due, a ping (ping: 1 = it must be sent now), or, once it was sent, the end; probing: 1 = an upgrade is under way.
-- Refused: word as of eio_claim; held: the claim is another's, or Redis forgot it.

local session, queue = unpack(KEYS)
local claim, timeout, room = unpack(ARGV)

local holder, version, saved, marks, due, pinged, probed, void, closed, last =
    unpack(call('HMGET', session, 'claim', 'v', 'saved', 'marks', 'due', 'pinged', 'probed', 'void', 'closed', 'last'))
if closed == claim then
    return {'refused', 'closed', last}
end
if is_gone(due, timeout) then
    return {'refused', 'unknown'}
end
if holder ~= claim then
    return {'refused', 'held', holder or ''}
end
local ping = now_ms >= tonumber(due) and pinged ~= '1'
local wait = pinged == '1' and due + timeout - now_ms or due - now_ms
local probing = probed == '1' and now_ms < tonumber(void)
return {'applied', version, saved, marks, math.max(0, wait), ping and '1' or '0', probing and '1' or '0',
    unpack(queued(queue, tonumber(room)))}
