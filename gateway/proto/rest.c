/* Which requests are answered with JSON: one row each. */
#include "gateway/proto/rest.h"

const struct endpoint rest_table[] = {
    {"POST", "/api/carplay/control", ENDPOINT_USER, NULL, false, rest_control},
    {"GET", "/api/carplay/now-playing", ENDPOINT_USER, NULL, false, rest_now_playing},
    {"POST", "/api/users/*/events", ENDPOINT_SERVER, NULL, false, rest_tell_user},
    {"POST", "/api/events", ENDPOINT_SERVER, NULL, false, rest_tell_all},
    {"GET", "/api/users/*/devices", ENDPOINT_SERVER, NULL, false, rest_list_devices},
    {"POST", "/api/users/*/disconnect", ENDPOINT_SERVER, NULL, false, rest_disconnect_user},
    {"GET", "/api/rooms/*", ENDPOINT_ANYONE, "chat", false, rest_look_at_room},
    {"POST", "/api/rooms/*/messages", ENDPOINT_SERVER, NULL, false, rest_say_in_room},
    {"POST", "/api/rooms/*/livekit-token", ENDPOINT_ANYONE, "chat", false, rest_livekit_token},
    {"POST", "/api/feeds/*", ENDPOINT_SERVER, NULL, false, rest_say_on_feed},
    {"POST", "/api/batch", ENDPOINT_SERVER, NULL, true, rest_batch},
    {0},
};
