-- events_read: what came behind a cursor, or where the stream ends.
-- uses: time publish stream
--
-- Atomic because "nothing is missing since then" and the events that are read must belong to the same stream. A
-- cursor can be served when every event since it is still there: the first entry knows its predecessor, so trimming
-- is seen; one that begins a stream anew knows none, and then only who saw the stream empty, too short ago for events
-- to have come and expired, missed nothing. Whatever is no cursor can't be served. An empty `cursor` asks for the end
-- alone.
-- Returns {outcome, served (1/0), end, more (1: events remain behind the end), number, event, number, event, ...}.

local events = unpack(KEYS)
local cursor, limit = unpack(ARGV)

local digits_max = 16
local last = last_event(events)

local function is_served(number, saw_empty)
    if not last then
        return saw_empty and number <= tonumber(now_us) and number > tonumber(oldest_us())
    end
    local entry = call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
    local first, before = tonumber(event_number(entry)), tonumber(entry[2][2])
    if saw_empty then
        return before == 0 and number < first and number > first - events_age_ms * 1000
    end
    return number <= tonumber(last) and (number >= first or before ~= 0 and before <= number)
end

local digits, mark = cursor:match('^(%d+)(e?)$')
local saw_empty = mark == 'e'
if not digits or #digits > digits_max or not is_served(tonumber(digits), saw_empty) then
    return {'applied', cursor == '' and '1' or '0', last or now_us .. 'e', '0'}
end
if not last then
    return {'applied', '1', cursor, '0'}
end
local from = saw_empty and '-' or string.format('(%.0f-0', tonumber(digits))
local entries = call('XRANGE', events, from, '+', 'COUNT', limit + 1)
local count = math.min(#entries, tonumber(limit))
local answer = {'applied', '1', count > 0 and event_number(entries[count]) or last, #entries > count and '1' or '0'}
for i = 1, count do
    answer[#answer + 1] = event_number(entries[i])
    answer[#answer + 1] = entries[i][2][4]
end
return answer
