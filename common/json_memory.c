/* Memory of parsed JSON: one block that is emptied at once. */
#include "common/json_memory.h"

#include <cjson/cJSON.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    BLOCK_BYTES = 16384,
    PIECE_ALIGN = 16
};

#if defined(__SANITIZE_ADDRESS__)
static const bool watched = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
static const bool watched = true;
#else
static const bool watched = false;
#endif
#else
static const bool watched = false;
#endif

static struct {
    alignas(PIECE_ALIGN) unsigned char bytes[BLOCK_BYTES];
    size_t used;
    size_t pieces; /* not given back yet */
} block;

static void *take(size_t size)
{
    size_t room = (size + PIECE_ALIGN - 1) / PIECE_ALIGN * PIECE_ALIGN;
    void *piece = block.bytes + block.used;

    if (watched || size > BLOCK_BYTES || room > BLOCK_BYTES - block.used) {
        return malloc(size);
    }
    block.used += room;
    block.pieces++;
    return piece;
}

static bool is_piece(const void *at)
{
    return (uintptr_t)at - (uintptr_t)block.bytes < BLOCK_BYTES;
}

static void give(void *at)
{
    if (!is_piece(at)) {
        free(at);
    } else if (--block.pieces == 0) {
        block.used = 0;
    }
}

void json_memory_setup(void)
{
    static bool done;
    cJSON_Hooks hooks = {take, give};

    if (!done) {
        done = true;
        cJSON_InitHooks(&hooks);
    }
}
