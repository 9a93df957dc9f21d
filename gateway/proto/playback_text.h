/* What playback's clients may say, over Socket.IO or REST, and what they are told. Pure: JSON
 * to the arguments of scripts, answers of scripts to JSON. */
#ifndef SEGUE_PROTO_PLAYBACK_TEXT_H
#define SEGUE_PROTO_PLAYBACK_TEXT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "gateway/store/reply.h"

enum {
    PLAYBACK_TEXT_MAX = 1024, /* bytes of a title and the like */
    PLAYBACK_ID_MAX = 128,
    PLAYBACK_NUMBER_ROOM = 32
};

/* A carplay_command, checked. */
struct playback_command {
    struct str name;  /* borrowed from the table of commands */
    struct str value; /* JSON number; empty = none */
    char room[PLAYBACK_NUMBER_ROOM];
};

/* ERR_INVALID: `why` names the field. */
MUST_CHECK enum err playback_read_command(const cJSON *object, struct playback_command *command,
                                          char why[JSON_WHY_MAX]);
/* The event as it is kept: "carplay_command",{"command":"seek","value":30} */
void playback_write_command(struct buf *to, const struct playback_command *command);

/* The parts of a PlaybackState, in the order of playback_update's arguments (behind origin):
 * JSON texts but for the first and the last. */
enum playback_part {
    PLAYBACK_PLAYING, /* 1 or 0 */
    PLAYBACK_POSITION,
    PLAYBACK_TRACK, /* null: there is no state any more; empty: the media stays */
    PLAYBACK_DURATION,
    PLAYBACK_TITLE,
    PLAYBACK_ARTIST,
    PLAYBACK_ALBUM,
    PLAYBACK_TYPE,
    PLAYBACK_SOCKET, /* plain text: the socket to be left out; no argument of its own */
    PLAYBACK_PARTS
};

/* A playback_state_update, checked. */
struct playback_update {
    struct str parts[PLAYBACK_PARTS]; /* borrowed from `texts`; empty = absent */
    struct buf texts;                 /* owned */
};

/* Reads a PlaybackState, flat or with its media in an object. ERR_INVALID: `why` names the
 * field. playback_finish is due in either case. */
MUST_CHECK enum err playback_read_state(const cJSON *object, struct playback_update *update,
                                        char why[JSON_WHY_MAX]);
void playback_finish(struct playback_update *update);

/* The user as clients know him: 42 when the text is an integer below 2^53, else "text". */
void playback_write_user(struct buf *to, struct str user);
/* A PlaybackState out of what playback_join answered. */
void playback_write_state(struct buf *to, struct str user, const struct redisReply *reply);

/* Where the parts of playback_join's answer stand. */
enum playback_join_reply {
    PLAYBACK_JOIN_NOW = 1,
    PLAYBACK_JOIN_DEVICES,
    PLAYBACK_JOIN_SEQ,
    PLAYBACK_JOIN_PAUSED,
    PLAYBACK_JOIN_POSITION,
    PLAYBACK_JOIN_MEDIA,
    PLAYBACK_JOIN_UNSAID
};

#endif
