/* Endpoints over HTTP: who may ask, in which order it is refused, what pages of other origins
 * hear, and that an exchange ends once. */
#include "test/unit/unit.h"

#include <signal.h>
#include <stdio.h>

#include "common/json.h"
#include "common/mem.h"
#include "test/unit/door_stage.h"
#include "test/unit/token.h"

#define SECRET "secret"

/* ---- the endpoints ---- */

static struct exchange *waiting; /* for the test to answer */
static unsigned ended;

static void serve_echo(struct exchange *exchange)
{
    struct buf json = {0};

    buf_add_text(&json, "{\"param\":");
    json_add_text(&json, exchange->asked.param);
    buf_add_text(&json, ",\"user\":");
    json_add_text(&json, exchange_user(exchange));
    buf_add_text(&json, ",\"once\":");
    json_add_text(&json, exchange->asked.key);
    buf_add_text(&json, ",\"body\":");
    buf_add(&json, exchange->endpoint->method[0] == 'P' ? exchange->asked.text : STR("null"));
    buf_add_text(&json, "}");
    exchange_answer(exchange, 200, buf_str(&json));
    buf_finish(&json);
}

static void count_end(struct exchange *exchange)
{
    ended++;
    if (waiting == exchange) {
        waiting = NULL;
    }
}

static void serve_later(struct exchange *exchange)
{
    exchange->state = mem_alloc(1);
    exchange->end = count_end;
    waiting = exchange;
}

static const struct endpoint endpoints[] = {
    {"GET", "/api/things/*", ENDPOINT_ANYONE, "chat", false, serve_echo},
    {"POST", "/api/things/*", ENDPOINT_USER, NULL, false, serve_echo},
    {"POST", "/api/closed", ENDPOINT_ANYONE, "player", false, serve_echo},
    {"POST", "/api/server", ENDPOINT_SERVER, NULL, false, serve_echo},
    {"POST", "/api/batch", ENDPOINT_SERVER, NULL, true, serve_echo},
    {"GET", "/api/later", ENDPOINT_ANYONE, "chat", false, serve_later},
    {0},
};

static void never_open(struct session *session, const struct request *request)
{
    (void)session;
    (void)request;
    fail_msg("opened");
}

static const struct proto engine = {.name = "engine",
                                    .paths = (const char *const[]){"/engine/", NULL},
                                    .engine = true,
                                    .size = sizeof(struct session),
                                    .open = never_open};
static const struct proto *const protos[] = {&engine, NULL};

/* ---- the gateway ---- */

static int setup(void **state)
{
    static const struct url nowhere = {0};

    (void)state;
    stage_endpoints = endpoints;
    stage_setup(protos);
    stage.services.store =
        store_create(&stage.loop, &nowhere, NULL, &stage.metrics, NULL, NULL);
    stage.config.jwt_secret = SECRET;
    stage.config.anonymous = (struct config_list){{"chat"}, 1};
    stage.config.api_keys = (struct config_list){{"first key", "k2"}, 2};
    stage.config.origins = (struct config_list){{"https://good.example"}, 1};
    stage.config.max_message = 70000; /* above what is read of refused bodies */
    stage.config.max_batch = 200000;
    stage.services.auth = auth_create(&stage.config, (char[128]){0}, 128);
    open_door();
    waiting = NULL;
    ended = 0;
    return 0;
}

static int teardown(void **state)
{
    int result;

    (void)state;
    listen_close(door);
    result = stage_teardown();
    store_destroy(stage.services.store);
    auth_destroy(stage.services.auth);
    return result;
}

/* ---- asking ---- */

enum {
    FITS = 1024,
    TOO_LARGE = 70001,
    BATCH = 200000
};

/* A whole request: `lines` are further headers with a %s for the token; `length` of a body that
 * is filled up with blanks, which JSON does not mind. */
static void write_request(struct buf *to, const char *line, const char *lines, const char *body,
                          size_t length)
{
    struct buf token =
        token_sign("{\"alg\":\"HS256\"}", "{\"sub\":\"42\"}", EVP_sha256(), NULL, STR(SECRET));
    const char *hole = strstr(lines, "%s");

    buf_addf(to, "%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", line);
    buf_add(to, str_from(lines, hole != NULL ? (size_t)(hole - lines) : strlen(lines)));
    if (hole != NULL) {
        buf_add(to, buf_str(&token));
        buf_add_text(to, hole + 2);
    }
    buf_addf(to, "Content-Length: %zu\r\n\r\n%s", length, body);
    for (size_t i = strlen(body); i < length; i++) {
        buf_add_char(to, ' ');
    }
    buf_finish(&token);
}

