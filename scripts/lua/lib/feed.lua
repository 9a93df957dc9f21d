-- feed: how a feed says something. Part of the scripts that name it in their `uses` line, behind time, number and
-- publish.
--
-- The feed is a hash: seq (number of what was said last), and for feeds of lines start and line (see feed_tick). What
-- was said lately stays in a list, "NUMBER EVENT" each, so that a Socket.IO client that polls finds what was said
-- between two polls. A feed that says nothing for `kept` ms is forgotten: it may be, since numbers do not restart.

local function say(feed, lines, channel, frame, event, kept)
    local lately, lately_count = 300 * 1000, 32
    local before = call('HGET', feed, 'seq')
    local seq = next_seq(before)
    call('LPUSH', lines, seq .. ' ' .. event)
    call('LTRIM', lines, 0, lately_count - 1)
    call('PEXPIRE', lines, lately)
    call('HSET', feed, 'seq', seq)
    if call('PTTL', feed) < kept then
        call('PEXPIRE', feed, kept)
    end
    publish(channel, 'f', '-', seq, before, frame, event)
end
