-- room_leave: leave a room; with the last one, room and history are gone.
-- uses: time number publish room
--
-- Atomic because who was taken out, what the others are told and whether anybody is left must agree. One who was
-- taken for dead before is told only once.
-- Returns the outcome.

local room, members, history, older, moves, channel = unpack(KEYS)
local name, client = unpack(ARGV)

look_at(room, members, history, older, moves)
if call('ZREM', members, client) == 0 then
    return 'no_state'
end
tell_member(room, members, moves, channel, name, 'l', client)
if call('EXISTS', members) == 0 then
    call('DEL', room, history, older, moves)
end
return 'applied'
