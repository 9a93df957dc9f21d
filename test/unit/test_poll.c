/* Calls of polling sessions: the arguments that Redis gets, and answers of any shape, also such
 * as no script of ours gives. */
#include "test/unit/unit.h"

#include <stdio.h>

#include "gateway/poll.h"
#include "test/unit/fake_redis.h"

#define SID  "0123456789abcdefGH-_"
#define KEY  "segue:eio:{" SID "}"
#define LIST "segue:eioq:{" SID "}"

static struct stage {
    uv_loop_t loop;
    struct fake_redis redis;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct poll poll;
    unsigned answers;
    enum poll_word word;
    struct buf words, version, saved, marks, items; /* what was found, copied; items: [item] */
    struct poll_found found;                        /* its numbers */
    bool again;                                     /* call once more from inside */
} stage;

static void on_done(void *owner, const struct poll_found *found)
{
    struct poll *poll = owner;

    assert_ptr_equal(poll, &stage.poll);
    stage.answers++;
    stage.word = found->word;
    stage.found = *found;
    buf_clear(&stage.words);
    buf_clear(&stage.version);
    buf_clear(&stage.saved);
    buf_clear(&stage.marks);
    buf_clear(&stage.items);
    buf_add(&stage.words, found->words);
    buf_add(&stage.version, found->version);
    buf_add(&stage.saved, found->saved);
    buf_add(&stage.marks, found->marks);
    for (size_t i = 0; found->first_item != 0 && poll_item(found, i).at != NULL; i++) {
        buf_addf(&stage.items, "[%.*s]", STR_ARG(poll_item(found, i)));
    }
    if (stage.again) {
        stage.again = false;
        poll_load(poll, on_done);
    }
}

#include "test/unit/store_stage.h"

static int setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof(stage));
    stage.config.ping_interval_ms = 25000;
    stage.config.ping_timeout_ms = 20000;
    stage.config.max_queue = 100;
    stage.config.max_batch = 1000;
    stage_begin();
    poll_init(&stage.poll, &stage.services, "row", STR(SID), &stage.poll);
    return stage_connect(&no_events);
}

static int teardown(void **state)
{
    (void)state;
    poll_finish(&stage.poll);
    stage_stop();
    store_destroy(stage.services.store);
    buf_finish(&stage.words);
    buf_finish(&stage.version);
    buf_finish(&stage.saved);
    buf_finish(&stage.marks);
    buf_finish(&stage.items);
    return uv_loop_close(&stage.loop);
}

/* What it was asked, but for the digest. */
static void assert_asked(enum script script, const char *expected)
{
    struct buf whole = {0};

    turns();
    buf_addf(&whole, "EVALSHA %.*s %s\n", STR_ARG(script_sha(script)), expected);
    assert_string_equal(buf_text(&stage.redis.asked), buf_text(&whole));
    buf_clear(&stage.redis.asked);
    buf_finish(&whole);
}

static void reply(const char *resp)
{
    turns();
    buf_clear(&stage.redis.asked);
    fake_redis_reply(&stage.redis, resp);
    turns();
}

/* ---- arguments ---- */

static void every_call_says_what_its_script_wants(void **state)
{
    char expected[256];
    const char *token = stage.poll.token;

    (void)state;
    poll_open(&stage.poll, STR("saved"), STR("words"), -5, NULL);
    assert_asked(SCRIPT_eio_open, "2 " KEY " " LIST " row saved words 25000 20000 -5");
    poll_claim(&stage.poll, STR("dead"), STR("t"), NULL);
    snprintf(expected, sizeof(expected), "2 " KEY " " LIST " row %.24s dead t 20000", token);
    assert_asked(SCRIPT_eio_claim, expected);
    poll_knock(&stage.poll, NULL);
    assert_asked(SCRIPT_eio_knock, "1 " KEY);
    poll_read(&stage.poll, 77, NULL);
    snprintf(expected, sizeof(expected), "2 " KEY " " LIST " %.24s 20000 77", token);
    assert_asked(SCRIPT_eio_read, expected);
    poll_take(&stage.poll, STR("3"), STR("t"), STR("m"), 2, true, 77, NULL);
    snprintf(expected, sizeof(expected), "1 " KEY " %.24s 3 t m 2 1 77 20000", token);
    assert_asked(SCRIPT_eio_take, expected);
    poll_load(&stage.poll, NULL);
    assert_asked(SCRIPT_eio_load, "1 " KEY " row 20000");
    poll_commit(&stage.poll, STR("3"), STR("s"), STR("p"), 88, false, 9, NULL);
    assert_asked(SCRIPT_eio_commit,
                 "3 " KEY " " LIST " " KEY " 3 s p 88 0 9 25000 20000 1000"); /* the larger */
    poll_close(&stage.poll, true, STR("w"), true, NULL, NULL);
    snprintf(expected, sizeof(expected), "3 " KEY " " LIST " " KEY " %.24s w 1", token);
    assert_asked(SCRIPT_eio_close, expected);
    poll_close(&stage.poll, false, STR("w"), false, NULL, NULL);
    assert_asked(SCRIPT_eio_close, "3 " KEY " " LIST " " KEY "  w 0");
    poll_unprobe(&stage.poll);
    snprintf(expected, sizeof(expected), "1 " KEY " row %.24s 0 20000", token);
    assert_asked(SCRIPT_eio_probe, expected);
    poll_upgrade(&stage.poll, NULL);
    snprintf(expected, sizeof(expected), "3 " KEY " " LIST " " KEY " %.24s 20000 45000", token);
    assert_asked(SCRIPT_eio_upgrade, expected);
    poll_renew(&stage.poll);
    assert_asked(SCRIPT_eio_renew, "1 " KEY " 45000");
}

