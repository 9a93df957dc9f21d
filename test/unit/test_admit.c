/* Who may come in, as far as no one else is asked: origin, token, whether we serve at all; in
 * that order. */
#include "test/unit/unit.h"

#include <stdio.h>

#include "gateway/net/admit.h"
#include "test/unit/fake_redis.h"
#include "test/unit/token.h"

#define SECRET "secret"

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct net net;
    struct claims claims;
    const char *why;
} stage;

static const struct proto open_proto = {.name = "open"};
static const struct proto closed_proto = {.name = "closed"};

#include "test/unit/store_stage.h"

static int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.config.jwt_secret = SECRET;
    stage.config.anonymous = (struct config_list){{"open"}, 1};
    stage.config.origins = (struct config_list){{"https://good.test"}, 1};
    stage_begin();
    stage.services.auth = auth_create(&stage.config, (char[128]){0}, 128);
    stage.net = (struct net){.loop = &stage.loop, .services = &stage.services};
    return stage_connect(&no_events);
}

static int teardown(void **state)
{
    (void)state;
    stage_stop();
    store_destroy(stage.services.store);
    auth_destroy(stage.services.auth);
    return uv_loop_close(&stage.loop);
}

/* The outcome for a request with these two headers; NULL = without. */
static enum err admit(const struct proto *proto, const char *origin, const char *token)
{
    struct request request = {.method = STR("GET")};
    struct buf bearer = {0};
    enum err err;

    if (origin != NULL) {
        request.headers[request.header_count++] =
            (struct request_header){STR("Origin"), str_of(origin)};
    }
    if (token != NULL) {
        buf_addf(&bearer, "Bearer %s", token);
        request.headers[request.header_count++] =
            (struct request_header){STR("Authorization"), buf_str(&bearer)};
    }
    stage.claims = (struct claims){.expires_ms = INT64_MAX};
    stage.why = NULL;
    err = admit_check(&stage.net, proto, &request, &stage.claims, &stage.why);
    buf_finish(&bearer);
    return err;
}

static char *token_of(const char *payload)
{
    struct buf token =
        token_sign("{\"alg\":\"HS256\"}", payload, EVP_sha256(), NULL, STR(SECRET));

    buf_text(&token);
    return buf_take(&token);
}

static void a_token_says_who_it_is_and_until_when(void **state)
{
    char *token = token_of("{\"sub\":\"ann\",\"exp\":1652087357}");

    (void)state;
    assert_int_equal(admit(&closed_proto, NULL, token), ERR_OK);
    assert_str(str_from(stage.claims.user, stage.claims.user_len), "ann");
    assert_int_equal(admit_until_ms(&stage.net, &stage.claims), uv_now(&stage.loop) + 10000);
    fake_us += 10 * FAKE_US_PER_S; /* expired since, though nobody looked */
    assert_int_equal(admit_until_ms(&stage.net, &stage.claims), uv_now(&stage.loop));
    assert_int_equal(admit(&closed_proto, NULL, token), ERR_UNAUTHORIZED);
    mem_free(token);
}

static void who_has_no_end_never_ends(void **state)
{
    char *token = token_of("{\"sub\":\"ann\"}");

    (void)state;
    assert_int_equal(admit(&closed_proto, NULL, token), ERR_OK);
    assert_true(admit_until_ms(&stage.net, &stage.claims) == UINT64_MAX);
    assert_int_equal(admit(&open_proto, NULL, NULL), ERR_OK);
    assert_true(admit_until_ms(&stage.net, &stage.claims) == UINT64_MAX);
    mem_free(token);
}

static void the_anonymous_may_go_where_they_may(void **state)
{
    (void)state;
    assert_int_equal(admit(&open_proto, NULL, NULL), ERR_OK);
    assert_int_equal(stage.claims.user_len, 0);
    assert_int_equal(admit(&closed_proto, NULL, NULL), ERR_UNAUTHORIZED);
    assert_string_equal(stage.why, "a token is needed");
    assert_int_equal(admit(&open_proto, NULL, "bad"), ERR_UNAUTHORIZED);
    assert_string_not_equal(stage.why, "a token is needed");
}

static void an_origin_is_allowed_or_there_is_none(void **state)
{
    (void)state;
    assert_int_equal(admit(&open_proto, "https://good.test", NULL), ERR_OK);
    assert_int_equal(admit(&open_proto, "https://bad.test", NULL), ERR_FORBIDDEN);
    assert_string_equal(stage.why, "this origin is not allowed");
    assert_int_equal(admit(&open_proto, "https://bad.test", "bad"), ERR_FORBIDDEN); /* first */
}

static void who_can_not_be_served_is_told_so_after_all_else(void **state)
{
    (void)state;
    stage.services.draining = true;
    assert_int_equal(admit(&open_proto, NULL, NULL), ERR_UNAVAILABLE);
    assert_string_equal(stage.why, "this process is going away");
    assert_int_equal(admit(&closed_proto, NULL, NULL), ERR_UNAUTHORIZED);
    stage.services.draining = false;
    fake_redis_break(&stage.redis);
    turns();
    assert_false(store_is_up(stage.services.store));
    assert_int_equal(admit(&open_proto, NULL, NULL), ERR_UNAVAILABLE);
    assert_string_equal(stage.why, "the state can't be reached");
    assert_int_equal(admit(&closed_proto, NULL, NULL), ERR_UNAUTHORIZED);
}

static void of_those_who_may_come_only_so_many_come_at_once(void **state)
{
    (void)state;
    pace_init(&stage.net.pace, 20);
    assert_int_equal(admit(&open_proto, "https://bad.test", NULL), ERR_FORBIDDEN);
    assert_int_equal(admit(&closed_proto, NULL, NULL), ERR_UNAUTHORIZED);
    for (int i = 0; i < 2; i++) { /* who is refused takes nobody's place */
        assert_int_equal(admit(&open_proto, NULL, NULL), ERR_OK);
    }
    assert_int_equal(admit(&open_proto, NULL, NULL), ERR_CROWDED);
    assert_int_equal(admit(&closed_proto, NULL, NULL), ERR_UNAUTHORIZED); /* first */
    assert_int_equal(stage.metrics.admitted, 2);
    fake_us += FAKE_US_PER_S / 10;
    assert_int_equal(admit(&open_proto, NULL, NULL), ERR_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_token_says_who_it_is_and_until_when),
        TEST(who_has_no_end_never_ends),
        TEST(the_anonymous_may_go_where_they_may),
        TEST(an_origin_is_allowed_or_there_is_none),
        TEST(who_can_not_be_served_is_told_so_after_all_else),
        TEST(of_those_who_may_come_only_so_many_come_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
