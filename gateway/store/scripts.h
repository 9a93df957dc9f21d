/* The transitions that run inside Redis: a table made from scripts/lua at build time. */
#ifndef SEGUE_STORE_SCRIPTS_H
#define SEGUE_STORE_SCRIPTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/str.h"
#include "gen/scripts_table.h"

enum script {
#define X(name, keys, args) SCRIPT_##name,
    SCRIPTS_TABLE(X)
#undef X
    SCRIPT_COUNT
};

/* What a transition may have come to; the first element of every script's answer is one of
 * these words. */
#define OUTCOME_TABLE(X)                                                                       \
    X(APPLIED, "applied")                                                                      \
    X(NO_STATE, "no_state")                                                                    \
    X(REFUSED, "refused")                                                                      \
    X(TAKEN, "taken")                                                                          \
    X(STALE, "stale")                                                                          \
    X(NEWER, "newer") /* said by no script: Redis refused it (keys.h, "versions") */           \
    X(UNAVAILABLE, "unavailable")

enum outcome {
#define X(name, word) OUTCOME_##name,
    OUTCOME_TABLE(X)
#undef X
    OUTCOME_COUNT
};

struct script_row {
    const char *name;
    size_t keys;
    size_t args;
    const char *body;
};

/* Once, before any script is used: in a cluster channels belong to shards. */
void scripts_setup(bool shards);
const struct script_row *script_row(enum script script);
/* The script itself, as it is loaded. */
struct str script_body(enum script script);
/* The digest that EVALSHA wants, 40 hexadecimal digits. */
struct str script_sha(enum script script);
const char *outcome_word(enum outcome outcome);

#endif
