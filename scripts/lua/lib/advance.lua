-- advance: how a player's state moves on by itself. Part of the scripts that name it in their `uses` line.
--
-- The state is a hash: track, from, from_id (as JSON), paused (0/1), pos (seconds), time (the client's clock, as
-- sent), at (the same in ms), upd (Redis's clock in microseconds at the last change), seq (number of the last change);
-- and what lib/playback keeps in it.

-- Where a track that was playing stands after so many milliseconds; time never runs backwards.
local function advance(pos, ms)
    if ms <= 0 then
        return pos
    end
    return string.format('%.15g', pos + ms / 1000)
end
