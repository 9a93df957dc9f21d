-- player: how a player's state moves on and how it is told. Part of the scripts that name it in their `uses` line.
--
-- The state is a hash: track, from, from_id (as JSON), paused (0/1), pos (seconds), time (the client's clock, as
-- sent), at (the same in ms), upd (Redis's clock in ms at the last change), seq (number of the last change).

-- Numbers never restart, also when the data was lost: a state without one starts from Redis's clock.
local function next_seq(seq)
    return string.format('%.0f', (seq or now_us) + 1)
end

-- An envelope: version, kind, origin, number, time of publication; then the message as clients will see it.
local function publish(channel, kind, origin, seq, message)
    call('PUBLISH', channel, '1 ' .. kind .. ' ' .. origin .. ' ' .. seq .. ' ' .. now_us .. '\n' .. message)
end

-- Where a track that was playing stands after so many milliseconds; time never runs backwards.
local function advance(pos, ms)
    if ms <= 0 then
        return pos
    end
    return string.format('%.15g', pos + ms / 1000)
end
