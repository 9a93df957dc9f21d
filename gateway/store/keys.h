/* The schema: every key and channel in Redis, one row each.
 *
 * The entity stands as hash tag, so that all keys of one entity live in one slot of a Redis
 * Cluster. Names that come from outside are escaped before (keys_tag), so that nobody can leave
 * his tag.
 *
 * Versions. Processes of two releases may work on one Redis, and go back to the older one. The
 * version of a key stands in its name: "player:" is 1, "player.2:" would be 2. What may be
 * added without another version, because all releases pass over it: a field of a hash, a field
 * behind the others of a stream's entry, a kind of publication. For anything else (an entry or
 * a field that means something else, a member of a set, what `save` writes) the key gets its
 * next name, and two rules hold:
 *
 *  - Whoever takes data to the new name leaves a notice under the old one, as long-lived: a set
 *    (SADD old 2). No key of ours is a set, so Redis refuses every script of every older
 *    release that touches it (WRONGTYPE). The scripts read each of their keys by its kind
 * before they write anything (test/lua/versions.test.mjs looks after that), so nothing is
 * changed; the client is answered `unavailable`, and the log and segue_newer_version_seen_total
 * say why. It costs nothing.
 *  - A release that writes the new name comes after one that reads it: then neither a roll nor
 *    the way back makes anybody unavailable. A new name that is not there yet is read from
 *    the old one.
 *
 * Envelopes have a number: see hub/msg.h. */
#ifndef SEGUE_STORE_KEYS_H
#define SEGUE_STORE_KEYS_H

#include "common/buf.h"

/* name, text before the tag, what it is */
#define KEYS_TABLE(X)                                                                          \
    X(PLAYER, "player:", "hash: the state of a user's player; no TTL")                         \
    X(DEVICES, "devices:", "sorted set: a user's devices by the end of their leases; 30 days") \
    X(USER, "user:", "channel: what a user's devices are told")                                \
    X(FEED, "feed:", "hash: where a feed stands, up to 30 days; channel: what it tells")       \
    X(LATELY, "lately:", "list: what a feed said in the last minutes")                         \
    X(EVENTS, "events:", "stream: a user's (KEYS_EVERYBODY: everybody's) events; one day")     \
    X(EIO, "eio:",                                                                             \
      "hash: a polling session, a little longer than it may be silent; channel: "              \
      "wakes its GET")                                                                         \
    X(EIO_QUEUE, "eioq:", "list: what a polling session's client is to fetch; as long")        \
    X(EMITS, "emits:",                                                                         \
      "by the prefix of a Socket.IO adapter: text: the newest mark among what is published "   \
      "there, one day; channel: marks")                                                        \
    X(CLAIMS, "claims:",                                                                       \
      "hash: which of these publications a user was told (KEYS_EVERYBODY: everybody)")         \
    X(ALL, "all:", "channel (KEYS_EVERYBODY): what everybody is told")                         \
    X(ROOM,                                                                                    \
      "room:", "hash: number of a room's last change; channel: what its members are told")     \
    X(MEMBERS, "members:", "sorted set: who is in a room, by the end of the leases")           \
    X(HISTORY, "history:", "list: the newest messages of a room")                              \
    X(OLDER, "older:", "list: messages before those, for members who were away")               \
    X(MOVES, "moves:", "list: who came to a room and who left, of late")                       \
    X(PLACES, "places:",                                                                       \
      "hash: how many connections of a user or an address each process has; a lease")          \
    X(POLLS, "polls:", "sorted set: their polling sessions by the end of their leases")        \
    X(BUCKET, "bucket:", "hash: what is left of the rate of a user or an address; seconds")    \
    X(ONCE,                                                                                    \
      "once:", "list (keys_part): what a request with an Idempotency-Key was answered; 5 min")

enum key {
#define X(name, text, what) KEY_##name,
    KEYS_TABLE(X)
#undef X
    KEY_COUNT
};

enum {
    KEYS_PREFIX_MAX = 64,
    KEYS_TAG_MAX = 384, /* an escaped name: three times the longest name */
    KEYS_PART_MAX = 32,
    KEYS_NAME_MAX = KEYS_PREFIX_MAX + 16 + KEYS_TAG_MAX + KEYS_PART_MAX
};

/* The tag of what concerns everybody: no user's, since keys_tag escapes it. */
#define KEYS_EVERYBODY STR("*")

/* A key's full name; lives on the caller's stack. */
struct key_name {
    char at[KEYS_NAME_MAX];
};

/* The text in front of every key and channel; once, at start; borrowed for good. */
void keys_setup(const char *prefix);
/* An outsider's name (at most KEYS_TAG_MAX / 3 bytes) as it may stand between the braces. */
void keys_tag(struct str name, struct buf *to);
/* Writes PREFIX player:{TAG} and returns it; borrowed from `name`. */
struct str keys_name(struct key_name *name, enum key key, struct str tag);
/* The same for one of several that an entity has: PREFIX once:{TAG}:PART. */
struct str keys_part(struct key_name *name, enum key key, struct str tag, struct str part);

#endif
