-- dialect: how a change that was made on one side is said on the other. Part of the scripts that name it in their
-- `uses` line.
--
--   who changed it                        /player devices get                        Socket.IO sockets get
--   /player new_track                     the message as it came                     playback_state: playing from 0,
--                                                                                    duration 0, no titles
--   /player on_pause, off_pause,          the message as it came                     playback_state
--     change_position
--   the ghost (lib/ghost)                 on_pause                                   playback_state
--   playback_state_update                 new_track when the media differs;          playback_state
--                                         change_position when it is more than
--                                         0.5 s off; on_pause or off_pause when
--                                         that differs
--   the same, mediaId null                no_track_state when there was a state      playback_state: mediaId null,
--                                                                                    not playing
--   carplay_command play                  off_pause when it was paused               carplay_command
--   carplay_command pause                 on_pause when it was playing               carplay_command
--   carplay_command seek                  change_position                            carplay_command
--   carplay_command next, previous        nothing: the playing device obeys, and     carplay_command
--                                         tells what it plays then

-- A message of /player; `fields`: what stands between its type and its time, with a comma behind each.
local function player_message(what, fields, time)
    return '{"type_push_state":"' .. what .. '",' .. fields .. '"time_state_update":"' .. time .. '"}'
end

local function position_field(pos)
    return '"last_sec_position":' .. pos .. ','
end
