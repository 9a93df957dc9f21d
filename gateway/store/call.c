/* Calls of scripts on their way. */
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

void call_put(struct call_list *list, struct store_call *call)
{
    call->newer = NULL;
    if (list->last != NULL) {
        list->last->newer = call;
    } else {
        list->first = call;
    }
    list->last = call;
}

void call_put_in_order(struct call_list *list, struct store_call *call)
{
    struct store_call **at = &list->first;

    while (*at != NULL && (*at)->number < call->number) {
        at = &(*at)->newer;
    }
    call->newer = *at;
    *at = call;
    if (call->newer == NULL) {
        list->last = call;
    }
}

struct store_call *call_take(struct call_list *list)
{
    struct store_call *call = list->first;

    if (call != NULL) {
        list->first = call->newer;
        list->last = list->first == NULL ? NULL : list->last;
    }
    return call;
}

/* ---- the pool ---- */

struct store_call *pool_take(struct call_pool *pool, enum script script)
{
    struct store_call *call = call_take(&pool->spare);

    if (call == NULL) {
        call = mem_zero(sizeof(*call));
        call->pool = pool;
    } else {
        pool->spares--;
    }
    pool->pending++;
    call->number = ++pool->made;
    call->script = script;
    call->tries = 0;
    call->slot = 0;
    call->started_us = clock_local_us();
    return call;
}

static void destroy(struct store_call *call)
{
    buf_finish(&call->command);
    mem_free(call);
}

static void put_back(struct call_pool *pool, struct store_call *call)
{
    if (pool->spares >= SPARE_MAX || call->command.room > SPARE_ROOM) {
        destroy(call);
        return;
    }
    call_put(&pool->spare, call);
    pool->spares++;
}

void pool_finish(struct call_pool *pool)
{
    struct store_call *call;

    while ((call = call_take(&pool->spare)) != NULL) {
        destroy(call);
    }
}

/* The one end of every call. */
static void finish(struct store_call *call, enum err err, const struct redisReply *reply)
{
    struct call_pool *pool = call->pool;
    enum outcome outcome = err == ERR_OK      ? reply_outcome(reply)
                           : err == ERR_NEWER ? OUTCOME_NEWER
                                              : OUTCOME_UNAVAILABLE;

    pool->metrics->transitions[call->script][outcome]++;
    pool->pending--;
    call_leave(call);
    if (call->done != NULL) {
        call->done(call->context, err, reply);
    }
    put_back(pool, call);
}

void pool_refuse(struct call_pool *pool, struct store_call *call)
{
    call_put(&pool->refused, call);
}

void pool_flush(struct call_pool *pool)
{
    struct store_call *call;

    while ((call = call_take(&pool->refused)) != NULL) {
        finish(call, ERR_UNAVAILABLE, NULL);
    }
}

/* ---- what is under way ---- */

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
}

static void left(const struct store_call *call)
{
    if (call->pool->left != NULL) {
        call->pool->left(call->pool->owner, call->slot);
    }
}

static void finish_all(struct call_list *list)
{
    struct store_call *call;

    while ((call = call_take(list)) != NULL) {
        left(call);
        finish(call, ERR_UNAVAILABLE, NULL);
    }
}

void caller_flush(struct caller *caller)
{
    if (caller->link == NULL) {
        finish_all(&caller->unknown);
        finish_all(&caller->waiting);
    }
}

bool caller_is_idle(const struct caller *caller)
{
    return caller->oldest == NULL && caller->unknown.first == NULL &&
           caller->waiting.first == NULL;
}

void caller_each(const struct caller *caller,
                 void (*look)(void *context, const struct store_call *call), void *context)
{
    const struct store_call *heads[] = {caller->oldest, caller->unknown.first,
                                        caller->waiting.first};

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        for (const struct store_call *call = heads[i]; call != NULL; call = call->newer) {
            look(context, call);
        }
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
        struct str body = script_body((enum script)i);

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
        caller->events->lost(caller->owner, reply->str);
    }
}

static void send_now(struct caller *caller, struct store_call *call, bool asking);

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
    while ((call = call_take(&unknown)) != NULL || (call = call_take(&waiting)) != NULL) {
        send_now(caller, call, false);
    }
}

