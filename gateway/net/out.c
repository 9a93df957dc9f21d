/* The queue of a connection that has something to say. */
#include "gateway/net/out.h"

#include <string.h>

#include "common/mem.h"

enum {
    OUTS_KEPT = 1024 /* spare queues */
};

/* From the pool: nearly every connection that writes gives its queue back in the same turn. */
struct conn_out *out_take(struct net *net)
{
    struct conn_out *out = net->outs;

    if (out != NULL) {
        net->outs = out->next;
        net->out_count--;
    } else {
        out = mem_alloc(sizeof(*out));
    }
    out->msgs = out->few;
    out->room = OUT_FEW;
    out->first = out->count = out->sent = out->bytes = 0;
    out->writing = out->was_full = out->shut = false;
    return out;
}

void out_give_back(struct net *net, struct conn_out *out)
{
    if (out == NULL) {
        return;
    }
    for (size_t i = 0; i < out->count; i++) {
        msg_unref(out->msgs[out->first + i]);
    }
    if (out->msgs != out->few) {
        mem_free(out->msgs);
    }
    if (net->out_count >= OUTS_KEPT) {
        mem_free(out);
        return;
    }
    out->next = net->outs;
    net->outs = out;
    net->out_count++;
}

void out_free_pool(struct net *net)
{
    while (net->outs != NULL) {
        struct conn_out *out = net->outs;

        net->outs = out->next;
        mem_free(out);
    }
}

static void out_grow(struct conn_out *out)
{
    size_t room = out->room * 2;

    if (out->msgs == out->few) {
        out->msgs = mem_alloc(room * sizeof(out->msgs[0]));
        memcpy(out->msgs, out->few, sizeof(out->few));
    } else {
        out->msgs = mem_grow(out->msgs, room * sizeof(out->msgs[0]));
    }
    out->room = room;
}

void out_push(struct conn_out *out, struct msg *msg)
{
    if (out->first + out->count == out->room) {
        if (out->first > 0) {
            memmove(out->msgs, out->msgs + out->first, out->count * sizeof(out->msgs[0]));
            out->first = 0;
        } else {
            out_grow(out);
        }
    }
    out->msgs[out->first + out->count++] = msg_ref(msg);
    out->bytes += msg->len;
}

void out_trim(struct conn_out *out)
{
    while (out->count > 1) {
        struct msg *last = out->msgs[out->first + --out->count];

        out->bytes -= last->len;
        msg_unref(last);
    }
}

void out_advance(struct conn_out *out, size_t bytes)
{
    out->bytes -= bytes;
    while (bytes > 0) {
        struct msg *msg = out->msgs[out->first];
        size_t left = msg->len - out->sent;

        if (bytes < left) {
            out->sent += bytes;
            return;
        }
        bytes -= left;
        out->sent = 0;
        out->first++;
        out->count--;
        msg_unref(msg);
    }
}

uv_buf_t out_part(const struct conn_out *out, size_t index)
{
    struct msg *msg = out->msgs[out->first + index];
    size_t skip = index == 0 ? out->sent : 0;

    return uv_buf_init(msg->bytes + skip, (unsigned)(msg->len - skip));
}
