/* HTTP: the same answers however the bytes are cut, time, and how connections end. */
#include "test/unit/http_stage.h"

/* ---- answers ---- */

static void a_request_is_answered_and_the_connection_stays(void **state)
{
    struct client client = client_open();

    (void)state;
    for (int i = 0; i < 3; i++) {
        client_push(&client, STR(GET_HEALTH));
        assert_answers(&client, OK);
    }
    client_hears_nothing(&client);
    client_close(&client);
}

static void who_asks_for_the_end_gets_it(void **state)
{
    static const char *const requests[] = {
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET_HEALTH,
        "GET /healthz HTTP/1.0\r\n\r\n" GET_HEALTH,
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct client client = client_open();

        client_push(&client, str_of(requests[i]));
        assert_answers(&client, OK_CLOSE);
        client_wait_end(&client);
        client_close(&client);
    }
}

static void a_head_request_is_answered_without_the_body(void **state)
{
    struct client client = client_open();

    (void)state;
    client_push(&client, STR("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n" GET_HEALTH));
    assert_answers(&client, OK_HEAD "\r\n" OK);
    client_close(&client);
}

static void refusals_are_json_and_keep_the_connection(void **state)
{
    static const struct {
        const char *request, *status, *extra, *body;
    } rows[] = {
        {"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found", "",
         "{\"error\":\"not_found\",\"message\":\"there is nothing here\"}"},
        {"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
         "405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n",
         "{\"error\":\"method_not_allowed\",\"message\":\"this path does not know that "
         "method\"}"},
        {"GET /fake HTTP/1.1\r\nHost: a\r\n\r\n", "426 Upgrade Required",
         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
         "{\"error\":\"upgrade_required\",\"message\":\"only WebSocket version 13 is "
         "spoken\"}"},
    };
    struct client client = client_open();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[1024];

        snprintf(expected, sizeof(expected),
                 "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                 "X-Content-Type-Options: nosniff\r\nContent-Length: %zu\r\n%s\r\n%s",
                 rows[i].status, strlen(rows[i].body), rows[i].extra, rows[i].body);
        client_push(&client, str_of(rows[i].request));
        assert_answers(&client, expected);
    }
    client_push(&client, STR(GET_HEALTH));
    assert_answers(&client, OK);
    client_close(&client);
}

static void an_upgrade_while_redis_is_away_is_503(void **state)
{
    static const struct str request = STR_OF(
        "GET /fake HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    struct client client = client_open();

    (void)state;
    client_push(&client, request);
    client_wait(&client, 200);
    assert_true(str_starts(buf_str(&client.got), STR("HTTP/1.1 503 ")));
    assert_non_null(strstr(buf_text(&client.got), "\r\nRetry-After: 1\r\n"));
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_UNAVAILABLE], 1);
    client_hears_nothing(&client); /* a refused upgrade is a request like any other */
    client_close(&client);
}

/* ---- cutting ---- */

static const struct {
    const char *request, *answers;
} examples[] = {
    {GET_HEALTH, OK},
    {"\r\n\r\nGET /healthz?a=b&c HTTP/1.1\r\nhOST:a\r\nX: \t y \r\nEmpty:\r\n\r\n", OK},
    {"GET http://host/healthz?q HTTP/1.1\r\nHost: a\r\n\r\n", OK},
    {"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /" GET_HEALTH, OK OK},
    {"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3;x=\"y\"\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n" GET_HEALTH,
     OK OK},
    {"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     "0\r\nX-Trailer: 1\r\nHost: b\r\n\r\n" GET_HEALTH,
     OK OK},
    {GET_HEALTH GET_HEALTH "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n" GET_HEALTH,
     OK OK OK_HEAD "\r\n" OK},
    {"OPTIONS /healthz HTTP/1.1\r\nHost: a\r\n\r\n" GET_HEALTH,
     "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, OPTIONS\r\n\r\n" OK},
    {"GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
     "ab" GET_HEALTH,
     "HTTP/1.1 100 Continue\r\n\r\n" OK OK},
    {"GET /healthz HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: "
     "upgrade\r\n\r\n" GET_HEALTH,
     OK OK},
};

static void every_cut_gives_the_same_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct str request = str_of(examples[i].request);

        for (size_t cut = 0; cut <= request.len; cut++) {
            struct client client = client_open();
            const struct conn *conn = stage_conn();

            client_send(&client, conn, str_from(request.at, cut));
            client_send(&client, conn, str_skip(request, cut));
            assert_answers(&client, examples[i].answers);
            client_close(&client);
        }
    }
}

