-- playback_update: a user's player as a Socket.IO device says it is: state, titles and duration.
-- uses: time number publish playback advance date moment dialect
--
-- Atomic because what /player devices are told is the difference to the old state. Where the old state stands now is
-- worked out by Redis's clock, and the client's clock of the state is moved on with it (a first state begins at
-- Redis's time), so that a later on_pause from /player finds the right difference. `origin`: the socket that is left
-- out; `track` '': the media stays; 'null': the state is cleared. Of media that stay, whatever is not given ('') is
-- kept. A first state comes from "carplay"; other media keep the source, as a new_track without one does. To clear
-- nothing is published as well, without a word for /player devices: the sender waits for its own change to come back.
-- Returns the outcome.

local player, channel = unpack(KEYS)
local origin, playing, pos, track, duration, title, artist, album, media_type = unpack(ARGV)

local position_slack = 0.5
local details_pattern = '^' .. ('([^\31]*)\31'):rep(4) .. '([^\31]*)$'

local old, old_paused, old_pos, at, updated, old_track, from, from_id, details =
    unpack(call('HMGET', player, 'seq', 'paused', 'pos', 'at', 'upd', 'track', 'from', 'from_id', 'details'))
local seq = next_seq(old)

local function given(new, known)
    return new ~= '' and new or known or ''
end

-- "duration" to "mediaType", without a comma at the end; and the same as it is kept.
local function media_texts(is_new)
    local known = {}
    if not is_new then
        known = {(details or ''):match(details_pattern)}
    end
    local texts = {given(duration, known[1]), given(title, known[2]), given(artist, known[3]),
        given(album, known[4]), given(media_type, known[5])}
    local names = {'', ',"mediaTitle":', ',"mediaArtist":', ',"mediaAlbum":', ',"mediaType":'}
    local media = '"duration":' .. (texts[1] ~= '' and texts[1] or '0') .. ',"mediaId":' .. track
    for i = 2, #names do
        if texts[i] ~= '' then
            media = media .. names[i] .. texts[i]
        end
    end
    return media, table.concat(texts, '\31')
end

-- What the change is on /player, from a state that stands at `stands`.
local function player_messages(is_new, stands, paused, time)
    local texts = {}
    if is_new then
        local source = '"track_id":' .. track .. ',"from_is":"' .. from .. '","from_is_id":' .. from_id .. ','
        texts[1] = player_message('new_track', source, time)
        stands, paused = 0, '0'
    end
    if math.abs(pos - stands) > position_slack then
        texts[#texts + 1] = player_message('change_position', position_field(pos), time)
    end
    if playing == paused then
        texts[#texts + 1] = player_message(playing == '1' and 'off_pause' or 'on_pause', '', time)
    end
    return table.concat(texts, '\30')
end

if track == 'null' then
    call('DEL', player)
    publish(channel, 'c', origin, seq, old, old and '{"type_push_state":"no_track_state"}' or '',
        '{"isPlaying":false,"currentTime":0,"duration":0,"mediaId":null}')
    return 'applied'
end
if not old then
    if track == '' then
        return 'no_state'
    end
    from, from_id = 'carplay', track
end

local is_new = track ~= '' and track ~= old_track
track = given(track, old_track)
local played = old and ms_since(updated) or 0
local moved = moved_on(old and at or math.floor(now_us / 1000), played)
local stands = old_paused == '0' and advance(old_pos, played) or old_pos
local time = time_text(moved)
local media, kept = media_texts(is_new)
call('HSET', player, 'seq', seq, 'paused', playing == '1' and '0' or '1', 'pos', pos, 'at', moved, 'media', media,
    'upd', now_us, 'time', time, 'track', track, 'from', from, 'from_id', from_id, 'details', kept)
if origin ~= '-' then
    call('HSET', player, 'unsaid', origin .. ' ' .. (old or '0') .. ' ' .. seq)
end
publish_state(player, channel, 'u', origin, seq, old, player_messages(is_new, stands, old_paused, time),
    playing == '1' and 'true' or 'false', pos, media)
return 'applied'
