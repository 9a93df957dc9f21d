/* What names things: names that clients choose, users, and UUIDs that we make. */
#ifndef SEGUE_COMMON_IDENT_H
#define SEGUE_COMMON_IDENT_H

#include "common/str.h"

enum {
    IDENT_NAME_MAX = 64,
    IDENT_USER_MAX = 128,
    IDENT_UUID_LENGTH = 36
};

/* 1 to 64 letters, digits, `_` and `-`: such a name (of a room, of a topic) needs no escape, in
 * JSON or in a key. */
bool ident_is_name(struct str text);
/* 1 to 128 bytes of UTF-8 without control characters: so a user may be called. */
bool ident_is_user(struct str text);
/* A new random UUID, with a NUL behind it. */
void ident_make_uuid(char to[IDENT_UUID_LENGTH + 1]);

#endif
