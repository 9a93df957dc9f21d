/* The errors that a caller can meet: look-ups in the one table. */
#include "common/err.h"

struct row {
    enum err err;
    const char *word;
    int status;
    const char *text;
};

static const struct row rows[] = {
#define X(name, word, status, text) {ERR_##name, word, status, text},
    ERR_TABLE(X)
#undef X
};

static const struct row ok = {ERR_OK, "ok", 200, "ok"};

static const struct row *find(enum err err)
{
    int index = err - ERR_BEFORE_FIRST - 1;

    if (index < 0 || index >= (int)(sizeof(rows) / sizeof(rows[0]))) {
        return &ok;
    }
    return &rows[index];
}

const char *err_word(enum err err)
{
    return find(err)->word;
}

int err_status(enum err err)
{
    return find(err)->status;
}

const char *err_text(enum err err)
{
    return find(err)->text;
}
