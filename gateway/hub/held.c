/* Publications that wait until a listener has read the state they follow. */
#include "gateway/hub/held.h"

#include "common/mem.h"

void held_clear(struct held *held)
{
    for (unsigned i = 0; i < held->count; i++) {
        msg_unref(held->msgs[i]);
    }
    mem_free(held->msgs);
    *held = (struct held){NULL, 0, false};
}

void held_miss(struct held *held)
{
    held_clear(held);
    held->overtaken = true;
}

void held_add(struct held *held, struct msg *msg)
{
    if (held->count == HELD_MAX) {
        held_miss(held);
    }
    if (held->msgs == NULL) {
        held->msgs = mem_alloc(HELD_MAX * sizeof(held->msgs[0]));
    }
    held->msgs[held->count++] = msg_ref(msg);
}
