/* One connection to Redis for subscriptions: hiredis's reader on a plain libuv stream. */
#include "gateway/store/tap.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "gateway/store/resp.h"
#include "gateway/store/tls.h"

enum {
    WHY_MAX = 128,
    READ_MAX = 65536,
    FEED_MAX = 2048
};

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

/* What the array that is being parsed will turn out to be: its first word says it. */
enum kind {
    KIND_OTHER,
    KIND_MESSAGE,
    KIND_MATCHED, /* a message on a channel that a pattern fits */
    KIND_SUBSCRIBE,
    KIND_UNSUBSCRIBE,
    KIND_MATCHING, /* a pattern is listened to */
    KIND_PONG
};

/* Which element of an array is the channel, and which one the publication; 0 = it has none. */
static const struct {
    unsigned char channel, payload;
} places[] = {
    [KIND_OTHER] = {1, 0},     [KIND_MESSAGE] = {1, 2},     [KIND_MATCHED] = {2, 3},
    [KIND_SUBSCRIBE] = {1, 0}, [KIND_UNSUBSCRIBE] = {1, 0}, [KIND_MATCHING] = {1, 0},
    [KIND_PONG] = {1, 0},
};

struct tap {
    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    uv_connect_t connect;
    redisReader *reader;   /* owned */
    struct tls_seal *seal; /* owned; NULL = without TLS, and without the next two */
    struct buf sealed;     /* what leaves instead of `out` */
    struct buf plain;      /* what was read */
    struct buf out;        /* commands of this turn */
    struct buf channel;    /* of the array that is being parsed: the reader's bytes may move
                              between two reads */
    enum kind kind;
    bool opened;
    bool closing;
    char why[WHY_MAX];
    const struct tap_events *events;
    void *owner;
    char *read_buffer; /* owned, READ_MAX bytes */
};

struct write {
    uv_write_t request;
    struct tap *tap;
    char *bytes; /* owned */
};

static enum kind kind_of(struct str word)
{
    static const struct {
        struct str word;
        enum kind kind;
    } kinds[] = {
        {{"message", 7}, KIND_MESSAGE},
        {{"pmessage", 8}, KIND_MATCHED},
        {{"subscribe", 9}, KIND_SUBSCRIBE},
        {{"psubscribe", 10}, KIND_MATCHING},
        {{"unsubscribe", 11}, KIND_UNSUBSCRIBE},
        {{"smessage", 8}, KIND_MESSAGE},
        {{"ssubscribe", 10}, KIND_SUBSCRIBE},
        {{"sunsubscribe", 12}, KIND_UNSUBSCRIBE},
        {{"pong", 4}, KIND_PONG},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (str_equal(word, kinds[i].word)) {
            return kinds[i].kind;
        }
    }
    return KIND_OTHER;
}

static void told(struct tap *tap, struct str payload)
{
    struct str channel = buf_str(&tap->channel);

    if (tap->kind == KIND_MATCHED) {
        tap->events->matched(tap->owner, channel, payload);
    } else {
        tap->events->message(tap->owner, channel, payload);
    }
}

/* The reader's callbacks: they return any pointer but NULL, since nothing is ever built. */

static void *on_string(const redisReadTask *task, char *at, size_t len)
{
    struct tap *tap = task->privdata;
    struct str text = {at, len};

    if (tap->closing) {
        return tap;
    }
    if (task->parent == NULL) { /* +OK, +PONG, -ERR: the answer to AUTH or PING before any
                                   subscription, or a refusal */
        tap->events->answered(tap->owner,
                              task->type == REDIS_REPLY_ERROR ? text : str_from("", 0));
    } else if (task->idx == 0) {
        tap->kind = kind_of(text);
    } else if (task->idx == places[tap->kind].channel) {
        buf_clear(&tap->channel);
        buf_add(&tap->channel, text);
        if (tap->kind == KIND_PONG) {
            tap->events->answered(tap->owner, str_from("", 0));
        }
    } else if (task->idx == places[tap->kind].payload) {
        told(tap, text);
    }
    return tap;
}

static void *on_integer(const redisReadTask *task, long long value)
{
    struct tap *tap = task->privdata;

    (void)value;
    if (tap->closing || task->idx != 2) {
        return tap;
    }
    if (tap->kind == KIND_SUBSCRIBE || tap->kind == KIND_UNSUBSCRIBE) {
        tap->events->changed(tap->owner, buf_str(&tap->channel), tap->kind == KIND_SUBSCRIBE);
    } else if (tap->kind == KIND_MATCHING) {
        tap->events->matching(tap->owner, buf_str(&tap->channel));
    }
    return tap;
}

static void *on_array(const redisReadTask *task, element_count count)
{
    struct tap *tap = task->privdata;

    (void)count;
    tap->kind = KIND_OTHER;
    return tap;
}

static void *on_nil(const redisReadTask *task)
{
    return task->privdata;
}

static void on_free(void *object)
{
    (void)object;
}

static redisReplyObjectFunctions callbacks = {
    .createString = on_string,
    .createArray = on_array,
    .createInteger = on_integer,
    .createNil = on_nil,
    .freeObject = on_free,
};

static void destroy(struct tap *tap)
{
    redisReaderFree(tap->reader);
    tls_seal_destroy(tap->seal);
    buf_finish(&tap->out);
    buf_finish(&tap->sealed);
    buf_finish(&tap->plain);
    buf_finish(&tap->channel);
    mem_free(tap->read_buffer);
    mem_free(tap);
}

static void on_stream_closed(uv_handle_t *handle)
{
    struct tap *tap = handle->data;

    tap->events->closed(tap->owner, tap->why);
    destroy(tap);
}

