/* Slots of a Redis Cluster: which of 16384 parts a key belongs to. Pure. */
#ifndef SEGUE_STORE_SLOT_H
#define SEGUE_STORE_SLOT_H

#include <stdint.h>

#include "common/str.h"

enum {
    SLOT_COUNT = 16384
};

/* By what stands between the first { and the } behind it, else by the whole. */
uint16_t slot_of(struct str key);

#endif
