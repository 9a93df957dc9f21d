/* The transitions that run inside Redis: look-ups in the generated table. */
#include "gateway/store/scripts.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"

static const struct script_row rows[SCRIPT_COUNT] = {
#include "gen/scripts_table.inc"
};

static const char *const words[OUTCOME_COUNT] = {
#define X(name, word) word,
    OUTCOME_TABLE(X)
#undef X
};

enum {
    SHA_LENGTH = 2 * SHA_DIGEST_LENGTH
};

static struct buf bodies[SCRIPT_COUNT];         /* where they differ from the table's */
static char shas[SCRIPT_COUNT][SHA_LENGTH + 1]; /* worked out at the first use */

const struct script_row *script_row(enum script script)
{
    return &rows[script];
}

const char *outcome_word(enum outcome outcome)
{
    return words[outcome];
}

void scripts_setup(bool shards)
{
    static const char mark[] = "local PUBLISH = '", letter[] = "S";

    for (int i = 0; i < SCRIPT_COUNT; i++) {
        const char *verb = strstr(rows[i].body, mark);

        buf_clear(&bodies[i]);
        shas[i][0] = '\0';
        if (verb != NULL && shards) {
            verb += sizeof(mark) - 1;
            buf_add(&bodies[i], str_from(rows[i].body, (size_t)(verb - rows[i].body)));
            buf_add_text(&bodies[i], letter);
            buf_add_text(&bodies[i], verb);
        }
    }
}

struct str script_body(enum script script)
{
    return bodies[script].len > 0 ? buf_str(&bodies[script]) : str_of(rows[script].body);
}

struct str script_sha(enum script script)
{
    char *sha = shas[script];

    if (sha[0] == '\0') {
        unsigned char digest[SHA_DIGEST_LENGTH];
        struct str body = script_body(script);

        SHA1((const unsigned char *)body.at, body.len, digest);
        for (int i = 0; i < SHA_DIGEST_LENGTH; i++) {
            snprintf(sha + 2 * i, 3, "%02x", digest[i]);
        }
    }
    return str_from(sha, SHA_LENGTH);
}