/* The whole answer; the caller finishes it. */
static struct buf ask(struct str request)
{
    struct client client = client_open();
    const struct conn *conn = stage_conn();
    struct buf got;

    client_push(&client, request);
    client_wait_end(&client);
    got = client.got;
    client.got = (struct buf){0};
    client_close(&client);
    stage_wait_gone(conn);
    buf_text(&got);
    return got;
}

static struct buf ask_for(const char *line, const char *lines, const char *body, size_t length)
{
    struct buf request = {0}, got;

    write_request(&request, line, lines, body, length);
    got = ask(buf_str(&request));
    buf_finish(&request);
    return got;
}

static void assert_has(const struct buf *got, const char *part)
{
    if (strstr(got->at, part) == NULL) {
        fail_msg("got:\n%s\nwithout:\n%s", got->at, part);
    }
}

static void assert_lacks(const struct buf *got, const char *part)
{
    if (strstr(got->at, part) != NULL) {
        fail_msg("got:\n%s\nwith:\n%s", got->at, part);
    }
}

#define TOKEN    "Authorization: Bearer %s\r\n"
#define BAD      "Authorization: Bearer nothing\r\n"
#define KEY      "X-API-Key: k2\r\n"
#define GOOD     "Origin: https://good.example\r\n"
#define EVIL     "Origin: https://evil.example\r\n"
#define EXPECT   "Expect: 100-continue\r\n"
#define K_32     "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define ONCE_128 "Idempotency-Key: " K_32 K_32 K_32 K_32

struct example {
    const char *line, *lines, *body;
    size_t length; /* 0: the body's */
    const char *status, *part;
};

static void assert_examples(const struct example *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf got = ask_for(rows[i].line, rows[i].lines, rows[i].body,
                                 rows[i].length > 0 ? rows[i].length : strlen(rows[i].body));
        char status[64];

        snprintf(status, sizeof(status), "HTTP/1.1 %s ", rows[i].status);
        if (!str_starts(buf_str(&got), str_of(status))) {
            fail_msg("%s: got:\n%s\ninstead of %s", rows[i].line, got.at, status);
        }
        assert_has(&got, rows[i].part);
        buf_finish(&got);
    }
}

static void whoever_may_ask_is_answered(void **state)
{
    static const struct example rows[] = {
        {"GET /api/things/a", "", "", 0, "200",
         "{\"param\":\"a\",\"user\":\"\",\"once\":\"\",\"body\":null}"},
        {"GET /api/things/a", TOKEN, "", 0, "200", "\"user\":\"42\""},
        {"GET /api/things/a%2Fb%20%C3%A4", "", "", 0, "200", "\"param\":\"a/b \xc3\xa4\""},
        {"GET /api/things/a+b", "", "", 0, "200", "\"param\":\"a+b\""},
        {"GET /api/things/a", "", "{no json", 0, "200", "\"body\":null"},
        {"POST /api/things/a", TOKEN, "", 0, "200", "\"body\":{}"},
        {"POST /api/things/a", TOKEN, "{\"a\": 1}", 0, "200", "\"body\":{\"a\": 1}"},
        {"POST /api/things/a", TOKEN EXPECT, "{}", 0, "100", "\"user\":\"42\""},
        {"POST /api/server", KEY, "{}", 0, "200", "\"user\":\"\""},
        {"POST /api/server", "X-API-Key: first key\r\n", "{}", 0, "200", "\"user\":\"\""},
        {"POST /api/server", "Authorization: bearer  k2\r\n", "{}", 0, "200", "\"user\""},
        {"POST /api/batch", KEY, "{}", BATCH, "200", "\"body\":{}"},
        {"POST /api/server", KEY ONCE_128 "\r\n", "{}", 0, "200", "\"once\":\"" K_32},
        {"HEAD /api/things/a", "", "", 0, "200", "Content-Length: 45\r\n"},
        {"OPTIONS /api/things/a", "", "", 0, "204", "Allow: GET, HEAD, POST, OPTIONS\r\n"},
        {"OPTIONS /api/server", "", "", 0, "204", "Allow: POST, OPTIONS\r\n"},
        {"OPTIONS /engine/", "", "", 0, "204", "Allow: GET, POST, OPTIONS\r\n"},
    };

    (void)state;
    assert_examples(rows, sizeof(rows) / sizeof(rows[0]));
    assert_int_equal(stage.metrics.messages_received[METRICS_PROTOCOL_API], 14);
    assert_int_equal(stage.metrics.messages_sent[METRICS_PROTOCOL_API], 14);
}

