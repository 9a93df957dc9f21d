/* The transitions that run inside Redis: look-ups in the generated table. */
#include "gateway/store/scripts.h"

static const struct script_row rows[SCRIPT_COUNT] = {
#include "gen/scripts_table.inc"
};

static const char *const words[OUTCOME_COUNT] = {
#define X(name, word) word,
    OUTCOME_TABLE(X)
#undef X
};

const struct script_row *script_row(enum script script)
{
    return &rows[script];
}

const char *outcome_word(enum outcome outcome)
{
    return words[outcome];
}
