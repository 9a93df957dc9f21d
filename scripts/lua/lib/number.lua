-- number: numbers for changes. Part of the scripts that name it in their `uses` line, behind time.

-- Numbers never restart, also when the data was lost: what has none starts from Redis's clock. (%d: twice as fast as
-- %.0f, and as exact.)
local function next_seq(seq)
    return string.format('%d', (seq or now_us) + 1)
end
