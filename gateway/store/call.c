/* One call of a script on its way: kept as bytes, so that it can be sent again. */
#include "gateway/store/call.h"

#include <assert.h>

#include "gateway/store/resp.h"

enum {
    SHA_LENGTH = 40
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

void call_write(struct store_call *call, const char *sha, struct strs keys, struct strs args)
{
    const struct script_row *row = script_row(call->script);
    char count[2] = {(char)('0' + keys.count), '\0'};

    assert(keys.count == row->keys && args.count == row->args && keys.count < 10);
    buf_clear(&call->command);
    resp_add_count(&call->command, 3 + keys.count + args.count);
    resp_add_word(&call->command, STR("EVALSHA"));
    resp_add_word(&call->command, str_from(sha, SHA_LENGTH));
    resp_add_word(&call->command, str_of(count));
    for (size_t i = 0; i < keys.count; i++) {
        resp_add_word(&call->command, keys.at[i]);
    }
    for (size_t i = 0; i < args.count; i++) {
        resp_add_word(&call->command, args.at[i]);
    }
}
