/* The claim of a GET: one of all may read a session's queue, and what becomes of the others. */
#include "test/unit/eio_get_stage.h"

/* ---- claims ---- */

static void a_claim_may_be_refused(void **state)
{
    static const struct {
        const char *word, *words, *body;
        int status;
    } rows[] = {
        {"unknown", "nil", NO_SESSION, 400},
        {"wrong", "nil", BAD_REQUEST, 400},
        {"closed", "6", "6", 200},
        {"closed", "", BAD_REQUEST, 400},
        {"a word of a later version", "nil", NO_SESSION, 400},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client client = get("t");

        REPLY("refused", rows[i].word, rows[i].words);
        assert_answer(&client, rows[i].status, rows[i].body);
        confirm(); /* a wish that nobody has any more */
        fake_redis_confirm(&redis, "unsubscribe", CHANNEL);
        turns();
        buf_clear(&redis.asked);
        assert_heard("");
    }
}

static void a_second_get_of_one_process_ends_the_session(void **state)
{
    struct client first = waiting(), second;

    (void)state;
    second = get("t2");
    assert_asked(CLAIM("", "t2"));
    REPLY("refused", "held", claim);
    assert_asked("eio_close  1 0\n");
    assert_answer(&second, 400, BAD_REQUEST);
    publish('x', "1");
    assert_answer(&first, 200, "1");
}

static void a_claim_that_redis_trouble_left_behind_is_taken_over(void **state)
{
    struct client first = taking(), second;

    (void)state;
    fake_redis_break(&redis);
    turns();
    assert_answer(&first, 503, UNAVAILABLE);
    come_back();
    second = get("t2");
    assert_asked(SUBSCRIBE CLAIM("", "t2"));
    REPLY("refused", "held", claim);
    assert_asked(CLAIM("CLAIM", "t2"));
    leave(&second);
}

static void a_claim_of_a_dead_process_is_taken_over_after_a_knock(void **state)
{
    struct client client = get("t1");

    (void)state;
    assert_asked(SUBSCRIBE CLAIM("", "t1"));
    REPLY("refused", "held", "aaaaaaaaaaaabbbbbbbbbbbb");
    pass(200);
    assert_asked(""); /* not before it listens itself */
    confirm();
    assert_asked("");
    pass(20);
    assert_asked("");
    pass(60);
    assert_asked("eio_knock\n");
    fake_redis_reply(&redis, "*2\r\n$7\r\napplied\r\n:1\r\n");
    turns();
    assert_asked(CLAIM("CLAIM", "t1"));
    REPLY("applied");
    assert_asked(READ);
    leave(&client);
}

static void a_claim_of_a_process_that_lives_ends_the_session(void **state)
{
    struct client client = get("t1");

    (void)state;
    confirm();
    assert_asked(SUBSCRIBE CLAIM("", "t1"));
    REPLY("refused", "held", "aaaaaaaaaaaabbbbbbbbbbbb");
    pass(60);
    assert_asked("eio_knock\n");
    fake_redis_reply(&redis, "*2\r\n$7\r\napplied\r\n:2\r\n");
    turns();
    assert_asked(UNSUBSCRIBE "eio_close  1 0\n");
    assert_answer(&client, 400, BAD_REQUEST);
}

static void a_knock_without_redis_is_503(void **state)
{
    struct client client = get("t1");

    (void)state;
    confirm();
    REPLY("refused", "held", "aaaaaaaaaaaabbbbbbbbbbbb");
    pass(60);
    fake_redis_break(&redis);
    turns();
    assert_answer(&client, 503, UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_claim_may_be_refused),
        TEST(a_second_get_of_one_process_ends_the_session),
        TEST(a_claim_that_redis_trouble_left_behind_is_taken_over),
        TEST(a_claim_of_a_dead_process_is_taken_over_after_a_knock),
        TEST(a_claim_of_a_process_that_lives_ends_the_session),
        TEST(a_knock_without_redis_is_503),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
