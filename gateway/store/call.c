/* One call of a script on its way: kept as bytes, so that it can be sent again. */
#include "gateway/store/call.h"

#include <assert.h>

#include "common/mem.h"
#include "gateway/store/resp.h"

enum {
    SPARE_MAX = 1024, /* finished calls kept for reuse */
    SPARE_ROOM = 4096 /* ... unless they held more bytes than this */
};

void call_join(struct store_call *call, struct store_calls *calls)
{
    call->calls = calls;
    call->before = NULL;
    call->after = NULL;
    if (calls == NULL) {
        return;
    }
    call->after = calls->first;
    if (calls->first != NULL) {
        calls->first->before = call;
    }
    calls->first = call;
    calls->count++;
}

void call_leave(struct store_call *call)
{
    struct store_calls *calls = call->calls;

    if (calls == NULL) {
        return;
    }
    if (call->before != NULL) {
        call->before->after = call->after;
    } else {
        calls->first = call->after;
    }
    if (call->after != NULL) {
        call->after->before = call->before;
    }
    calls->count--;
    call->calls = NULL;
}

void store_forget(struct store_calls *calls)
{
    while (calls->first != NULL) {
        calls->first->done = NULL;
        call_leave(calls->first);
    }
}

void call_write(struct store_call *call, struct strs keys, struct strs args)
{
    const struct script_row *row = script_row(call->script);
    char count[2] = {(char)('0' + keys.count), '\0'};

    assert(keys.count == row->keys && args.count == row->args && keys.count < 10);
    buf_clear(&call->command);
    resp_add_count(&call->command, 3 + keys.count + args.count);
    resp_add_word(&call->command, STR("EVALSHA"));
    resp_add_word(&call->command, script_sha(call->script));
    resp_add_word(&call->command, str_of(count));
    for (size_t i = 0; i < keys.count; i++) {
        resp_add_word(&call->command, keys.at[i]);
    }
    for (size_t i = 0; i < args.count; i++) {
        resp_add_word(&call->command, args.at[i]);
    }
}

struct store_call *call_take(struct call_queue *queue, struct store *store)
{
    struct store_call *call = queue->spare;

    if (call == NULL) {
        call = mem_zero(sizeof(*call));
        call->store = store;
        return call;
    }
    queue->spare = call->newer;
    queue->spares--;
    return call;
}

static void destroy(struct store_call *call)
{
    buf_finish(&call->command);
    mem_free(call);
}

void call_put_back(struct call_queue *queue, struct store_call *call)
{
    if (queue->spares >= SPARE_MAX || call->command.room > SPARE_ROOM) {
        destroy(call);
        return;
    }
    call->newer = queue->spare;
    queue->spare = call;
    queue->spares++;
}

void call_sent(struct call_queue *queue, struct store_call *call)
{
    call->newer = NULL;
    call->older = queue->newest;
    if (queue->newest != NULL) {
        queue->newest->newer = call;
    } else {
        queue->oldest = call;
    }
    queue->newest = call;
    queue->pending++;
}

void call_answered(struct call_queue *queue, struct store_call *call)
{
    if (call->older != NULL) {
        call->older->newer = call->newer;
    } else {
        queue->oldest = call->newer;
    }
    if (call->newer != NULL) {
        call->newer->older = call->older;
    } else {
        queue->newest = call->older;
    }
    queue->pending--;
}

void call_free_spares(struct call_queue *queue)
{
    while (queue->spare != NULL) {
        struct store_call *call = queue->spare;

        queue->spare = call->newer;
        destroy(call);
    }
}
