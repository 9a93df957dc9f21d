-- room_join: enter a room, or, for one who is in it, find out what was missed.
-- uses: time number publish room
--
-- Atomic because the number tells which publications the count and the history contain, and because of two who meet in
-- an empty room one must be the first. When all who were in it are dead, the room is made anew: its history died with
-- them. `reaps` is 0 when leases may have run out because Redis was away: then nobody is taken for dead. With `enters`
-- 0 nobody is let in who is not; else one whose entry was lost is told as joined again. The history is answered when
-- `known`, the last number that the caller knows, is not the room's; when he knows one (not 0), then also the moves and
-- the older messages behind it.
-- Returns {outcome, seq, members, ms until the next lease ends, change...}, the changes as they are kept, in no order;
-- or no_state.

local room, members, history, older, moves, channel = unpack(KEYS)
local name, client, lease, reaps, enters, known = unpack(ARGV)

if enters == '0' and not call('ZSCORE', members, client) then
    return 'no_state'
end
look_at(room, members, history, older, moves)
if reaps == '1' then
    if call('ZCOUNT', members, '(' .. now_ms, '+inf') == 0 then
        call('DEL', room, members, history, older, moves)
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
call('PEXPIRE', older, forget_after)

-- What was said behind the number that he knows, and is not shown any more.
local function add_unshown(missed)
    local first, at_once, to = call('LINDEX', history, 0), 100, -1
    if not first or first:match('^%d+') - known <= 1 then
        return
    end
    repeat
        local some = call('LRANGE', older, to - at_once + 1, to)
        for i = #some, 1, -1 do
            if some[i]:match('^%d+') - known <= 0 then
                return
            end
            missed[#missed + 1] = some[i]
        end
        to = to - at_once
    until #some < at_once
end

local missed = seq ~= known and call('LRANGE', history, 0, -1) or {}
if known ~= '0' and seq ~= known then
    for _, move in ipairs(call('LRANGE', moves, 0, -1)) do
        missed[#missed + 1] = move
    end
    add_unshown(missed)
end
return {'applied', seq, call('ZCARD', members), next_end(members), unpack(missed)}
