/* Why a connection ends: look-ups in the one table. */
#include "common/reason.h"

static const struct {
    const char *word;
    unsigned code;
} rows[REASON_COUNT] = {
#define X(name, word, code) {word, code},
    REASON_TABLE(X)
#undef X
};

const char *reason_word(enum reason reason)
{
    return rows[reason].word;
}

unsigned reason_code(enum reason reason)
{
    return rows[reason].code;
}
