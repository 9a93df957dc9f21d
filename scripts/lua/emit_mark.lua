-- emit_mark: set a mark from which all gateways count what backends publish.
-- uses: time number
--
-- Atomic because no two marks may be the same, and Redis's order of publications is what makes the counts the same.
-- Returns {outcome}.

local last, channel = unpack(KEYS)

local forget_after = 86400 * 1000
local before = call('GET', last)
local mark = before and math.max(before + 1, now_us) or now_us + 0
mark = string.format('%.0f', mark)
call('SET', last, mark, 'PX', forget_after)
call('PUBLISH', channel, mark)
return {'applied'}
