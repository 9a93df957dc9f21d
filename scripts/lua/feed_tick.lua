-- feed_tick: tell the next line of a feed, unless the line of this period was told already.
-- uses: time number publish feed
--
-- Atomic because "is it due", "whose turn is it", "tell it" and "it was told" must be one step: so a line is told once
-- however many processes ask, and whichever of them dies, and nobody has to lead. The caller can only guess the number
-- of the line whose turn it is: a wrong guess tells nothing, and the answer says the right one. Who has fewer lines
-- than the number says begins with his first. The feed is a hash: `start` (when the period began whose line was told
-- last, in ms) and `line` (the number of the line that comes next). The start of a period, not its number, so that a
-- feed may get another period; one that lies beyond the next period is of a clock that was put back. A period whose
-- first half nobody served is missed, and is not made up for in the second: lines keep their distance.
-- Returns {outcome, wait, line}: applied, taken (told or missed) or stale (a wrong guess); the ms until the next period
-- begins; the number of the line whose turn it is.

local feed, lately, channel = unpack(KEYS)
local period, lines, line, frame, event = unpack(ARGV)

local now_ms = math.floor(now_us / 1000)
local month_ms = 30 * 86400 * 1000

period, lines, line = tonumber(period), tonumber(lines), tonumber(line)
local start = now_ms - now_ms % period
local wait = start + period - now_ms
local told, turn = unpack(call('HMGET', feed, 'start', 'line'))
told, turn = tonumber(told or -1), tonumber(turn or 0)
if turn >= lines then
    turn = 0
end
if told >= start and told <= start + period or now_ms - start > period / 2 then
    return {'taken', wait, turn}
end
if line ~= turn then
    return {'stale', wait, turn}
end
say(feed, lately, channel, frame, event, month_ms)
call('HSET', feed, 'start', string.format('%.0f', start), 'line', turn + 1)
return {'applied', wait, (turn + 1) % lines}
