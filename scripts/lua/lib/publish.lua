-- publish: envelopes for messages. Part of the scripts that name it in their `uses` line, behind time.

-- An envelope: version, kind, origin, number, the number before it (0: none), time of publication, length of the first
-- part; then what /player devices get (texts, joined by 0x1e; may be empty) and what Socket.IO sockets get (likewise).
local function publish(channel, kind, origin, seq, prev, texts, other)
    call(PUBLISH, channel, ENVELOPE .. kind .. ' ' .. origin .. ' ' .. seq .. ' ' .. (prev or '0') .. ' ' .. now_us ..
        ' ' .. #texts .. '\n' .. texts .. other)
end
