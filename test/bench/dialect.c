/* The contestants' dialects, one row each. */
#include "test/bench/dialect.h"

#include <stdlib.h>
#include <string.h>

#include "common/codec.h"

static enum heard hear_player(struct str text, const char *token, struct str *update,
                              struct buf *answer)
{
    (void)token;
    (void)answer;
    if (str_starts(text, STR("{\"track_id\":"))) {
        return HEARD_READY;
    }
    *update = text; /* or an error: then it has no number */
    return HEARD_UPDATE;
}

/* Engine.IO's packets are told by the first digit, those of Socket.IO by the second. */
static enum heard hear_socketio(struct str text, const char *token, struct str *update,
                                struct buf *answer)
{
    static const struct str event = {"42[\"update\",", 12};

    if (str_starts(text, event)) {
        *update = str_from(text.at + event.len, text.len - event.len - 1);
        return HEARD_UPDATE;
    }
    if (str_starts(text, STR("0{"))) {
        buf_add_text(answer, "40{\"token\":\"");
        buf_add_text(answer, token);
        buf_add_text(answer, "\"}");
        return HEARD_QUESTION;
    }
    if (str_starts(text, STR("42[\"state\","))) {
        return HEARD_READY;
    }
    if (str_equal(text, STR("2"))) {
        buf_add_char(answer, '3');
        return HEARD_QUESTION;
    }
    return str_starts(text, STR("40")) ? HEARD_NOTHING : HEARD_TROUBLE;
}

/* Segue's own: whoever is connected is subscribed, and gets a state only when there is one. */
static enum heard hear_segue(struct str text, const char *token, struct str *update,
                             struct buf *answer)
{
    if (str_starts(text, STR("40{"))) {
        return HEARD_READY;
    }
    if (str_starts(text, STR("42[\"playback_state\",")) || str_equal(text, STR("6"))) {
        return HEARD_NOTHING;
    }
    return hear_socketio(text, token, update, answer);
}

static const struct dialect dialects[] = {
    {.name = "player",
     .path = "/player",
     .bearer = true,
     .greets = true,
     .before = {"", 0},
     .after = {"", 0},
     .hear = hear_player},
    {.name = "socketio",
     .path = "/socket.io/?EIO=4&transport=websocket",
     .greets = true,
     .before = {"42[\"update\",", 12},
     .after = {"]", 1},
     .hear = hear_socketio},
    {.name = "segue-socketio",
     .path = "/socket.io/?EIO=4&transport=websocket",
     .greets = true,
     .silent = true,
     .before = {"", 0},
     .after = {"", 0},
     .hear = hear_segue},
    {.name = "segue-polling",
     .path = "/socket.io/?EIO=4&transport=polling",
     .greets = true,
     .silent = true,
     .polls = true,
     .before = {"", 0},
     .after = {"", 0},
     .hear = hear_segue},
    {.name = "nchan",
     .path = "/player/%s",
     .echoes = true,
     .before = {"", 0},
     .after = {"", 0},
     .hear = hear_player},
    {.name = "floor", .path = "/%s", .before = {"", 0}, .after = {"", 0}, .hear = hear_player},
};

enum {
    DIALECT_COUNT = sizeof(dialects) / sizeof(dialects[0])
};

const struct dialect *dialect_find(const char *name)
{
    for (unsigned i = 0; i < DIALECT_COUNT; i++) {
        if (strcmp(dialects[i].name, name) == 0) {
            return &dialects[i];
        }
    }
    return NULL;
}

const char *dialect_names(void)
{
    return "player, socketio, nchan, floor; idle only: segue-socketio, segue-polling";
}

static void add_path(const struct dialect *dialect, const char *user, struct buf *to)
{
    const char *mark = strstr(dialect->path, "%s");

    if (mark == NULL) {
        buf_add_text(to, dialect->path);
        return;
    }
    buf_add(to, str_from(dialect->path, (size_t)(mark - dialect->path)));
    buf_add_text(to, user);
    buf_add_text(to, mark + 2);
}

void dialect_request(const struct dialect *dialect, const char *user, const char *token,
                     struct buf *to)
{
    char nonce[17];

    codec_random_hex(nonce, 8);
    buf_add_text(to, "GET ");
    add_path(dialect, user, to);
    buf_add_text(to, " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
    codec_base64(str_from(nonce, 16), to);
    if (dialect->bearer && token != NULL) {
        buf_add_text(to, "\r\nAuthorization: Bearer ");
        buf_add_text(to, token);
    }
    buf_add_text(to, "\r\n\r\n");
}
