-- room_look: who is in a room.
-- uses: time
--
-- Atomic because count and list are of one moment. Who is dead and not taken out yet does not count. The list is cut
-- at 5000.
-- Returns {outcome, members, client...}.

local members = unpack(KEYS)

local listed = 5000
local alive = '(' .. math.floor(now_us / 1000)

return {'applied', call('ZCOUNT', members, alive, '+inf'),
    unpack(call('ZRANGEBYSCORE', members, alive, '+inf', 'LIMIT', 0, listed))}
