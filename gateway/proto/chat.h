/* What a member of a chat room may say, and what it is told. Pure: text to fields, fields to
 * text. */
#ifndef SEGUE_PROTO_CHAT_H
#define SEGUE_PROTO_CHAT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

enum {
    CHAT_TEXT_MAX = 4096,
    CHAT_NAME_MAX = 64
};

enum chat_verb {
    CHAT_MESSAGE,
    CHAT_LEAVE
};

/* What somebody says in a room, wherever it came from; borrowed from the parsed JSON. */
struct chat_message {
    struct str text;
    struct str name; /* empty = none */
};

struct chat_command {
    enum chat_verb verb;
    struct chat_message message; /* of CHAT_MESSAGE */
    cJSON *json;                 /* owned */
};

/* ERR_INVALID: `why` says what is wrong with it. chat_finish is due in either case. */
MUST_CHECK enum err chat_parse(struct str text, struct chat_command *command,
                               char why[JSON_WHY_MAX]);
void chat_finish(struct chat_command *command);
/* The fields of a message alone. */
MUST_CHECK enum err chat_read_message(const cJSON *object, struct chat_message *message,
                                      char why[JSON_WHY_MAX]);

/* A message as room_say wants it: without its end, which Redis knows. An empty client is the
 * server API. */
void chat_write_message(struct buf *to, struct str client, struct str room,
                        const struct chat_message *message);

enum {
    CHAT_HISTORY_MAX = 50 /* messages that a welcome shows; the scripts keep as many for it */
};

/* A change of a room as its scripts keep it: "SEQ KIND ORIGIN/PREV FRAME". Earlier releases
 * wrote no PREV: there a number follows the one before. */
struct chat_change {
    uint64_t seq, prev;
    char kind; /* as in an envelope */
    struct str origin, frame;
};

/* False: it is none. */
bool chat_read_change(struct str text, struct chat_change *change);

struct chat_welcome {
    struct str client, room;
    int64_t members;
    const struct chat_change *changes; /* oldest first; its newest messages are the history */
    size_t change_count;
};

/* At most `limit` bytes and CHAT_HISTORY_MAX messages: what does not fit of the history is left
 * out, the oldest first. */
void chat_write_welcome(struct buf *to, const struct chat_welcome *welcome, size_t limit);
void chat_write_error(struct buf *to, const char *code, const char *message);

#endif
