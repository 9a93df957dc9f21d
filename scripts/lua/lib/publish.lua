-- publish: numbers for changes, envelopes for messages. Part of the scripts that name it in their `uses` line, behind
-- time.

-- Numbers never restart, also when the data was lost: a state without one starts from Redis's clock.
local function next_seq(seq)
    return string.format('%.0f', (seq or now_us) + 1)
end

-- An envelope: version, kind, origin, number, time of publication; then the message as clients will see it.
local function publish(channel, kind, origin, seq, message)
    call('PUBLISH', channel, '1 ' .. kind .. ' ' .. origin .. ' ' .. seq .. ' ' .. now_us .. '\n' .. message)
end
