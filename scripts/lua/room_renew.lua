-- room_renew: a member of a room was heard: his lease begins anew.
-- uses: time number publish room
--
-- Atomic because an entry that was taken out as dead must not come back unsaid: such a member has to enter again.
-- Returns {outcome, ms until the next lease in the room ends}, or no_state.

local room, members, history, older, moves = unpack(KEYS)
local client, lease = unpack(ARGV)

if not call('ZSCORE', members, client) then
    return 'no_state'
end
call('ZADD', members, now_ms + lease, client)
call('PEXPIRE', room, forget_after)
call('PEXPIRE', members, forget_after)
call('PEXPIRE', history, forget_after)
call('PEXPIRE', older, forget_after)
call('PEXPIRE', moves, forget_after)
return {'applied', next_end(members)}