static void requests_may_come_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct client client = client_open();

        for (const char *at = examples[i].request; *at != '\0'; at++) {
            client_send(&client, stage_conn(), str_from(at, 1));
        }
        assert_answers(&client, examples[i].answers);
        client_hears_nothing(&client);
        client_close(&client);
    }
}

static void a_long_pipeline_is_answered_in_order(void **state)
{
    struct client client = client_open();
    struct buf requests = {0}, answers = {0};

    (void)state;
    for (int i = 0; i < 2000; i++) {
        buf_add_text(&requests,
                     i % 3 == 0 ? "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n" : GET_HEALTH);
        buf_add_text(&answers, i % 3 == 0 ? OK_HEAD "\r\n" : OK);
    }
    client_push(&client, buf_str(&requests));
    assert_answers(&client, buf_text(&answers));
    buf_finish(&requests);
    buf_finish(&answers);
    client_close(&client);
}

/* ---- time ---- */

static void a_silent_connection_is_closed_without_a_word(void **state)
{
    struct client client = client_open();
    const struct conn *conn = stage_conn();

    (void)state;
    stage_pass(9900);
    client_hears_nothing(&client);
    stage_pass(200);
    client_wait_end(&client);
    assert_int_equal(client.got.len, 0);
    client_close(&client);
    stage_wait_gone(conn);
}

static void a_request_has_its_time_however_it_drips(void **state)
{
    struct client client = client_open();
    const struct conn *conn = stage_conn();

    (void)state;
    client_send(&client, conn, STR("GET / HTTP/1.1\r\nA: "));
    for (int i = 0; i < 99; i++) {
        client_send(&client, conn, STR("b"));
        stage_pass(100);
        assert_int_equal(client_look(&client), false);
    }
    stage_pass(200);
    client_wait_end(&client);
    assert_true(str_starts(buf_str(&client.got), STR("HTTP/1.1 408 ")));
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_TIMEOUT], 1);
    client_close(&client);
}

static void each_request_has_its_own_time(void **state)
{
    struct client client = client_open();
    const struct conn *conn = stage_conn();

    (void)state;
    for (int i = 0; i < 3; i++) {
        client_send(&client, conn, STR("GET /healthz HTTP/1.1\r\n"));
        stage_pass(8000);
        client_send(&client, conn, STR("Host: a\r\n\r\n"));
        assert_answers(&client, OK);
        stage_pass(8000);
    }
    stage_pass(2100); /* ten seconds since the last answer */
    client_wait_end(&client);
    assert_int_equal(client.got.len, 0);
    client_close(&client);
}

/* ---- ends ---- */

static void who_only_half_closes_gets_the_answer(void **state)
{
    struct client client = client_open();

    (void)state;
    client_push(&client, STR(GET_HEALTH));
    shutdown(client.fd, SHUT_WR);
    client_wait_end(&client);
    assert_int_equal(answers_in(buf_text(&client.got)), 1);
    client_close(&client);
}

static void who_leaves_in_mid_request_gets_none(void **state)
{
    struct client client = client_open();

    (void)state;
    client_push(&client, STR("GET /healthz HTTP/1.1\r\n"));
    shutdown(client.fd, SHUT_WR);
    client_wait_end(&client);
    assert_int_equal(client.got.len, 0);
    client_close(&client);
}

static void a_draining_process_answers_and_closes(void **state)
{
    struct client idle = client_open(), busy = client_open();
    const struct conn *conn = stage_conn();

    (void)state;
    client_send(&busy, conn, STR("GET /healthz HTTP/1.1\r\n"));
    net_drain(stage.net, 0);
    stage_pass(50);
    client_wait_end(&idle);
    assert_int_equal(idle.got.len, 0);
    client_send(&busy, conn, STR("Host: a\r\n\r\n"));
    assert_answers(&busy, OK_CLOSE);
    client_wait_end(&busy);
    client_close(&idle);
    client_close(&busy);
}

