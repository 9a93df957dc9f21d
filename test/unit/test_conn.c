/* Connections: what is queued arrives whole and in order however the kernel takes it, queues
 * are bounded, and every connection dies once. */
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

static void hear(struct conn *conn, char what)
{
    assert_true(layer.heard_len < HEARD_MAX - 1);
    layer.heard[layer.heard_len++] = what;
    if (layer.act != NULL && what != 'c') {
        layer.act(conn);
    }
}

static void assert_heard(const char *expected)
{
    assert_string_equal(layer.heard, expected);
    memset(layer.heard, 0, sizeof(layer.heard));
    layer.heard_len = 0;
}

static void on_data(void *upper, struct str bytes)
{
    buf_add(&layer.data, bytes);
    hear(upper, 'd');
}

static void on_eof(void *upper)
{
    hear(upper, 'e');
}

static void on_timeout(void *upper)
{
    hear(upper, 't');
}

static void on_drained(void *upper)
{
    hear(upper, 'D');
}

static void on_restart(void *upper)
{
    hear(upper, 'r');
    conn_end(upper, REASON_RESTART);
}

static void on_parting(void *upper, struct str bytes)
{
    hear(upper, 'p');
    if (str_equal(bytes, STR("farewell"))) {
        conn_parted(upper);
    }
}

static void on_closed(void *upper, enum reason reason)
{
    hear(upper, 'c');
    layer.reason = reason;
    layer.closed++;
}

static const struct conn_layer recorder = {on_data,    on_eof,     on_timeout, on_drained,
                                           on_restart, on_parting, NULL,       on_closed};

/* ---- the door ---- */

static uv_tcp_t door;

static void on_connection(uv_stream_t *stream, int status)
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

static int setup(void **state)
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

static int teardown(void **state)
{
    (void)state;
    layer.act = NULL;
    uv_close((uv_handle_t *)&door, NULL);
    buf_finish(&layer.data);
    return stage_teardown();
}

/* ---- what is sent ---- */

/* A message of so many bytes, different from its neighbours. */
static struct msg *msg_of(size_t len, unsigned number)
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
static void send_many(struct conn *conn, unsigned count, size_t len, struct buf *expected)
{
    for (unsigned i = 0; i < count; i++) {
        struct msg *msg = msg_of(len, i);

        conn_send_anyway(conn, msg);
        buf_add(expected, str_from(msg->bytes, msg->len));
        msg_unref(msg);
    }
}

static void assert_got(struct client *client, struct buf *expected)
{
    client_wait(client, expected->len);
    assert_true(str_equal(buf_str(&client->got), buf_str(expected)));
    buf_clear(&client->got);
    buf_clear(expected);
}

/* ---- in ---- */

static void bytes_come_in_as_they_were_sent(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();

    (void)state;
    client_send(&client, conn, STR("hello "));
    client_send(&client, conn, STR("world"));
    assert_str(buf_str(&layer.data), "hello world");
    assert_heard("dd");
    assert_int_equal(conn->bytes_in, 11);
    assert_int_equal(stage.metrics.bytes_received, 11);
    client_close(&client);
}

static void the_peers_address_is_known(void **state)
{
    struct client client = client_open();
    char text[INET6_ADDRSTRLEN];

    (void)state;
    conn_peer_text(stage_conn(), text);
    assert_string_equal(text, "127.0.0.1");
    stage_conn()->peer = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
    conn_peer_text(stage_conn(), text);
    assert_string_equal(text, "::1");
    client_close(&client);
}

static void a_paused_connection_is_not_read(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();

    (void)state;
    conn_pause(conn, true);
    conn_pause(conn, true);
    client_push(&client, STR("later"));
    client_hears_nothing(&client);
    assert_heard("");
    conn_pause(conn, false);
    conn_pause(conn, false);
    client_send(&client, conn, STR("!"));
    assert_str(buf_str(&layer.data), "later!");
    client_close(&client);
}

static void pause_now(struct conn *conn)
{
    conn_pause(conn, true);
}