static void an_id_from_outside_stays_within_its_tag(void **state)
{
    struct key_name room;

    (void)state;
    poll_init(&stage.poll, &stage.services, "row",
              STR("}{a b\r\nc:*?[]\"'\\/\0\xff"
                  "x"),
              &stage.poll);
    assert_int_equal(poll_sid(&stage.poll).len, POLL_SID_LENGTH);
    assert_str(poll_channel(&stage.poll, &room),
               "segue:eio:{%7D%7Ba%20b%0D%0Ac%3A%2A%3F%5B%5D%22%27%5C%2F%00%FFx}");
}

static void a_claim_is_of_this_process_or_not(void **state)
{
    struct poll other;
    char foreign[POLL_TOKEN_LENGTH];

    (void)state;
    poll_init(&other, &stage.services, "row", STR(SID), NULL);
    assert_true(poll_is_ours(str_from(stage.poll.token, POLL_TOKEN_LENGTH)));
    assert_true(poll_is_ours(str_from(other.token, POLL_TOKEN_LENGTH)));
    assert_memory_not_equal(other.token, stage.poll.token, POLL_TOKEN_LENGTH);
    memcpy(foreign, other.token, sizeof(foreign));
    foreign[0] = foreign[0] == 'a' ? 'b' : 'a';
    assert_false(poll_is_ours(str_from(foreign, sizeof(foreign))));
    assert_false(poll_is_ours(str_from(other.token, POLL_OWNER_LENGTH - 1)));
    assert_false(poll_is_ours(str_from("", 0)));
}

/* ---- answers ---- */

static void what_is_found_is_found_whole(void **state)
{
    (void)state;
    poll_read(&stage.poll, 1000, on_done);
    reply("*9\r\n$7\r\napplied\r\n$1\r\n7\r\n$2\r\nst\r\n$0\r\n\r\n:250\r\n$1\r\n1\r\n"
          "$1\r\n0\r\n$3\r\none\r\n$0\r\n\r\n");
    assert_int_equal(stage.word, POLL_OK);
    assert_str(buf_str(&stage.version), "7");
    assert_str(buf_str(&stage.saved), "st");
    assert_str(buf_str(&stage.marks), "");
    assert_int_equal(stage.found.wait_ms, 250);
    assert_true(stage.found.ping);
    assert_false(stage.found.probing);
    assert_str(buf_str(&stage.items), "[one][]");
    poll_load(&stage.poll, on_done);
    reply("*6\r\n$7\r\napplied\r\n$1\r\n7\r\n$2\r\nst\r\n$-1\r\n$3\r\n-17\r\n$5\r\n99999\r\n");
    assert_int_equal(stage.found.allowance, -17);
    assert_int_equal(stage.found.idle_us, 99999);
    poll_upgrade(&stage.poll, on_done);
    reply("*4\r\n$7\r\napplied\r\n$2\r\nst\r\n$2\r\nma\r\n$3\r\none\r\n");
    assert_str(buf_str(&stage.marks), "ma");
    assert_str(buf_str(&stage.items), "[one]");
    poll_knock(&stage.poll, on_done);
    reply("*2\r\n$7\r\napplied\r\n:3\r\n");
    assert_int_equal(stage.found.listeners, 3);
    poll_open(&stage.poll, STR(""), STR(""), 0, on_done);
    reply("$7\r\napplied\r\n");
    assert_int_equal(stage.word, POLL_OK);
    assert_int_equal(stage.answers, 5);
}

