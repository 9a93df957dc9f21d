/* The updates that clients send: what a player says, and in it a number and a time by which we
 * know it again. Pure. */
#ifndef SEGUE_BENCH_UPDATE_H
#define SEGUE_BENCH_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

enum {
    UPDATE_MAX = 192,
    UPDATE_TIME_MAX = 32
};

enum update_verb {
    UPDATE_SEEK,
    UPDATE_PAUSE,
    UPDATE_RESUME,
    UPDATE_VERBS
};

struct update {
    enum update_verb verb;
    uint64_t number;
    uint64_t sent_ns;
    unsigned position;
    uint64_t at_ms; /* the client's clock */
};

/* 1970... as clients write it; good until the next call. */
const char *update_time(uint64_t at_ms);
/* Writes the message and returns it; borrowed from `room`. */
struct str update_write(const struct update *update, char room[UPDATE_MAX]);
/* Finds number and time again; other JSON may stand around the message. */
bool update_read(struct str text, uint64_t *number, uint64_t *sent_ns);

#endif
