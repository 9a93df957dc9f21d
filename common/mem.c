/* Memory that is there or the process is not. */
#include "common/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Says so without stdio's buffers, which might want memory themselves. */
static _Noreturn void run_out(size_t size)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "segue: out of memory (%zu bytes wanted)\n", size);

    /* The process ends either way, whether somebody reads the line or not. */
    if (write(STDERR_FILENO, line, (size_t)len) < 0) {
        abort();
    }
    abort();
}

/* A size of 0 may give NULL in the standard library; here it never does. */
static size_t at_least_one(size_t size)
{
    return size ? size : 1;
}

void *mem_alloc(size_t size)
{
    void *at = malloc(at_least_one(size));

    if (!at) {
        run_out(size);
    }
    return at;
}

void *mem_zero(size_t size)
{
    void *at = calloc(1, at_least_one(size));

    if (!at) {
        run_out(size);
    }
    return at;
}

void *mem_grow(void *at, size_t size)
{
    void *grown = realloc(at, at_least_one(size));

    if (!grown) {
        run_out(size);
    }
    return grown;
}

char *mem_copy(const char *at, size_t len)
{
    char *copy;

    if (len == SIZE_MAX) {
        run_out(len);
    }
    copy = mem_alloc(len + 1);
    if (len > 0) {
        memcpy(copy, at, len);
    }
    copy[len] = '\0';
    return copy;
}

void mem_free(void *at)
{
    free(at);
}