static void pausing_while_being_told_stops_the_very_next_read(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct msg *big = msg_of(3 * NET_READ_MAX, 0);

    (void)state;
    layer.act = pause_now;
    client_push(&client, str_from(big->bytes, big->len));
    client_hears_nothing(&client);
    assert_heard("d");
    assert_in_range(layer.data.len, 1, NET_READ_MAX);
    layer.act = NULL;
    conn_pause(conn, false);
    for (int i = 0; i < STAGE_PATIENCE && layer.data.len < big->len; i++) {
        stage_turn();
    }
    assert_true(str_equal(buf_str(&layer.data), str_from(big->bytes, big->len)));
    msg_unref(big);
    client_close(&client);
}

/* ---- out ---- */

static void what_a_turn_says_leaves_in_one_write_at_its_end(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct buf expected = {0};

    (void)state;
    send_many(conn, 50, 20, &expected);
    assert_false(client_look(&client));
    assert_int_equal(kernel.calls, 0);
    net_flush(stage.net);
    assert_int_equal(kernel.calls, 1);
    net_flush(stage.net);
    assert_int_equal(kernel.calls, 1); /* nothing new */
    assert_got(&client, &expected);
    assert_null(conn->out); /* an idle connection has no queue */
    assert_int_equal(conn->bytes_out, 1000);
    assert_int_equal(stage.metrics.bytes_sent, 1000);
    buf_finish(&expected);
    client_close(&client);
}

static void any_number_of_messages_arrives_whole_and_in_order(void **state)
{
    static const unsigned counts[] = {1, 7, 8, 9, 16, 63, 64, 65, 129, 1000};
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct buf expected = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        send_many(conn, counts[i], 100, &expected);
        net_flush(stage.net);
        assert_got(&client, &expected);
    }
    buf_finish(&expected);
    client_close(&client);
}

static void however_little_the_kernel_takes_the_bytes_are_the_same(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct buf expected = {0};

    (void)state;
    for (size_t limit = 1; limit < 120; limit++) {
        kernel.limit = limit;
        send_many(conn, 20, 11, &expected);
        net_flush(stage.net);
        assert_got(&client, &expected);
    }
    buf_finish(&expected);
    client_close(&client);
}

/* The queue's front moves while its end grows: after a part was written, the kernel is full. */
static void a_queue_that_moves_and_grows_keeps_its_order(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct buf expected = {0};

    (void)state;
    for (int round = 0; round < 200; round++) {
        send_many(conn, (unsigned)(round * 7 % 13), (size_t)(1 + round % 5), &expected);
        kernel.limit = (size_t)(round * 5 % 17);
        net_flush(stage.net);
        kernel.limit = 0;
        if (round % 3 == 0) {
            stage_turn(); /* libuv brings the first message away */
        }
    }
    kernel.limit = SIZE_MAX;
    stage_turn();
    assert_got(&client, &expected);
    assert_null(conn->out);
    buf_finish(&expected);
    client_close(&client);
}

static void a_peer_that_reads_slowly_gets_everything(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct buf expected = {0};

    (void)state;
    send_many(conn, 400, 65536, &expected); /* more than kernels hold */
    for (int i = 0; i < 20; i++) {
        stage_turn();
    }
    assert_non_null(conn->out);
    assert_got(&client, &expected);
    assert_null(conn->out);
    buf_finish(&expected);
    client_close(&client);
}

static void a_shared_message_is_let_go_by_everybody(void **state)
{
    struct client clients[3] = {client_open(), client_open(), client_open()};
    struct msg *msg = msg_text(STR("for all"));

    (void)state;
    for (struct conn *conn = stage.net->conns; conn != NULL; conn = conn->next) {
        assert_true(conn_send(conn, msg));
    }
    assert_int_equal(msg->refs, 4);
    net_flush(stage.net);
    assert_int_equal(msg->refs, 1);
    for (int i = 0; i < 3; i++) {
        client_wait(&clients[i], msg->len);
        client_close(&clients[i]);
    }
    msg_unref(msg);
}

/* ---- bounds ---- */

static void a_full_queue_takes_no_more_and_says_when_it_is_empty(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct msg *msg = msg_of(100, 0);

    (void)state;
    stage.config.max_queue = 1000;
    for (int i = 0; i < 10; i++) {
        assert_true(conn_send(conn, msg));
    }
    assert_false(conn_send(conn, msg));
    assert_false(conn_send(conn, msg));
    assert_int_equal(msg->refs, 11);  /* nothing was queued */
    assert_false(conn_is_full(conn)); /* exactly at the limit */
    conn_send_anyway(conn, msg);
    assert_true(conn_is_full(conn));
    assert_heard("");
    stage_turn();
    assert_heard("D");
    client_wait(&client, 1100);
    assert_true(conn_send(conn, msg));
    stage_turn();
    assert_heard(""); /* not full since */
    msg_unref(msg);
    client_close(&client);
}

