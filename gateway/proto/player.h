/* What a player's client may say, as one table; and what it is told. Pure: text to fields,
 * fields to text. */
#ifndef SEGUE_PROTO_PLAYER_H
#define SEGUE_PROTO_PLAYER_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "gateway/store/reply.h"
#include "gateway/store/scripts.h"

enum player_verb {
    PLAYER_NEW_TRACK,
    PLAYER_PAUSE,
    PLAYER_RESUME,
    PLAYER_SEEK,
    PLAYER_PING
};

enum {
    PLAYER_ID_MAX = 128,
    PLAYER_FROM_MAX = 32,
    PLAYER_ARG_ROOM = 24
};

/* A command, checked. Everything borrows from `json` and `texts`. */
struct player_command {
    enum player_verb verb;
    enum script script;              /* of all verbs but PLAYER_PING */
    struct str time;                 /* as sent */
    struct str at;                   /* the same in milliseconds since 1970 */
    struct str track, from, from_id; /* JSON texts (`from`: plain); empty = not given */
    struct str position;
    const cJSON *echo; /* of a ping; NULL = none */
    cJSON *json;       /* owned */
    struct buf texts;  /* owned */
};

/* ERR_INVALID: `why` says what is wrong with it. player_finish is due in either case. */
MUST_CHECK enum err player_parse(struct str text, struct player_command *command,
                                 char why[JSON_WHY_MAX]);
void player_finish(struct player_command *command);

/* The state frame out of what player_join answered, or no_track_state; `extended` adds seq,
 * server_time and devices. */
void player_write_state(struct buf *to, const struct redisReply *reply, bool extended);
void player_write_invalid(struct buf *to, const char *why);
void player_write_pong(struct buf *to, const cJSON *echo, uint64_t server_time_ms);

/* Where the parts of player_join's answer stand. */
enum player_join_reply {
    PLAYER_JOIN_NOW = 1,
    PLAYER_JOIN_DEVICES,
    PLAYER_JOIN_SEQ,
    PLAYER_JOIN_TRACK,
    PLAYER_JOIN_FROM,
    PLAYER_JOIN_FROM_ID,
    PLAYER_JOIN_PAUSED,
    PLAYER_JOIN_POSITION,
    PLAYER_JOIN_TIME
};

#endif