void tap_close(struct tap *tap, const char *why)
{
    if (tap->closing) {
        return;
    }
    tap->closing = true;
    snprintf(tap->why, sizeof(tap->why), "%s", why);
    uv_close((uv_handle_t *)&tap->socket.stream, on_stream_closed);
}

static void close_broken(struct tap *tap)
{
    const char *why = tls_why();

    tap_close(tap, why != NULL ? why : "TLS: the connection broke");
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct tap *tap = handle->data;

    (void)suggested;
    *buf = uv_buf_init(tap->read_buffer, READ_MAX);
}

/* hiredis's reader moves what it has not parsed yet to its buffer's front again and again, so
 * it never gets much at once. */
static void feed(struct tap *tap, struct str bytes)
{
    void *reply = tap;

    if (redisReaderFeed(tap->reader, bytes.at, bytes.len) != REDIS_OK) {
        tap_close(tap, "out of memory");
    }
    while (reply != NULL && !tap->closing) {
        reply = NULL;
        if (redisReaderGetReply(tap->reader, &reply) != REDIS_OK) {
            tap_close(tap, "Redis sent something that is not its protocol");
        }
    }
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct tap *tap = stream->data;
    struct str rest;

    if (count < 0) {
        tap_close(tap, uv_strerror((int)count));
        return;
    }
    rest = str_from(buf->base, (size_t)count);
    if (tap->seal != NULL) {
        buf_clear(&tap->plain);
        if (!tls_open(tap->seal, rest, &tap->plain)) {
            close_broken(tap);
            return;
        }
        rest = buf_str(&tap->plain);
    }
    while (rest.len > 0 && !tap->closing) {
        feed(tap, str_from(rest.at, rest.len < FEED_MAX ? rest.len : FEED_MAX));
        rest = str_skip(rest, FEED_MAX);
    }
}

static void on_connected(uv_connect_t *request, int status)
{
    struct tap *tap = request->data;

    if (tap->closing) {
        return;
    }
    if (status == 0) {
        status = uv_read_start(&tap->socket.stream, on_alloc, on_read);
    }
    if (status != 0) {
        tap_close(tap, uv_strerror(status));
        return;
    }
    tap->opened = true;
    tap->events->opened(tap->owner);
}

static int begin(struct tap *tap, uv_loop_t *loop, const struct dial *dial)
{
    struct sockaddr_storage address;
    int error;

    if (dial->host == NULL) {
        error = uv_pipe_init(loop, &tap->socket.pipe, 0);
        if (error == 0) {
            uv_pipe_connect(&tap->connect, &tap->socket.pipe, dial->path, on_connected);
        }
        return error;
    }
    if (uv_ip4_addr(dial->host, dial->port, (struct sockaddr_in *)&address) != 0 &&
        uv_ip6_addr(dial->host, dial->port, (struct sockaddr_in6 *)&address) != 0) {
        return UV_EINVAL;
    }
    error = uv_tcp_init(loop, &tap->socket.tcp);
    if (error != 0) {
        return error;
    }
    uv_tcp_nodelay(&tap->socket.tcp, 1);
    error = uv_tcp_connect(&tap->connect, &tap->socket.tcp, (struct sockaddr *)&address,
                           on_connected);
    if (error != 0) {
        tap_close(tap, uv_strerror(error));
    }
    return 0;
}

struct tap *tap_open(uv_loop_t *loop, const struct dial *dial, const struct tap_events *events,
                     void *owner)
{
    struct tap *tap = mem_zero(sizeof(*tap));

    tap->events = events;
    tap->owner = owner;
    tap->connect.data = tap;
    tap->read_buffer = mem_alloc(READ_MAX);
    tap->reader = redisReaderCreateWithFunctions(&callbacks);
    if (dial->tls != NULL) {
        tap->seal = tls_seal_create(dial->tls, dial->name);
    }
    if (tap->reader == NULL || (dial->tls != NULL && tap->seal == NULL) ||
        begin(tap, loop, dial) != 0) {
        destroy(tap);
        return NULL;
    }
    tap->reader->privdata = tap;
    tap->socket.stream.data = tap;
    return tap;
}

void tap_send(struct tap *tap, const struct str *words, size_t count)
{
    resp_add_command(&tap->out, words, count);
}

static void on_written(uv_write_t *request, int status)
{
    struct write *write = request->data;

    if (status != 0) {
        tap_close(write->tap, uv_strerror(status));
    }
    mem_free(write->bytes);
    mem_free(write);
}

/* What leaves with this turn. */
static struct buf *leaving(struct tap *tap)
{
    if (tap->seal == NULL) {
        return &tap->out;
    }
    if (!tls_close(tap->seal, &tap->out, &tap->sealed)) {
        close_broken(tap);
    }
    return &tap->sealed;
}

void tap_flush(struct tap *tap)
{
    struct write *write;
    struct buf *out;
    uv_buf_t bytes;
    int error;

    if (!tap->opened || tap->closing) {
        return;
    }
    out = leaving(tap);
    if (out->len == 0 || tap->closing) {
        return;
    }
    bytes = uv_buf_init(NULL, (unsigned)out->len);
    write = mem_alloc(sizeof(*write));
    write->tap = tap;
    write->bytes = bytes.base = buf_take(out);
    write->request.data = write;
    error = uv_write(&write->request, &tap->socket.stream, &bytes, 1, on_written);
    if (error != 0) {
        mem_free(write->bytes);
        mem_free(write);
        tap_close(tap, uv_strerror(error));
    }
}
