-- room_reap: take out those whose lease is over, and tell the others that they left.
-- uses: time number publish room
--
-- Atomic because of all processes that look after a room at the same moment one finds the dead member, and only that
-- one tells of him. The room goes with the last.
-- Returns {outcome, ms until the next lease ends}, or no_state when nobody is left.

local room, members, history, older, moves, channel = unpack(KEYS)
local name = unpack(ARGV)

look_at(room, members, history, older, moves)
reap(room, members, moves, channel, name)
if call('EXISTS', members) == 0 then
    call('DEL', room, history, older, moves)
    return 'no_state'
end
return {'applied', next_end(members)}