static void a_message_larger_than_the_queue_goes_alone(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct msg *big = msg_of(5000, 0), *small = msg_of(1, 0);

    (void)state;
    stage.config.max_queue = 1000;
    assert_true(conn_send(conn, big));
    assert_false(conn_send(conn, small));
    stage_turn();
    assert_true(conn_send(conn, small));
    assert_false(conn_send(conn, big));
    client_wait(&client, 5001);
    msg_unref(big);
    msg_unref(small);
    client_close(&client);
}

static void trimming_keeps_what_is_on_its_way(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct msg *msgs[3] = {msg_of(300, 0), msg_of(300, 1), msg_of(300, 2)};

    (void)state;
    conn_trim(conn); /* nothing there: harmless */
    kernel.limit = 100;
    for (int i = 0; i < 3; i++) {
        assert_true(conn_send(conn, msgs[i]));
    }
    kernel.limit = 0;
    net_flush(stage.net); /* the first is on its way */
    conn_trim(conn);
    assert_int_equal(msgs[1]->refs, 1);
    assert_int_equal(msgs[2]->refs, 1);
    kernel.limit = SIZE_MAX;
    assert_true(conn_send(conn, msgs[2]));
    client_wait(&client, 600);
    assert_memory_equal(client.got.at, msgs[0]->bytes, 300);
    assert_memory_equal(client.got.at + 300, msgs[2]->bytes, 300);
    client_hears_nothing(&client);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(msgs[i]->refs, 1);
        msg_unref(msgs[i]);
    }
    client_close(&client);
}

static void spare_queues_are_used_again(void **state)
{
    enum {
        CLIENTS = 50
    };
    static struct client clients[CLIENTS];
    struct msg *msg = msg_of(10, 0);

    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open();
    }
    for (int round = 0; round < 3; round++) {
        for (struct conn *conn = stage.net->conns; conn != NULL; conn = conn->next) {
            assert_true(conn_send(conn, msg));
        }
        stage_turn();
        assert_int_equal(stage.net->out_count, CLIENTS); /* no more than were ever in use */
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_close(&clients[i]);
    }
    msg_unref(msg);
}

/* ---- ends ---- */

static void the_peers_end_is_told_once(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();

    (void)state;
    shutdown(client.fd, SHUT_WR);
    for (int i = 0; i < STAGE_PATIENCE && layer.heard_len == 0; i++) {
        stage_turn();
    }
    assert_heard("e");
    assert_true(conn->peer_done);
    client_hears_nothing(&client); /* half-closed: the layer decides */
    conn_end(conn, REASON_PEER_CLOSED);
    client_wait_end(&client);
    stage_wait_gone(conn);
    assert_heard("c");
    assert_int_equal(layer.reason, REASON_PEER_CLOSED);
    client_close(&client);
}

static void the_last_words_arrive_before_the_end(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct buf expected = {0};
    struct msg *late = msg_of(10, 0);

    (void)state;
    send_many(conn, 300, 65536, &expected);
    conn_end(conn, REASON_RESTART);
    conn_end(conn, REASON_LEFT);
    conn_send_anyway(conn, late); /* too late */
    assert_true(conn_send(conn, late));
    assert_int_equal(late->refs, 1);
    client_wait_end(&client);
    assert_true(str_equal(buf_str(&client.got), buf_str(&expected)));
    assert_true(stage_has(conn)); /* until the peer closes as well */
    assert_heard("");
    client_close(&client);
    stage_wait_gone(conn);
    assert_heard("c");
    assert_int_equal(layer.reason, REASON_RESTART);
    msg_unref(late);
    buf_finish(&expected);
}

static void a_peer_that_never_closes_is_cut_after_two_seconds(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();

    (void)state;
    conn_deadline(conn, 60000); /* the layer's own deadline does not count any more */
    conn_end(conn, REASON_LEFT);
    client_wait_end(&client);
    stage_pass(1900);
    assert_true(stage_has(conn));
    stage_pass(200);
    assert_false(stage_has(conn));
    assert_heard("c");
    assert_int_equal(layer.reason, REASON_LEFT);
    client_close(&client);
}

