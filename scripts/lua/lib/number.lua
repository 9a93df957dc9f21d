-- number: numbers for changes. Part of the scripts that name it in their `uses` line, behind time.

-- Numbers never restart and are never given twice, also when Redis lost its data, or only the newest of them: whoever
-- saw a change that Redis forgot must not take another one for it. So a number is at least Redis's clock. (%d: twice as
-- fast as %.0f, and as exact.)
local function next_seq(seq)
    return string.format('%d', math.max((seq or 0) + 1, now_us))
end
