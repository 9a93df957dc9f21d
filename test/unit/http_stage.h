/* Clients that talk HTTP to a gateway whose Redis is away. One include per test. */
#ifndef SEGUE_TEST_HTTP_STAGE_H
#define SEGUE_TEST_HTTP_STAGE_H

#include "test/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "test/unit/door_stage.h"

#define GET_HEALTH "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK_HEAD                                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"                           \
    "X-Content-Type-Options: nosniff\r\nContent-Length: 3\r\nCache-Control: no-store\r\n"
#define OK       OK_HEAD "\r\nok\n"
#define OK_CLOSE OK_HEAD "Connection: close\r\n\r\nok\n"

/* A literal with its length, also where only constants may stand. */
#define STR_OF(literal)                                                                        \
    {                                                                                          \
        (literal), sizeof(literal) - 1                                                         \
    }

enum {
    HEAD_MAX = 8192
};

/* A protocol that can be reached and is never opened: Redis is away. */
static inline void never_open(struct session *session, const struct request *request)
{
    (void)session;
    (void)request;
    fail_msg("opened");
}

static const struct proto fake_proto = {.name = "fake",
                                        .paths = (const char *const[]){"/fake", NULL},
                                        .size = sizeof(struct session),
                                        .open = never_open};
static const struct proto *const protos[] = {&fake_proto, NULL};

static inline int setup(void **state)
{
    static const struct url nowhere = {0};

    (void)state;
    stage_setup(protos);
    stage.services.store =
        store_create(&stage.loop, &nowhere, NULL, &stage.metrics, NULL, NULL);
    stage.config.jwt_secret = "secret";
    stage.config.anonymous = (struct config_list){{"fake"}, 1};
    stage.services.auth = auth_create(&stage.config, (char[128]){0}, 128);
    open_door();
    return 0;
}

static inline int teardown(void **state)
{
    int result;

    (void)state;
    listen_close(door);
    result = stage_teardown();
    store_destroy(stage.services.store);
    auth_destroy(stage.services.auth);
    return result;
}

/* ---- talking ---- */

/* What came, without the Date lines (of which there must be one per answer). */
static inline struct str without_dates(struct client *client)
{
    struct buf clean = {0};
    struct str rest = buf_str(&client->got), line;
    size_t answers = 0, dates = 0;

    while (rest.len > 0) {
        bool whole = str_cut(rest, '\n', &line, &rest);

        answers += str_starts(line, STR("HTTP/1.1 ")) && !str_starts(line, STR("HTTP/1.1 100"));
        if (str_starts(line, STR("Date: "))) {
            dates++;
            continue;
        }
        buf_add(&clean, line);
        if (whole) {
            buf_add_char(&clean, '\n');
        }
    }
    assert_int_equal(answers, dates);
    buf_finish(&client->got);
    client->got = clean;
    return buf_str(&client->got);
}

enum {
    DATE_LEN = 37 /* "Date: Sat, 21 Nov 2026 15:00:55 GMT\r\n" */
};

static inline size_t answers_in(const char *expected)
{
    size_t count = 0;

    for (const char *at = strstr(expected, "HTTP/1.1 "); at != NULL;
         at = strstr(at + 1, "HTTP/1.1 ")) {
        count += strncmp(at, "HTTP/1.1 100", 12) != 0;
    }
    return count;
}

/* Waits for exactly these answers. */
static inline void assert_answers(struct client *client, const char *expected)
{
    struct str got;

    client_wait(client, strlen(expected) + DATE_LEN * answers_in(expected));
    got = without_dates(client);
    if (!str_equal(got, str_of(expected))) {
        fail_msg("got:\n%.*s\ninstead of:\n%s", STR_ARG(got), expected);
    }
    buf_finish(&client->got);
}

/* The status of the one answer to a request. An answer that says so ends the connection, any
 * other leaves it open. */
static inline int status_of(struct str request)
{
    struct client client = client_open();
    const struct conn *conn = stage_conn();
    int status;

    client_push(&client, request);
    client_wait(&client, 12);
    for (int i = 0; i < STAGE_QUIET; i++) { /* the rest of it */
        stage_turn();
        client_look(&client);
    }
    status = atoi(client.got.at + 9);
    if (strstr(buf_text(&client.got), "\r\nConnection: close\r\n") != NULL) {
        client_wait_end(&client);
        assert_int_equal(answers_in(buf_text(&client.got)), 1);
    } else {
        client_hears_nothing(&client);
        assert_true(stage_has(conn));
    }
    client_close(&client);
    stage_wait_gone(conn);
    return status;
}

static inline struct str filled(struct buf *buf, const char *before, size_t count,
                                const char *after)
{
    buf_clear(buf);
    buf_add_text(buf, before);
    while (count-- > 0) {
        buf_add_char(buf, 'x');
    }
    buf_add_text(buf, after);
    return buf_str(buf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