static void our_fin_waits_for_the_peers_farewell(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct buf expected = {0};

    (void)state;
    send_many(conn, 3, 65536, &expected);
    conn_part(conn, REASON_RATE);
    client_send(&client, conn, STR("still talking"));
    client_wait(&client, expected.len);
    client_hears_nothing(&client);
    client_send(&client, conn, STR("and on"));
    assert_heard("pp");
    client_push(&client, STR("farewell"));
    client_wait_end(&client);
    assert_heard("p");
    client_push(&client, STR("too late"));
    assert_true(stage_has(conn));
    client_close(&client);
    stage_wait_gone(conn);
    assert_heard("c");
    assert_int_equal(layer.reason, REASON_RATE);
    buf_finish(&expected);
}

static void without_a_farewell_it_waits_a_second(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();

    (void)state;
    conn_part(conn, REASON_RATE);
    stage_pass(900);
    client_hears_nothing(&client);
    stage_pass(200);
    client_wait_end(&client);
    assert_heard("");
    stage_pass(1900);
    assert_true(stage_has(conn));
    stage_pass(200);
    assert_false(stage_has(conn));
    assert_heard("c");
    client_close(&client);
}

static void a_peer_may_close_without_a_farewell(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();

    (void)state;
    conn_part(conn, REASON_RATE);
    client_hears_nothing(&client);
    client_close(&client);
    stage_wait_gone(conn);
    assert_heard("c");
    assert_int_equal(layer.reason, REASON_RATE);
}

static void a_peer_that_never_reads_is_cut_after_the_time_of_a_request(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct buf expected = {0};

    (void)state;
    send_many(conn, 400, 65536, &expected);
    conn_end(conn, REASON_SLOW);
    stage_pass(stage.config.connect_timeout_ms - 100);
    assert_true(stage_has(conn));
    stage_pass(200);
    assert_false(stage_has(conn)); /* with a write on its way */
    assert_int_equal(layer.reason, REASON_SLOW);
    buf_finish(&expected);
    client_close(&client);
}

static void what_comes_after_the_end_is_thrown_away_but_not_for_ever(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    char *bytes = mem_alloc(1 << 20);
    int sent = 0;

    (void)state;
    memset(bytes, 'x', 1 << 20);
    conn_end(conn, REASON_HTTP_DONE);
    for (; stage_has(conn) && sent < 40; sent++) {
        client_send(&client, conn, str_from(bytes, 1 << 20));
    }
    assert_in_range(sent, 8, 39); /* 8 MiB, and what stood in the kernel's buffers */
    assert_heard("c");
    assert_int_equal(layer.reason, REASON_HTTP_DONE);
    mem_free(bytes);
    client_close(&client);
}

static void a_paused_connection_that_ends_is_read_again(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();

    (void)state;
    conn_pause(conn, true);
    client_push(&client, STR("unread"));
    conn_end(conn, REASON_LEFT);
    client_wait_end(&client);
    assert_false(client.reset); /* unread bytes would make the kernel send a reset */
    client_close(&client);
    stage_wait_gone(conn);
    assert_heard("c");
}

static void a_cut_is_at_once_and_counts_once(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct buf expected = {0};

    (void)state;
    send_many(conn, 3, 100, &expected);
    conn_cut(conn, REASON_TIMEOUT);
    conn_cut(conn, REASON_LEFT);
    conn_end(conn, REASON_LEFT);
    stage_turn();
    assert_false(stage_has(conn));
    assert_heard("c");
    assert_int_equal(layer.reason, REASON_TIMEOUT);
    assert_int_equal(layer.closed, 1);
    assert_int_equal(stage.net->conn_count, 0);
    client_wait_end(&client);
    assert_int_equal(client.got.len, 0);
    buf_finish(&expected);
    client_close(&client);
}

static void cut_now(struct conn *conn)
{
    conn_cut(conn, REASON_PROTOCOL);
}

