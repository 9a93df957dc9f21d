-- publish: numbers for changes, envelopes for messages. Part of the scripts that name it in their `uses` line, behind
-- time.

-- Numbers never restart, also when the data was lost: a state without one starts from Redis's clock.
local function next_seq(seq)
    return string.format('%.0f', (seq or now_us) + 1)
end

-- An envelope: version, kind, origin, number, the number before it (0: none), time of publication, length of the first
-- part; then what /player devices get (texts, joined by 0x1e; may be empty) and what Socket.IO sockets get (likewise).
local function publish(channel, kind, origin, seq, prev, texts, other)
    call('PUBLISH', channel, '1 ' .. kind .. ' ' .. origin .. ' ' .. seq .. ' ' .. (prev or '0') .. ' ' .. now_us ..
        ' ' .. #texts .. '\n' .. texts .. other)
end
