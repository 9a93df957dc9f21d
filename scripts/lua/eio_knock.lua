-- eio_knock: does somebody else listen to a session's channel?
-- uses: time poll
--
-- Returns {outcome, listeners}: the caller listens as well.

local channel = unpack(KEYS)

return {'applied', call(PUBLISH, channel, ENVELOPE .. 'k - 0 0 ' .. now_us .. ' 0\n')}