/* The kernel has shaken hands with them already. */
static void who_stands_at_the_door_when_it_closes_is_answered(void **state)
{
    enum {
        CLIENTS = 5
    };
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(stage.port)};
    struct client clients[CLIENTS];

    (void)state;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
        assert_int_equal(connect(clients[i].fd, (struct sockaddr *)&address, sizeof(address)),
                         0);
        assert_int_equal(fcntl(clients[i].fd, F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(send(clients[i].fd, GET_HEALTH, sizeof(GET_HEALTH) - 1, 0),
                         sizeof(GET_HEALTH) - 1);
    }
    listen_close(door);
    door = NULL;
    net_drain(stage.net, 0);
    for (int i = 0; i < CLIENTS; i++) {
        assert_answers(&clients[i], OK_CLOSE);
        client_wait_end(&clients[i]);
        client_close(&clients[i]);
    }
}

static void one_connection_too_many_is_told_so(void **state)
{
    struct client first, second;

    (void)state;
    stage.config.max_connections = 1;
    first = client_open();
    second = client_open();
    client_wait_end(&second);
    assert_true(str_starts(buf_str(&second.got), STR("HTTP/1.1 503 ")));
    assert_non_null(strstr(buf_text(&second.got), "\r\nRetry-After: 1\r\n"));
    assert_int_equal(stage.metrics.rejected[METRICS_REJECTION_CONNECTIONS], 1);
    client_push(&first, STR(GET_HEALTH));
    assert_answers(&first, OK);
    client_close(&second);
    stage_wait_gone(stage_conn());
    client_close(&first);
    stage_wait_gone(stage_conn());
    first = client_open(); /* there is room again */
    client_push(&first, STR(GET_HEALTH));
    assert_answers(&first, OK);
    client_close(&first);
}

static void a_peer_that_does_not_read_its_answers_is_read_from_no_more(void **state)
{
    enum {
        REQUESTS = 60000
    };
    struct client client = client_open();
    const struct conn *conn = stage_conn();
    struct buf requests = {0};
    struct str rest;
    uint64_t before;
    int stuck = 0;

    (void)state;
    for (int i = 0; i < REQUESTS; i++) {
        buf_add_text(&requests, GET_HEALTH);
    }
    rest = buf_str(&requests);
    while (stuck < 100) {
        ssize_t count = rest.len > 0 ? send(client.fd, rest.at, rest.len, MSG_NOSIGNAL) : 0;

        rest = str_skip(rest, count > 0 ? (size_t)count : 0);
        before = conn->bytes_in;
        stage_turn();
        stuck = count <= 0 && conn->bytes_in == before ? stuck + 1 : 0;
    }
    assert_true(conn->paused); /* what it wants to say waits in the kernel */
    assert_in_range(conn->bytes_in, 1, requests.len - 1);
    before = conn->bytes_in;
    stage_pass(9000);
    assert_int_equal(conn->bytes_in, before);
    while (client.got.len < REQUESTS * (sizeof(OK) - 1 + DATE_LEN)) { /* now it reads */
        ssize_t count = rest.len > 0 ? send(client.fd, rest.at, rest.len, MSG_NOSIGNAL) : 0;

        rest = str_skip(rest, count > 0 ? (size_t)count : 0);
        client_wait(&client, client.got.len + 1);
    }
    client_hears_nothing(&client);
    buf_finish(&requests);
    client_close(&client);
}

static void a_client_may_vanish_at_any_byte(void **state)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    struct str request = str_of(examples[4].request);

    (void)state;
    for (size_t cut = 0; cut <= request.len; cut++) {
        struct client client = client_open();
        const struct conn *conn = stage_conn();

        client_push(&client, str_from(request.at, cut));
        setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        client_close(&client);
        stage_wait_gone(conn);
    }
    assert_int_equal(stage.net->conn_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_and_the_connection_stays),
        TEST(who_asks_for_the_end_gets_it),
        TEST(a_head_request_is_answered_without_the_body),
        TEST(refusals_are_json_and_keep_the_connection),
        TEST(an_upgrade_while_redis_is_away_is_503),
        TEST(every_cut_gives_the_same_answers),
        TEST(requests_may_come_byte_by_byte),
        TEST(a_long_pipeline_is_answered_in_order),
        TEST(a_silent_connection_is_closed_without_a_word),
        TEST(a_request_has_its_time_however_it_drips),
        TEST(each_request_has_its_own_time),
        TEST(who_only_half_closes_gets_the_answer),
        TEST(who_leaves_in_mid_request_gets_none),
        TEST(a_draining_process_answers_and_closes),
        TEST(who_stands_at_the_door_when_it_closes_is_answered),
        TEST(one_connection_too_many_is_told_so),
        TEST(a_peer_that_does_not_read_its_answers_is_read_from_no_more),
        TEST(a_client_may_vanish_at_any_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