static void every_refusal_has_its_word(void **state)
{
    static const struct {
        const char *resp;
        enum poll_word word;
        const char *words;
    } rows[] = {
        {"*2\r\n$7\r\nrefused\r\n$7\r\nunknown\r\n", POLL_UNKNOWN, ""},
        {"*2\r\n$7\r\nrefused\r\n$5\r\nwrong\r\n", POLL_WRONG, ""},
        {"*3\r\n$7\r\nrefused\r\n$4\r\nheld\r\n$3\r\nwho\r\n", POLL_HELD, "who"},
        {"*3\r\n$7\r\nrefused\r\n$6\r\nclosed\r\n$1\r\n6\r\n", POLL_CLOSED, "6"},
        {"*3\r\n$7\r\nrefused\r\n$6\r\nclosed\r\n$-1\r\n", POLL_CLOSED, ""},
        {"*2\r\n$8\r\nno_state\r\n$7\r\nchanged\r\n", POLL_CHANGED, ""},
        {"*2\r\n$7\r\nrefused\r\n$4\r\nfull\r\n", POLL_FULL, ""},
        {"*2\r\n$7\r\nrefused\r\n$5\r\nother\r\n", POLL_UNKNOWN, ""},
        {"$7\r\nrefused\r\n", POLL_UNKNOWN, ""},
        {"-ERR something else\r\n", POLL_AWAY, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        poll_claim(&stage.poll, STR(""), STR(""), on_done);
        reply(rows[i].resp);
        assert_int_equal(stage.answers, i + 1);
        assert_int_equal(stage.word, rows[i].word);
        assert_str(buf_str(&stage.words), rows[i].words);
    }
}

static void an_answer_of_any_shape_does_no_harm(void **state)
{
    static const char *const rows[] = {
        "*0\r\n",
        "*-1\r\n",
        "$-1\r\n",
        ":17\r\n",
        "+applied\r\n",
        "*1\r\n$7\r\napplied\r\n",
        "*1\r\n*1\r\n$7\r\napplied\r\n",
        "*2\r\n$7\r\napplied\r\n*0\r\n",
        "*5\r\n$7\r\napplied\r\n:1\r\n:2\r\n:3\r\n$1\r\nx\r\n",
        "*8\r\n$7\r\napplied\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n:8\r\n",
    };
    static void (*const calls[])(struct poll *, poll_fn *) = {poll_load, poll_knock,
                                                              poll_upgrade};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t j = 0; j < sizeof(calls) / sizeof(calls[0]); j++) {
            unsigned before = stage.answers;

            calls[j](&stage.poll, on_done);
            reply(rows[i]);
            assert_int_equal(stage.answers, before + 1);
        }
        poll_read(&stage.poll, 10, on_done);
        reply(rows[i]);
        assert_str(buf_str(&stage.items), "");
    }
}

static void a_call_may_be_followed_by_one_from_inside(void **state)
{
    (void)state;
    stage.again = true;
    poll_load(&stage.poll, on_done);
    reply("*2\r\n$7\r\nrefused\r\n$7\r\nunknown\r\n");
    assert_int_equal(stage.answers, 1);
    assert_asked(SCRIPT_eio_load, "1 " KEY " row 20000");
    reply("*2\r\n$7\r\nrefused\r\n$5\r\nwrong\r\n");
    assert_int_equal(stage.answers, 2);
    assert_int_equal(stage.word, POLL_WRONG);
}

static void without_redis_the_answer_is_away_once(void **state)
{
    (void)state;
    poll_load(&stage.poll, on_done);
    turns();
    fake_redis_break(&stage.redis);
    turns();
    assert_int_equal(stage.answers, 1);
    assert_int_equal(stage.word, POLL_AWAY);
    poll_load(&stage.poll, on_done);
    assert_int_equal(stage.answers, 1); /* never from inside the call */
    turns();
    assert_int_equal(stage.answers, 2);
    assert_int_equal(stage.word, POLL_AWAY);
}

static void who_has_finished_hears_no_more(void **state)
{
    (void)state;
    poll_load(&stage.poll, on_done);
    turns();
    poll_finish(&stage.poll);
    reply("*2\r\n$7\r\nrefused\r\n$7\r\nunknown\r\n");
    assert_int_equal(stage.answers, 0);
    poll_load(&stage.poll, on_done); /* and may begin again */
    reply("*2\r\n$7\r\nrefused\r\n$7\r\nunknown\r\n");
    assert_int_equal(stage.answers, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(every_call_says_what_its_script_wants),
        TEST(an_id_from_outside_stays_within_its_tag),
        TEST(a_claim_is_of_this_process_or_not),
        TEST(what_is_found_is_found_whole),
        TEST(every_refusal_has_its_word),
        TEST(an_answer_of_any_shape_does_no_harm),
        TEST(a_call_may_be_followed_by_one_from_inside),
        TEST(without_redis_the_answer_is_away_once),
        TEST(who_has_finished_hears_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