/* 404, 405, 401 or 403, 413, 400. */
static void refusals_come_in_their_order(void **state)
{
    static const struct example rows[] = {
        {"PUT /api/nothing", BAD EVIL, "{no json", TOO_LARGE, "404", "\"not_found\""},
        {"GET /api/things/", "", "", 0, "404", "\"not_found\""},
        {"GET /api/things/a/b", "", "", 0, "404", "\"not_found\""},
        {"PUT /api/things/%zz", BAD EVIL, "{no json", TOO_LARGE, "405",
         "Allow: GET, HEAD, POST, OPTIONS\r\n"},
        {"GET /api/server", BAD, "", 0, "405", "Allow: POST, OPTIONS\r\n"},
        {"PATCH /engine/", "", "", 0, "400", "{\"code\":0,"},
        {"POST /api/things/a", TOKEN EVIL, "{no json", TOO_LARGE, "403", "this origin"},
        {"POST /api/things/a", TOKEN EVIL, "{}", 0, "403", "this origin is not allowed"},
        {"OPTIONS /api/things/a", EVIL, "", 0, "403", "this origin is not allowed"},
        {"GET /engine/", EVIL, "", 0, "403", "{\"code\":4,"},
        {"POST /api/things/a", "", "{no json", TOO_LARGE, "401", "a token is needed"},
        {"POST /api/things/a", BAD, "{no json", TOO_LARGE, "401", "\"unauthorized\""},
        {"POST /api/things/a", BAD, "{no json", FITS, "401", "WWW-Authenticate: Bearer\r\n"},
        {"POST /api/things/a", BAD EXPECT, "{}", 0, "401", "\"unauthorized\""},
        {"POST /api/things/a", KEY, "{}", 0, "401", "a token is needed"},
        {"GET /api/things/a", BAD, "", 0, "401", "\"unauthorized\""},
        {"POST /api/closed", "", "{}", 0, "401", "a token is needed"},
        {"POST /api/server", "", "{no json", TOO_LARGE, "401", "an API key is needed"},
        {"POST /api/server", TOKEN, "{}", 0, "401", "the API key is not known"},
        {"POST /api/server", "X-API-Key: first\r\n", "{}", 0, "401", "not known"},
        {"POST /api/server", "X-API-Key: \r\n", "{}", 0, "401", "not known"},
        {"POST /api/server", "Authorization: Basic k2\r\n", "{}", 0, "401", "is needed"},
        {"POST /api/things/%zz", TOKEN, "{no json", TOO_LARGE, "413", "\"too_large\""},
        {"POST /api/things/a", TOKEN EXPECT, "{}", TOO_LARGE, "413", "\"too_large\""},
        {"POST /api/batch", KEY, "{}", BATCH + 1, "413", "\"too_large\""},
        {"POST /api/things/%zz", TOKEN, "{no json", 0, "400", "the path has a bad escape"},
        {"POST /api/server", "Idempotency-Key: a b\r\n", "{no json", 0, "401", "is needed"},
        {"POST /api/server", KEY "Idempotency-Key: k\r\n", "{}", TOO_LARGE, "413", "too_large"},
        {"POST /api/server", KEY "Idempotency-Key: a b\r\n", "{no json", 0, "400", "1 to 128"},
        {"POST /api/server", KEY "idempotency-key:\r\n", "{}", 0, "400", "1 to 128"},
        {"POST /api/server", KEY "Idempotency-Key: \x7f\r\n", "{}", 0, "400", "malformed"},
        {"POST /api/server", KEY "Idempotency-Key: \xc3\xa4\r\n", "{}", 0, "400", "1 to 128"},
        {"POST /api/server", KEY ONCE_128 "k\r\n", "{}", 0, "400", "1 to 128"},
        {"POST /api/server", KEY ONCE_128 "\r\n" ONCE_128 "\r\n", "{}", 0, "400", "1 to 128"},
        {"POST /api/things/a%", TOKEN, "{}", 0, "400", "the path has a bad escape"},
        {"POST /api/things/a", TOKEN, "{no json", 0, "400", "\"bad_request\""},
        {"POST /api/things/a", TOKEN, "[1]", 0, "400", "the body must be a JSON object"},
        {"POST /api/things/a", TOKEN, " ", 0, "400", "\"bad_request\""},
    };

    (void)state;
    assert_examples(rows, sizeof(rows) / sizeof(rows[0]));
}

