-- room_join: enter a room, or, for one who is in it, find out what was missed.
-- uses: time number publish room
--
-- Atomic because the number tells which publications the count and the history contain, and because of two who meet in
-- an empty room one must be the first. When all who were in it are dead, the room is made anew: its history died with
-- them. `reaps` is 0 when leases may have run out because Redis was away: then nobody is taken for dead. With `enters`
-- 0 nobody is let in who is not; else one whose entry was lost is told as joined again. The history is answered when
-- `known`, the last number that the caller knows, is not the room's; then the moves, too, when he knows one (not 0).
-- Returns {outcome, seq, members, ms until the next lease ends, "SEQ KIND ORIGIN FRAME"...}, or no_state.

local room, members, history, moves, channel = unpack(KEYS)
local name, client, lease, reaps, enters, known = unpack(ARGV)

if enters == '0' and not call('ZSCORE', members, client) then
    return 'no_state'
end
look_at(room, members, history, moves)
if reaps == '1' then
    if call('ZCOUNT', members, '(' .. now_ms, '+inf') == 0 then
        call('DEL', room, members, history, moves)
    else
        reap(room, members, moves, channel, name)
    end
end
local seq
if call('ZADD', members, now_ms + lease, client) == 1 then
    seq = tell_member(room, members, moves, channel, name, 'j', client)
else
    seq = call('HGET', room, 'seq')
end
call('PEXPIRE', room, forget_after)
call('PEXPIRE', members, forget_after)
call('PEXPIRE', history, forget_after)
local missed = seq ~= known and call('LRANGE', history, 0, -1) or {}
for _, move in ipairs(known ~= '0' and seq ~= known and call('LRANGE', moves, 0, -1) or {}) do
    missed[#missed + 1] = move
end
return {'applied', seq, call('ZCARD', members), next_end(members), unpack(missed)}
