/* The transitions that run inside Redis: look-ups in the generated table. */
#include "gateway/store/scripts.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

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

const struct script_row *script_row(enum script script)
{
    return &rows[script];
}

const char *outcome_word(enum outcome outcome)
{
    return words[outcome];
}

struct str script_sha(enum script script)
{
    static char shas[SCRIPT_COUNT][SHA_LENGTH + 1]; /* worked out at the first use */
    char *sha = shas[script];

    if (sha[0] == '\0') {
        unsigned char digest[SHA_DIGEST_LENGTH];
        const char *body = rows[script].body;

        SHA1((const unsigned char *)body, strlen(body), digest);
        for (int i = 0; i < SHA_DIGEST_LENGTH; i++) {
            snprintf(sha + 2 * i, 3, "%02x", digest[i]);
        }
    }
    return str_from(sha, SHA_LENGTH);
}
