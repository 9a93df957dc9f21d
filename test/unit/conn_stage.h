/* Connections under a layer that writes down what it is told, and a kernel that takes what it
 * is told to take. One include per test. */
#ifndef SEGUE_TEST_CONN_STAGE_H
#define SEGUE_TEST_CONN_STAGE_H

#include "test/unit/unit.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "test/unit/net_stage.h"

enum {
    HEARD_MAX = 256,
    LINGER_PATIENCE_MS = 2100
};

/* What the layer above is told: d)ata, e)of, t)imeout, D)rained, r)estart, c)losed. */
static struct layer {
    char heard[HEARD_MAX];
    size_t heard_len;
    struct buf data;
    enum reason reason;
    unsigned closed;
    void (*act)(struct conn *conn); /* what it does when it is told anything; NULL = nothing */
} layer;

/* Stands in front of the system's: what the kernel takes of a write. */
static struct {
    unsigned calls;
    size_t limit; /* bytes per call; SIZE_MAX = as it is; 0 = it is full */
    int error;    /* instead; 0 = none */
} kernel;

int uv_try_write(uv_stream_t *stream, const uv_buf_t parts[], unsigned count)
{
    static int (*real)(uv_stream_t *, const uv_buf_t *, unsigned);
    uv_buf_t cut[64];
    size_t left = kernel.limit;
    unsigned used = 0;

    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "uv_try_write");
    }
    kernel.calls++;
    if (kernel.error != 0) {
        return kernel.error;
    }
    if (kernel.limit == 0) {
        return UV_EAGAIN;
    }
    for (; used < count && left > 0; used++) {
        cut[used] = parts[used];
        cut[used].len = cut[used].len < left ? cut[used].len : left;
        left -= cut[used].len;
    }
    return real(stream, cut, used);
}

static inline void hear(struct conn *conn, char what)
{
    assert_true(layer.heard_len < HEARD_MAX - 1);
    layer.heard[layer.heard_len++] = what;
    if (layer.act != NULL && what != 'c') {
        layer.act(conn);
    }
}

static inline void assert_heard(const char *expected)
{
    assert_string_equal(layer.heard, expected);
    memset(layer.heard, 0, sizeof(layer.heard));
    layer.heard_len = 0;
}

static inline void on_data(void *upper, struct str bytes)
{
    buf_add(&layer.data, bytes);
    hear(upper, 'd');
}

static inline void on_eof(void *upper)
{
    hear(upper, 'e');
}

static inline void on_timeout(void *upper)
{
    hear(upper, 't');
}

static inline void on_drained(void *upper)
{
    hear(upper, 'D');
}

static inline void on_restart(void *upper)
{
    hear(upper, 'r');
    conn_end(upper, REASON_RESTART);
}

static inline void on_parting(void *upper, struct str bytes)
{
    hear(upper, 'p');
    if (str_equal(bytes, STR("farewell"))) {
        conn_parted(upper);
    }
}

static inline void on_closed(void *upper, enum reason reason)
{
    hear(upper, 'c');
    layer.reason = reason;
    layer.closed++;
}

static const struct conn_layer recorder = {on_data,    on_eof,     on_timeout, on_drained,
                                           on_restart, on_parting, NULL,       on_closed};

/* ---- the door ---- */

static uv_tcp_t door;

static inline void on_connection(uv_stream_t *stream, int status)
{
    struct conn *conn = conn_accept(stage.net, stream, false);

    assert_int_equal(status, 0);
    assert_non_null(conn);
    conn->layer = &recorder;
    conn->upper = conn;
    stage.net->conn_count++;
    conn->counted = true;
    assert_true(conn_start(conn));
}

static inline int setup(void **state)
{
    struct sockaddr_in address;
    int len = sizeof(address);

    (void)state;
    stage_setup(NULL);
    memset(&layer, 0, sizeof(layer));
    kernel.calls = 0;
    kernel.limit = SIZE_MAX;
    kernel.error = 0;
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&stage.loop, &door);
    uv_tcp_bind(&door, (struct sockaddr *)&address, 0);
    uv_listen((uv_stream_t *)&door, 128, on_connection);
    uv_tcp_getsockname(&door, (struct sockaddr *)&address, &len);
    stage.port = ntohs(address.sin_port);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    layer.act = NULL;
    uv_close((uv_handle_t *)&door, NULL);
    buf_finish(&layer.data);
    return stage_teardown();
}

/* ---- what is sent ---- */

/* A message of so many bytes, different from its neighbours. */
static inline struct msg *msg_of(size_t len, unsigned number)
{
    char *bytes = mem_alloc(len);
    struct msg *msg;

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)('a' + (i + number) % 26);
    }
    msg = msg_raw(str_from(bytes, len));
    mem_free(bytes);
    return msg;
}

/* Queues messages of so many bytes each and notes what has to arrive. */
static inline void send_many(struct conn *conn, unsigned count, size_t len,
                             struct buf *expected)
{
    for (unsigned i = 0; i < count; i++) {
        struct msg *msg = msg_of(len, i);

        conn_send_anyway(conn, msg);
        buf_add(expected, str_from(msg->bytes, msg->len));
        msg_unref(msg);
    }
}

static inline void assert_got(struct client *client, struct buf *expected)
{
    client_wait(client, expected->len);
    assert_true(str_equal(buf_str(&client->got), buf_str(expected)));
    buf_clear(&client->got);
    buf_clear(expected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
