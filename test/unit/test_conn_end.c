/* How connections end: by whom, after what was said last, in which time, and once. */
#include "test/unit/conn_stage.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
