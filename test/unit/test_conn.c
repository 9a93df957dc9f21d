/* Connections: what is queued arrives whole and in order however the kernel takes it, queues
 * are bounded, and a drain ends them all. */
#include "test/unit/conn_stage.h"

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
        TEST(a_drain_spreads_the_ends_over_its_time),
        TEST(a_drain_without_time_ends_everybody_at_once),
        TEST(who_does_not_go_after_the_drain_is_cut),
        TEST(closing_the_net_cuts_everybody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