static void without_a_key_the_server_api_is_off(void **state)
{
    static const struct example rows[] = {
        {"POST /api/server", KEY, "{}", 0, "403", "it needs --api-key"},
        {"POST /api/server", "", "{}", TOO_LARGE, "403", "it needs --api-key"},
    };

    (void)state;
    stage.config.api_keys.count = 0;
    assert_examples(rows, sizeof(rows) / sizeof(rows[0]));
}

static void engine_io_hears_413_without_a_word(void **state)
{
    struct buf got = ask_for("POST /engine/", "", "", BATCH + 1);

    (void)state;
    assert_has(&got, "HTTP/1.1 413 ");
    assert_has(&got, "Content-Length: 0\r\n");
    assert_lacks(&got, "Content-Type");
    buf_finish(&got);
}

static void a_chunked_body_is_counted_as_it_comes(void **state)
{
    struct buf request = {0}, got;

    (void)state;
    buf_add_text(&request, "POST /api/things/a HTTP/1.1\r\nHost: a\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n11171\r\n");
    for (size_t i = 0; i < TOO_LARGE; i++) {
        buf_add_char(&request, 'x');
    }
    buf_add_text(&request, "\r\n0\r\n\r\n");
    got = ask(buf_str(&request));
    assert_has(&got, "HTTP/1.1 401 ");
    buf_finish(&got);
    buf_finish(&request);
}

/* ---- pages of other origins ---- */

