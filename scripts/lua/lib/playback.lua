-- playback: a player's state as Socket.IO sockets see it. Part of the scripts that name it in their `uses` line, behind
-- time.
--
-- The state's hash holds for it: media (text: "duration":D,"mediaId":M and what else is known, ready to be used) and
-- details (duration, title, artist, album, type as JSON texts, joined by 0x1f; empty: nothing is known).

-- What is known of the media of a new_track.
local function plain_media(track)
    return '"duration":0,"mediaId":' .. track
end

-- A PlaybackState without its userId, which the gateways put in. A state that was written before there was `media`
-- has none.
local function playback_text(player, paused, pos, media)
    return '{"isPlaying":' .. (paused == '0' and 'true' or 'false') .. ',"currentTime":' .. pos .. ',' ..
        (media or plain_media(call('HGET', player, 'track'))) .. '}'
end
