/* Publications that wait until a listener has read the state they follow. */
#ifndef SEGUE_HUB_HELD_H
#define SEGUE_HUB_HELD_H

#include "gateway/hub/msg.h"

enum {
    HELD_MAX = 64
};

/* {0} is empty. */
struct held {
    struct msg **msgs; /* owned; NULL = none */
    uint8_t count;
    bool overtaken; /* more came than could be held: all are dropped, read again */
};

void held_add(struct held *held, struct msg *msg); /* takes a reference of its own */
void held_miss(struct held *held);                 /* one that can't be read: the same */
void held_clear(struct held *held);                /* also `overtaken` */

#endif
