/* One connection to Redis for commands: hiredis's asynchronous context on libuv. */
#include "gateway/store/link.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/store/tls.h"

enum {
    WHY_MAX = 128
};

struct link {
    redisAsyncContext *redis; /* owned by hiredis; NULL once it is going */
    uv_poll_t poll;
    int polled;    /* events that epoll watches now */
    bool waiting;  /* commands wait for the end of the turn */
    bool flushing; /* inside link_flush: a wish to write means that a write was cut short */
    bool opened;
    bool lost;   /* the owner was told */
    bool sealed; /* by TLS */
    char why[WHY_MAX];
    const struct link_events *events;
    void *owner;
};

/* A command in flight: what hiredis gives back to us. */
struct pending {
    link_reply_fn *done;
    void *context;
};

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct link *link = poll->data;

    if (link->redis != NULL && (status < 0 || (events & UV_READABLE))) {
        redisAsyncHandleRead(link->redis);
    }
    if (link->redis != NULL && (events & UV_WRITABLE)) {
        redisAsyncHandleWrite(link->redis);
    }
}

static void poll_for(struct link *link, int events)
{
    if (events == link->polled || link->redis == NULL) {
        return;
    }
    link->polled = events;
    if (events == 0) {
        uv_poll_stop(&link->poll);
    } else {
        uv_poll_start(&link->poll, events, on_ready);
    }
}

static void add_read(void *data)
{
    struct link *link = data;

    poll_for(link, link->polled | UV_READABLE);
}

static void del_read(void *data)
{
    struct link *link = data;

    poll_for(link, link->polled & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct link *link = data;

    if (!link->opened || link->flushing) {
        poll_for(link, link->polled | UV_WRITABLE);
    } else {
        link->waiting = true;
    }
}

static void del_write(void *data)
{
    struct link *link = data;

    poll_for(link, link->polled & ~UV_WRITABLE);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;

    link->events->closed(link->owner, link->why);
    mem_free(link);
}

/* What hiredis says of a TLS that failed is the last error of the system, which was none. */
static const char *reason_of(const struct link *link)
{
    const char *why = link->sealed ? tls_why() : NULL;

    if (why == NULL) {
        why = link->redis->err != 0 ? link->redis->errstr : "closed by Redis";
    }
    return why;
}

/* hiredis lets go of the socket: the last that it does with a context, however it came to its
 * end. */
static void cleanup(void *data)
{
    struct link *link = data;

    if (link->redis == NULL) {
        return;
    }
    if (link->why[0] == '\0') {
        snprintf(link->why, sizeof(link->why), "%s", reason_of(link));
    }
    link->redis = NULL;
    uv_poll_stop(&link->poll);
    uv_close((uv_handle_t *)&link->poll, on_poll_closed);
}

static void on_connect(const redisAsyncContext *redis, int status)
{
    struct link *link = redis->data;

    if (status == REDIS_OK) {
        link->opened = true;
        link->events->opened(link->owner);
    }
}

static void attach(struct link *link, redisAsyncContext *redis)
{
    link->redis = redis;
    redis->data = link;
    redis->ev.data = link;
    redis->ev.addRead = add_read;
    redis->ev.delRead = del_read;
    redis->ev.addWrite = add_write;
    redis->ev.delWrite = del_write;
    redis->ev.cleanup = cleanup;
    redisAsyncSetConnectCallback(redis, on_connect);
}

struct link *link_open(uv_loop_t *loop, const struct dial *dial,
                       const struct link_events *events, void *owner)
{
    redisAsyncContext *redis = dial->host != NULL ? redisAsyncConnect(dial->host, dial->port)
                                                  : redisAsyncConnectUnix(dial->path);
    struct link *link;

    if (redis == NULL || redis->err != 0 ||
        (dial->tls != NULL && !tls_join(dial->tls, &redis->c, dial->name))) {
        if (redis != NULL) {
            redisAsyncFree(redis);
        }
        return NULL;
    }
    link = mem_zero(sizeof(*link));
    link->events = events;
    link->owner = owner;
    link->sealed = dial->tls != NULL;
    if (uv_poll_init(loop, &link->poll, redis->c.fd) != 0) {
        redisAsyncFree(redis);
        mem_free(link);
        return NULL;
    }
    link->poll.data = link;
    attach(link, redis);
    return link;
}

static void on_reply(redisAsyncContext *redis, void *reply, void *data)
{
    struct pending pending = *(struct pending *)data;
    struct link *link = redis->data;

    mem_free(data);
    if (reply == NULL && !link->lost) {
        link->lost = true;
        if (link->why[0] == '\0') {
            snprintf(link->why, sizeof(link->why), "%s", reason_of(link));
        }
        link->events->lost(link->owner, link->why);
    }
    pending.done(pending.context, reply);
}

bool link_send(struct link *link, struct str command, link_reply_fn *done, void *context)
{
    struct pending *pending;

    if (link->redis == NULL) {
        return false;
    }
    pending = mem_alloc(sizeof(*pending));
    pending->done = done;
    pending->context = context;
    if (redisAsyncFormattedCommand(link->redis, on_reply, pending, command.at, command.len) !=
        REDIS_OK) {
        mem_free(pending);
        return false;
    }
    return true;
}

void link_flush(struct link *link)
{
    if (!link->waiting || link->redis == NULL) {
        return;
    }
    link->waiting = false;
    link->flushing = true;
    redisAsyncHandleWrite(link->redis);
    link->flushing = false;
}

void link_close(struct link *link, const char *why)
{
    if (link->redis != NULL) {
        snprintf(link->why, sizeof(link->why), "%s", why);
        redisAsyncFree(link->redis);
    }
}