static void a_page_of_an_allowed_origin_may_read_every_answer(void **state)
{
    static const struct {
        const char *line, *lines, *body;
        size_t length;
    } rows[] = {
        {"GET /api/things/a", GOOD, "", 0},
        {"POST /api/things/a", GOOD, "{}", 2},
        {"POST /api/things/a", GOOD TOKEN, "", TOO_LARGE},
        {"PUT /api/things/a", GOOD, "", 0},
        {"OPTIONS /api/things/a", GOOD, "", 0},
        {"GET /engine/", GOOD, "", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf got = ask_for(rows[i].line, rows[i].lines, rows[i].body, rows[i].length);

        assert_has(&got, "\r\nVary: Origin\r\n");
        assert_has(&got, "\r\nAccess-Control-Allow-Origin: https://good.example\r\n");
        assert_has(&got, "\r\nAccess-Control-Allow-Credentials: true\r\n");
        buf_finish(&got);
    }
}

static void other_pages_and_programs_hear_nothing_of_it(void **state)
{
    static const struct {
        const char *line, *lines;
        bool varies;
    } rows[] = {
        {"GET /api/things/a", EVIL, true},
        {"OPTIONS /api/things/a", EVIL "Access-Control-Request-Method: POST\r\n", true},
        {"GET /api/things/a", "", true},
        {"GET /engine/", EVIL, true},
        {"GET /healthz", GOOD, false},
        {"GET /nothing", GOOD, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf got = ask_for(rows[i].line, rows[i].lines, "", 0);

        assert_lacks(&got, "Access-Control-");
        if (rows[i].varies) {
            assert_has(&got, "\r\nVary: Origin\r\n");
        }
        buf_finish(&got);
    }
}

static void a_preflight_hears_methods_and_its_own_headers(void **state)
{
    struct buf got = ask_for("OPTIONS /api/things/a",
                             GOOD "Access-Control-Request-Method: POST\r\n"
                                  "Access-Control-Request-Headers: x-one, b\"d,,x two , "
                                  "Authorization\r\n",
                             "", 0);

    (void)state;
    assert_has(&got, "HTTP/1.1 204 ");
    assert_has(&got, "\r\nAccess-Control-Allow-Origin: https://good.example\r\n");
    assert_has(&got, "\r\nAccess-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n");
    assert_has(&got, "\r\nAccess-Control-Allow-Headers: x-one, Authorization\r\n");
    assert_has(&got, "\r\nAccess-Control-Max-Age: 600\r\n");
    buf_finish(&got);
    got = ask_for("OPTIONS /engine/", GOOD "Access-Control-Request-Method: POST\r\n", "", 0);
    assert_has(&got, "\r\nAccess-Control-Allow-Methods: GET, POST, OPTIONS\r\n");
    assert_lacks(&got, "Access-Control-Allow-Headers");
    buf_finish(&got);
}

static void the_headers_of_a_preflight_are_bounded(void **state)
{
    struct buf lines = {0}, got;
    const char *echoed;

    (void)state;
    buf_add_text(&lines, GOOD "Access-Control-Request-Method: POST\r\n"
                              "Access-Control-Request-Headers: a");
    for (int i = 0; i < 2000; i++) {
        buf_add_text(&lines, ",b");
    }
    buf_add_text(&lines, "\r\n");
    got = ask_for("OPTIONS /api/things/a", buf_text(&lines), "", 0);
    echoed = strstr(got.at, "Access-Control-Allow-Headers: ");
    assert_non_null(echoed);
    assert_in_range(strstr(echoed, "\r\n") - echoed, 900, 1100);
    buf_finish(&got);
    buf_finish(&lines);
}

/* ---- an exchange's end ---- */

#define LATER "GET /api/later HTTP/1.1\r\nHost: a\r\n\r\n"

static void wait_for_exchange(void)
{
    for (int i = 0; i < STAGE_PATIENCE && waiting == NULL; i++) {
        stage_turn();
        usleep(STAGE_WAIT_US);
    }
    assert_non_null(waiting);
}

static void an_answer_may_come_later_and_the_connection_goes_on(void **state)
{
    struct client client = client_open();

    (void)state;
    for (unsigned i = 1; i <= 2; i++) {
        client_push(&client, STR(LATER));
        wait_for_exchange();
        client_hears_nothing(&client);
        exchange_answer(waiting, 202, STR("{}"));
        client_wait(&client, 1);
        assert_true(str_starts(buf_str(&client.got), STR("HTTP/1.1 202 Accepted\r\n")));
        client_hears_nothing(&client);
        assert_int_equal(ended, i);
        buf_clear(&client.got);
    }
    client_close(&client);
}

static void who_closes_his_half_is_answered(void **state)
{
    struct client client = client_open();

    (void)state;
    client_push(&client, STR(LATER));
    shutdown(client.fd, SHUT_WR);
    wait_for_exchange();
    client_hears_nothing(&client);
    exchange_answer(waiting, 200, STR("{}"));
    client_wait_end(&client);
    assert_true(str_starts(buf_str(&client.got), STR("HTTP/1.1 200 ")));
    assert_int_equal(ended, 1);
    client_close(&client);
}

static void what_is_not_answered_in_time_is_503_and_forgotten(void **state)
{
    struct client client = client_open();

    (void)state;
    client_push(&client, STR(LATER));
    wait_for_exchange();
    stage_pass(stage.config.connect_timeout_ms + 1000);
    client_wait_end(&client);
    assert_true(str_starts(buf_str(&client.got), STR("HTTP/1.1 503 ")));
    assert_int_equal(ended, 1);
    assert_null(waiting);
    client_close(&client);
}

static void the_end_of_the_process_ends_what_waits(void **state)
{
    struct client client = client_open();

    (void)state;
    client_push(&client, STR(LATER));
    wait_for_exchange();
    conn_cut((struct conn *)stage_conn(), REASON_GOING_AWAY);
    client_wait_end(&client);
    stage_turn();
    assert_int_equal(ended, 1);
    client_close(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whoever_may_ask_is_answered),
        TEST(refusals_come_in_their_order),
        TEST(without_a_key_the_server_api_is_off),
        TEST(engine_io_hears_413_without_a_word),
        TEST(a_chunked_body_is_counted_as_it_comes),
        TEST(a_page_of_an_allowed_origin_may_read_every_answer),
        TEST(other_pages_and_programs_hear_nothing_of_it),
        TEST(a_preflight_hears_methods_and_its_own_headers),
        TEST(the_headers_of_a_preflight_are_bounded),
        TEST(an_answer_may_come_later_and_the_connection_goes_on),
        TEST(who_closes_his_half_is_answered),
        TEST(what_is_not_answered_in_time_is_503_and_forgotten),
        TEST(the_end_of_the_process_ends_what_waits),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