static void a_layer_may_cut_whenever_it_is_told_something(void **state)
{
    static const char *const heards[] = {"dc", "ec", "tc", "Dc"};

    (void)state;
    layer.act = cut_now;
    for (int what = 0; what < 4; what++) {
        struct client client = client_open();
        struct conn *conn = stage_conn();
        struct buf expected = {0};

        switch (what) {
        case 0:
            client_push(&client, STR("x"));
            break;
        case 1:
            shutdown(client.fd, SHUT_WR);
            break;
        case 2:
            conn_deadline(conn, 10);
            stage_pass(100);
            break;
        default:
            send_many(conn, 1, stage.config.max_queue + 1, &expected);
            assert_true(conn_is_full(conn));
            break;
        }
        for (int i = 0; i < STAGE_PATIENCE && stage_has(conn); i++) {
            stage_turn();
            client_look(&client);
        }
        assert_false(stage_has(conn));
        assert_heard(heards[what]);
        buf_finish(&expected);
        client_close(&client);
    }
}

static void a_peer_that_is_gone_is_noticed_by_reading_and_by_writing(void **state)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    (void)state;
    for (int writing = 0; writing < 2; writing++) {
        struct client client = client_open();
        struct conn *conn = stage_conn();
        struct buf expected = {0};

        if (writing) {
            conn_pause(conn, true);
            send_many(conn, 400, 65536, &expected);
            stage_turn();
        }
        setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        client_close(&client); /* a reset */
        stage_wait_gone(conn);
        assert_heard("c");
        assert_int_equal(layer.reason, REASON_PEER_LOST);
        buf_finish(&expected);
    }
}

static void a_write_that_fails_ends_the_connection(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();
    struct buf expected = {0};

    (void)state;
    send_many(conn, 3, 100, &expected);
    kernel.error = UV_ECONNRESET;
    stage_turn();
    stage_turn();
    assert_false(stage_has(conn));
    assert_int_equal(layer.reason, REASON_PEER_LOST);
    buf_finish(&expected);
    client_close(&client);
}

static struct conn *other;

static void end_the_other(struct conn *conn)
{
    struct msg *msg = msg_of(10, 0);

    (void)conn;
    conn_send_anyway(other, msg); /* wants to be flushed ... */
    conn_cut(other, REASON_DISCONNECTED);
    msg_unref(msg);
}

static void a_connection_cut_while_it_waits_to_be_flushed_is_forgotten(void **state)
{
    struct client first = client_open();
    struct client second;
    struct conn *conn;

    (void)state;
    other = stage_conn();
    second = client_open();
    conn = stage_conn();
    layer.act = end_the_other;
    client_push(&second, STR("x"));
    for (int i = 0; i < STAGE_PATIENCE && stage_has(other); i++) {
        uv_run(&stage.loop, UV_RUN_NOWAIT); /* ... and dies before the flush */
    }
    assert_null(stage.net->dirty);
    net_flush(stage.net);
    assert_true(stage_has(conn));
    assert_int_equal(layer.closed, 1);
    client_close(&first);
    client_close(&second);
}

/* ---- time ---- */

static void there_is_one_deadline_and_the_last_one_counts(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();

    (void)state;
    conn_deadline(conn, 1000);
    conn_deadline(conn, 5000);
    stage_pass(4990);
    assert_heard("");
    stage_pass(60);
    assert_heard("t");
    stage_pass(20000);
    assert_heard(""); /* until it is set again */
    conn_deadline(conn, 10);
    conn_cut(conn, REASON_LEFT);
    assert_int_equal(stage.net->wheel.count, 0);
    stage_pass(100);
    assert_heard("c");
    client_close(&client);
}

/* The layer hears of a cut later than others may ask it for something. */
static void a_connection_that_ends_keeps_the_time_of_its_end(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();

    (void)state;
    conn_end(conn, REASON_LEFT);
    stage_turn();
    conn_deadline(conn, 100000);
    stage_pass(LINGER_PATIENCE_MS);
    assert_heard("c");
    client_close(&client);
    client = client_open();
    conn = stage_conn();
    conn_cut(conn, REASON_LEFT);
    conn_deadline(conn, 10); /* its memory goes before that */
    assert_int_equal(stage.net->wheel.count, 0);
    stage_pass(100);
    assert_heard("c");
    client_close(&client);
}

/* ---- many ---- */

static unsigned count_heard(char what)
{
    unsigned count = 0;

    for (const char *at = layer.heard; *at != '\0'; at++) {
        count += *at == what;
    }
    return count;
}

