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

/* A message of the history: what room_join answers is "SEQ FRAME". A malformed one is number 0
 * and empty. */
struct str chat_entry(struct str entry, uint64_t *seq);

struct chat_welcome {
    struct str client, room;
    int64_t members;
    const struct str *frames; /* the history, oldest first */
    size_t frame_count;
};

/* At most `limit` bytes: what does not fit of the history is left out, the oldest first. */
void chat_write_welcome(struct buf *to, const struct chat_welcome *welcome, size_t limit);
void chat_write_error(struct buf *to, const char *code, const char *message);

#endif
