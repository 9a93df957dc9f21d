/* Calls of scripts on their way, over a link that is up or not. */
#include "gateway/store/call.h"

#include <assert.h>
#include <hiredis/hiredis.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/store/clock.h"

#include "gateway/store/resp.h"

enum {
    PENDING_MAX = 100000, /* calls of the process under way */
    COMPLAIN_US = 1000000,
    REMIND_US = 60000000,
    TRIES_MAX = 500,  /* somebody may flush the scripts again and again */
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

static void put(struct call_list *list, struct store_call *call)
{
    call->newer = NULL;
    if (list->last != NULL) {
        list->last->newer = call;
    } else {
        list->first = call;
    }
    list->last = call;
}

static struct store_call *take(struct call_list *list)
{
    struct store_call *call = list->first;

    if (call != NULL) {
        list->first = call->newer;
        list->last = list->first == NULL ? NULL : list->last;
    }
    return call;
}

struct store_call *caller_take(struct caller *caller, enum script script)
{
    struct store_call *call = take(&caller->spare);

    if (call == NULL) {
        call = mem_zero(sizeof(*call));
        call->caller = caller;
    } else {
        caller->spares--;
    }
    call->script = script;
    call->tries = 0;
    call->started_us = clock_local_us();
    return call;
}

static void destroy(struct store_call *call)
{
    buf_finish(&call->command);
    mem_free(call);
}

static void put_back(struct caller *caller, struct store_call *call)
{
    if (caller->spares >= SPARE_MAX || call->command.room > SPARE_ROOM) {
        destroy(call);
        return;
    }
    put(&caller->spare, call);
    caller->spares++;
}

void caller_finish(struct caller *caller)
{
    struct store_call *call;

    while ((call = take(&caller->spare)) != NULL) {
        destroy(call);
    }
}

static void link_by_age(struct caller *caller, struct store_call *call)
{
    call->newer = NULL;
    call->older = caller->newest;
    if (caller->newest != NULL) {
        caller->newest->newer = call;
    } else {
        caller->oldest = call;
    }
    caller->newest = call;
    caller->pending++;
}

static void unlink_by_age(struct caller *caller, struct store_call *call)
{
    if (call->older != NULL) {
        call->older->newer = call->newer;
    } else {
        caller->oldest = call->newer;
    }
    if (call->newer != NULL) {
        call->newer->older = call->older;
    } else {
        caller->newest = call->older;
    }
    caller->pending--;
}

/* The one end of every call. */
static void finish(struct store_call *call, enum err err, const struct redisReply *reply)
{
    struct caller *caller = call->caller;
    enum outcome outcome = err == ERR_OK      ? reply_outcome(reply)
                           : err == ERR_NEWER ? OUTCOME_NEWER
                                              : OUTCOME_UNAVAILABLE;

    caller->metrics->transitions[call->script][outcome]++;
    call_leave(call);
    if (call->done != NULL) {
        call->done(call->context, err, reply);
    }
    put_back(caller, call);
}

static void finish_all(struct call_list *list)
{
    struct store_call *call;

    while ((call = take(list)) != NULL) {
        finish(call, ERR_UNAVAILABLE, NULL);
    }
}

void caller_flush(struct caller *caller)
{
    finish_all(&caller->refused);
    if (caller->link == NULL) {
        finish_all(&caller->unknown);
        finish_all(&caller->waiting);
    }
}

uint64_t caller_waiting_us(const struct caller *caller)
{
    return caller->oldest == NULL ? 0 : clock_local_us() - caller->oldest->started_us;
}

/* ---- scripts ---- */

unsigned scripts_load(struct link *link, link_reply_fn *done, void *context)
{
    struct buf command = {0};
    unsigned count = 0;

    for (int i = 0; i < SCRIPT_COUNT; i++) {
        struct str body = str_of(script_row((enum script)i)->body);

        buf_clear(&command);
        resp_add_command(&command, (const struct str[]){STR("SCRIPT"), STR("LOAD"), body}, 3);
        count += link_send(link, buf_str(&command), done, context);
    }
    buf_finish(&command);
    return count;
}

static void on_reloaded(void *context, const struct redisReply *reply)
{
    struct caller *caller = context;

    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        caller->lost(caller->owner, reply->str);
    }
}

