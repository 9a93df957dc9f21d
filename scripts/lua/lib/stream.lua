-- stream: events that are kept for who was away. Part of the scripts that name it in their `uses` line, behind time and
-- publish.
--
-- An entry's id is N-0, N a number that never restarts; its fields are p (the number before it, 0 = the stream was
-- empty) and b (the event: JSON of its arguments, without brackets). A cursor is the number of the event that was seen
-- last, or "Te" for one who saw the stream empty at the time T.

local events_kept = 1000
local events_age_ms = 86400 * 1000

-- The number of an entry, as text; nil without one.
local function event_number(entry)
    return entry and entry[1]:match('^%d+')
end

local function last_event(events)
    return event_number(call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1])
end

local function oldest_us()
    return string.format('%.0f', now_us - events_age_ms * 1000)
end

-- Keeps an event and tells it; returns its number as text. `last` is last_event's, which the caller reads before he
-- changes anything.
local function add_event(events, last, channel, origin, body)
    local prev = last or '0'
    local number = string.format('%.0f', math.max(prev + 1, now_us))
    call('XADD', events, 'MAXLEN', events_kept, number .. '-0', 'p', prev, 'b', body)
    call('XTRIM', events, 'MINID', oldest_us())
    call('PEXPIRE', events, events_age_ms)
    publish(channel, 'e', origin, number, prev, '', body)
    return number
end