static void a_drain_spreads_the_ends_over_its_time(void **state)
{
    enum {
        CLIENTS = 40
    };
    static struct client clients[CLIENTS];

    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open();
    }
    net_drain(stage.net, 2000);
    for (int quarter = 1; quarter <= 4; quarter++) {
        stage_pass(500);
        assert_in_range(count_heard('r'), quarter * 10 - 2, quarter * 10 + 2);
    }
    stage_pass(50);
    assert_int_equal(count_heard('r'), CLIENTS); /* everybody was told, once */
    for (int i = 0; i < CLIENTS; i++) {
        client_close(&clients[i]);
    }
}

static void a_drain_without_time_ends_everybody_at_once(void **state)
{
    struct client clients[3] = {client_open(), client_open(), client_open()};

    (void)state;
    net_drain(stage.net, 0);
    stage_pass(50);
    assert_heard("rrr");
    for (int i = 0; i < 3; i++) {
        client_close(&clients[i]);
    }
}

static const struct conn_layer stubborn = {.restart = on_eof, .closed = on_closed};

static void who_does_not_go_after_the_drain_is_cut(void **state)
{
    struct client client = client_open();
    struct conn *conn = stage_conn();

    (void)state;
    conn->layer = &stubborn;
    net_drain(stage.net, 100);
    stage_pass(2000);
    assert_true(stage_has(conn));
    stage_pass(300);
    assert_false(stage_has(conn));
    assert_int_equal(layer.reason, REASON_RESTART);
    client_close(&client);
}

static void closing_the_net_cuts_everybody(void **state)
{
    struct client clients[3] = {client_open(), client_open(), client_open()};
    struct buf expected = {0};

    (void)state;
    send_many(stage_conn(), 400, 65536, &expected);
    stage_turn();
    conn_end(stage_conn()->next, REASON_LEFT);
    for (int i = 0; i < 3; i++) { /* teardown closes the net, and sees that nobody is left */
        client_close(&clients[i]);
    }
    buf_finish(&expected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_come_in_as_they_were_sent),
        TEST(the_peers_address_is_known),
        TEST(a_paused_connection_is_not_read),
        TEST(pausing_while_being_told_stops_the_very_next_read),
        TEST(what_a_turn_says_leaves_in_one_write_at_its_end),
        TEST(any_number_of_messages_arrives_whole_and_in_order),
        TEST(however_little_the_kernel_takes_the_bytes_are_the_same),
        TEST(a_queue_that_moves_and_grows_keeps_its_order),
        TEST(a_peer_that_reads_slowly_gets_everything),
        TEST(a_shared_message_is_let_go_by_everybody),
        TEST(a_full_queue_takes_no_more_and_says_when_it_is_empty),
        TEST(a_message_larger_than_the_queue_goes_alone),
        TEST(trimming_keeps_what_is_on_its_way),
        TEST(spare_queues_are_used_again),
        TEST(the_peers_end_is_told_once),
        TEST(the_last_words_arrive_before_the_end),
        TEST(a_peer_that_never_closes_is_cut_after_two_seconds),
        TEST(our_fin_waits_for_the_peers_farewell),
        TEST(without_a_farewell_it_waits_a_second),
        TEST(a_peer_may_close_without_a_farewell),
        TEST(a_peer_that_never_reads_is_cut_after_the_time_of_a_request),
        TEST(what_comes_after_the_end_is_thrown_away_but_not_for_ever),
        TEST(a_paused_connection_that_ends_is_read_again),
        TEST(a_cut_is_at_once_and_counts_once),
        TEST(a_layer_may_cut_whenever_it_is_told_something),
        TEST(a_peer_that_is_gone_is_noticed_by_reading_and_by_writing),
        TEST(a_write_that_fails_ends_the_connection),
        TEST(a_connection_cut_while_it_waits_to_be_flushed_is_forgotten),
        TEST(there_is_one_deadline_and_the_last_one_counts),
        TEST(a_connection_that_ends_keeps_the_time_of_its_end),
        TEST(a_drain_spreads_the_ends_over_its_time),
        TEST(a_drain_without_time_ends_everybody_at_once),
        TEST(who_does_not_go_after_the_drain_is_cut),
        TEST(closing_the_net_cuts_everybody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