static void send_now(struct caller *caller, struct store_call *call);

/* All that was sent is answered, and some of it was unknown: load the scripts, and go on in
 * order. */
static void go_on(struct caller *caller)
{
    struct call_list unknown = caller->unknown, waiting = caller->waiting;
    struct store_call *call;

    caller->unknown = caller->waiting = (struct call_list){NULL, NULL};
    if (caller->link != NULL) {
        scripts_load(caller->link, on_reloaded, caller);
    }
    while ((call = take(&unknown)) != NULL || (call = take(&waiting)) != NULL) {
        send_now(caller, call);
    }
}

/* ---- answers ---- */

static bool is_error(const struct redisReply *reply, struct str word)
{
    return str_starts(str_from(reply->str, (size_t)reply->len), word);
}

static void complain(struct caller *caller, const struct store_call *call, const char *why)
{
    uint64_t now = clock_local_us();

    if (caller->complained_us == 0 || now - caller->complained_us > COMPLAIN_US) {
        caller->complained_us = now;
        log_write(LOG_WARN, "redis refused", LOG_TEXT("script", script_row(call->script)->name),
                  LOG_TEXT("why", why));
    }
}

/* A newer version has taken the key with it (keys.h, "versions"); nothing was changed. Said
 * once a minute: it goes on until this process is replaced. */
static void meet_newer(struct caller *caller, struct store_call *call)
{
    uint64_t now = clock_local_us();

    caller->metrics->newer_seen[METRICS_NEWER_KEY]++;
    if (caller->newer_said_us == 0 || now - caller->newer_said_us > REMIND_US) {
        caller->newer_said_us = now;
        log_write(LOG_WARN, "newer version met", LOG_TEXT("what", "key"),
                  LOG_TEXT("script", script_row(call->script)->name),
                  LOG_TEXT("hint", "this process can't serve what a newer one has written: "
                                   "replace it"));
    }
    finish(call, ERR_NEWER, NULL);
}

static void on_error(struct caller *caller, struct store_call *call,
                     const struct redisReply *reply)
{
    bool stranger = is_error(reply, STR("READONLY")) || is_error(reply, STR("NOAUTH"));

    complain(caller, call, reply->str);
    finish(call, ERR_UNAVAILABLE, NULL);
    if (stranger) {
        caller->lost(caller->owner, "Redis is no longer a master that lets us in");
    }
}

static void on_answer(void *context, const struct redisReply *reply)
{
    struct store_call *call = context;
    struct caller *caller = call->caller;

    unlink_by_age(caller, call);
    if (reply == NULL) {
        finish(call, ERR_UNAVAILABLE, NULL);
        return;
    }
    metrics_observe(&caller->metrics->redis_latency, clock_local_us() - call->started_us);
    if (reply->type != REDIS_REPLY_ERROR) {
        finish(call, ERR_OK, reply);
    } else if (call->tries < TRIES_MAX && is_error(reply, STR("NOSCRIPT"))) {
        call->tries++;
        put(&caller->unknown, call);
    } else if (is_error(reply, STR("WRONGTYPE"))) {
        meet_newer(caller, call);
    } else {
        on_error(caller, call, reply);
    }
    if (caller->unknown.first != NULL && caller->oldest == NULL) {
        go_on(caller);
    }
}

static void send_now(struct caller *caller, struct store_call *call)
{
    if (caller->link != NULL && caller->pending < PENDING_MAX &&
        link_send(caller->link, buf_str(&call->command), on_answer, call)) {
        link_by_age(caller, call);
    } else {
        put(&caller->refused, call);
    }
}

void caller_send(struct caller *caller, struct store_call *call)
{
    if (caller->unknown.first != NULL) {
        put(&caller->waiting, call);
    } else {
        send_now(caller, call);
    }
}
