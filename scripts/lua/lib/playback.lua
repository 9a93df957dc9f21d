-- playback: a player's state as Socket.IO sockets see it. Part of the scripts that name it in their `uses` line, behind
-- time.
--
-- The state's hash holds for it: media (text: "duration":D,"mediaId":M and what else is known, ready to be used) and
-- unsaid (WHO FROM TO: the changes behind FROM up to TO are no playback_state for that socket, or, with "*", for
-- anybody: who fetches the state instead of being told knows by it what not to say) and
-- details (duration, title, artist, album, type as JSON texts, joined by 0x1f; empty: nothing is known).

-- In front of the track: media of which nothing is known.
local plain_media = '"duration":0,"mediaId":'

-- A change of the state: an envelope (lib/publish) whose second part is the PlaybackState without its userId, which the
-- gateways put in. In one piece, because every string on the way costs. `playing`: true or false, as text. A state
-- that was written before there was `media` has none.
local function publish_state(player, channel, kind, origin, seq, prev, texts, playing, pos, media)
    call(PUBLISH, channel, ENVELOPE .. kind .. ' ' .. origin .. ' ' .. seq .. ' ' .. (prev or '0') .. ' ' .. now_us ..
        ' ' .. string.format('%d', #texts) .. '\n' .. texts .. '{"isPlaying":' .. playing .. ',"currentTime":' .. pos ..
        ',' .. (media or plain_media .. call('HGET', player, 'track')) .. '}')
end