/* ---- answers ---- */

static bool is_error(const struct redisReply *reply, struct str word)
{
    return str_starts(str_from(reply->str, (size_t)reply->len), word);
}

static void complain(struct call_pool *pool, const struct store_call *call, const char *why)
{
    uint64_t now = clock_local_us();

    if (pool->complained_us == 0 || now - pool->complained_us > COMPLAIN_US) {
        pool->complained_us = now;
        log_write(LOG_WARN, "redis refused", LOG_TEXT("script", script_row(call->script)->name),
                  LOG_TEXT("why", why));
    }
}

/* A newer version has taken the key with it (keys.h, "versions"); nothing was changed. Said
 * once a minute: it goes on until this process is replaced. */
static void meet_newer(struct store_call *call)
{
    struct call_pool *pool = call->pool;
    uint64_t now = clock_local_us();

    pool->metrics->newer_seen[METRICS_NEWER_KEY]++;
    if (pool->newer_said_us == 0 || now - pool->newer_said_us > REMIND_US) {
        pool->newer_said_us = now;
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
    bool down =
        is_error(reply, STR("CLUSTERDOWN The cluster is down")); /* not one slot alone */

    complain(caller->pool, call, reply->str);
    finish(call, ERR_UNAVAILABLE, NULL);
    if (stranger) {
        caller->events->lost(caller->owner, "Redis is no longer a master that lets us in");
    } else if (down) {
        caller->events->lost(caller->owner, "its cluster is down");
    }
}

static bool is_redirection(const struct caller *caller, const struct redisReply *reply)
{
    static const struct str words[] = {{"MOVED ", 6}, {"ASK ", 4}, {"TRYAGAIN", 8}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (caller->events->redirected != NULL && is_error(reply, words[i])) {
            return true;
        }
    }
    return false;
}

static void answered(struct caller *caller, struct store_call *call,
                     const struct redisReply *reply)
{
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && is_redirection(caller, reply)) {
        caller->events->redirected(caller->owner, call,
                                   str_from(reply->str, (size_t)reply->len));
        return;
    }
    left(call);
    if (reply == NULL) {
        finish(call, ERR_UNAVAILABLE, NULL);
    } else if (reply->type != REDIS_REPLY_ERROR) {
        finish(call, ERR_OK, reply);
    } else if (is_error(reply, STR("WRONGTYPE"))) {
        meet_newer(call);
    } else {
        on_error(caller, call, reply);
    }
}

static void on_answer(void *context, const struct redisReply *reply)
{
    struct store_call *call = context;
    struct caller *caller = call->caller;

    unlink_by_age(caller, call);
    if (reply != NULL) {
        metrics_observe(&call->pool->metrics->redis_latency,
                        clock_local_us() - call->started_us);
    }
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && call->tries < TRIES_MAX &&
        is_error(reply, STR("NOSCRIPT"))) {
        call->tries++;
        call_put(&caller->unknown, call);
    } else {
        answered(caller, call, reply);
    }
    if (caller->unknown.first != NULL && caller->oldest == NULL) {
        go_on(caller);
    }
}

static void on_asking(void *context, const struct redisReply *reply)
{
    (void)context;
    (void)reply; /* what comes of it, the call behind it is told */
}

static bool ask(struct caller *caller)
{
    static const struct str asking = {"*1\r\n$6\r\nASKING\r\n", 16};

    return link_send(caller->link, asking, on_asking, NULL);
}

static void send_now(struct caller *caller, struct store_call *call, bool asking)
{
    call->caller = caller;
    if (caller->link != NULL && call->pool->pending <= PENDING_MAX &&
        (!asking || ask(caller)) &&
        link_send(caller->link, buf_str(&call->command), on_answer, call)) {
        link_by_age(caller, call);
    } else {
        left(call);
        pool_refuse(call->pool, call);
    }
}

void caller_send(struct caller *caller, struct store_call *call, bool asking)
{
    call->caller = caller;
    if (caller->unknown.first != NULL) {
        call_put(&caller->waiting, call);
    } else {
        send_now(caller, call, asking);
    }
}
