/* A Socket.IO session as bytes: what is saved is loaded again, and what nobody saved is refused
 * and leaves nothing behind. */
#include "test/unit/sio_stage.h"

#include "common/mem.h"

#define ROOT_STATE "L/(state of /)(marks of /);"
#define OPEN_STATE "L/open(state of /open)(marks of /open);"

/* A session that is loaded, for one request. */
static bool load(struct str saved, struct str marks)
{
    session_destroy(stage.session);
    stage.session = session_create(&stage.services, &test_row.proto, &transport, NULL, NULL);
    stage.session->brief = true;
    session_adopt(stage.session, session_id(stage.session));
    buf_clear(&stage.heard);
    return stage.session->proto->load(stage.session, saved, marks);
}

static struct buf saved(void)
{
    struct buf bytes = {0};

    stage.session->proto->save(stage.session, &bytes);
    return bytes;
}

static struct buf marks(void)
{
    struct buf bytes = {0};

    stage.session->proto->marks(stage.session, &bytes);
    return bytes;
}

/* Two sockets, and a packet of which one of three attachments came. */
static struct buf much(void)
{
    begin_as_ann();
    say("0");
    say("0/open,");
    say("53-7[\"a\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":2},"
        "{\"_placeholder\":true,\"num\":1}]");
    say_binary("one");
    return saved();
}

/* ---- there and back ---- */

static void what_is_saved_is_loaded_and_would_be_saved_the_same(void **state)
{
    struct buf before = much(), told = marks(), after, told_after;

    (void)state;
    assert_true(load(buf_str(&before), buf_str(&told)));
    assert_heard(OPEN_STATE ROOT_STATE);
    assert_int_equal(stage.session->holding, 0);
    say_binary("two");
    say_binary("three");
    assert_heard("e/:a({\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":2},"
                 "{\"_placeholder\":true,\"num\":1})#7<one><two><three>;");
    say("2/open,[\"b\"]");
    assert_heard("e/open:b();");
    assert_true(load(buf_str(&before), buf_str(&told)));
    after = saved();
    assert_true(str_equal(buf_str(&after), buf_str(&before)));
    told_after = marks();
    assert_true(str_equal(buf_str(&told_after), buf_str(&told)));
    buf_finish(&before);
    buf_finish(&after);
    buf_finish(&told);
    buf_finish(&told_after);
}

static void a_session_without_sockets_keeps_who_it_is_and_its_time(void **state)
{
    struct buf before;

    (void)state;
    begin_as_ann();
    before = saved();
    fake_us += 4000 * 1000;
    assert_true(load(buf_str(&before), str_from("", 0)));
    assert_int_equal(stage.wake_in_ms, CONNECT_TIMEOUT_MS - 4000);
    say("0");
    assert_heard("c/ann;[0{\"sid\":\"ID\"}]");
    buf_finish(&before);
    begin("nonsense", "recovery=1");
    before = saved();
    assert_true(load(buf_str(&before), str_from("", 0)));
    assert_true(io()->recovery);
    say("0/open,"); /* a bad token stays one */
    assert_true(strstr(buf_text(&stage.heard), "unauthorized") != NULL);
    buf_finish(&before);
}

static void a_token_that_ended_meanwhile_is_due_at_once(void **state)
{
    char *token = token_of("{\"sub\":\"ann\",\"exp\":1652087357}");
    struct buf before;

    (void)state;
    begin(token, "");
    say("0");
    before = saved();
    fake_us += 11 * FAKE_US_PER_S;
    assert_true(load(buf_str(&before), str_from("", 0)));
    assert_int_equal(stage.wake_in_ms, 0);
    session_woken(stage.session);
    assert_int_equal(stage.reason, REASON_TOKEN_EXPIRED);
    buf_finish(&before);
    mem_free(token);
}

static void only_what_is_connected_is_saved(void **state)
{
    struct buf before, told;

    (void)state;
    connected();
    say("0/slow,");
    before = saved();
    told = marks();
    assert_true(load(buf_str(&before), buf_str(&told)));
    assert_heard(ROOT_STATE);
    assert_int_equal(stage.session->holding, 0);
    buf_finish(&before);
    buf_finish(&told);
}

static void marks_belong_to_a_socket_and_may_be_missing(void **state)
{
    struct buf before = much(), bytes = {0};

    (void)state;
    assert_true(load(buf_str(&before), str_from("", 0)));
    assert_heard("L/open(state of /open)();L/(state of /)();");
    pack_add_str(&bytes, STR("another socket, gone"));
    pack_add_str(&bytes, STR("its marks"));
    assert_true(load(buf_str(&before), buf_str(&bytes)));
    assert_heard("L/open(state of /open)();L/(state of /)();");
    assert_true(load(buf_str(&before), STR("nonsense")));
    buf_finish(&before);
    buf_finish(&bytes);
}

/* ---- what nobody saved ---- */

/* Refused, or a state that is saved as it was; in either case all of it can be let go. */
static void must_be_good_or_refused(struct str bytes)
{
    if (load(bytes, str_from("", 0))) {
        struct buf once = saved(), twice;

        assert_true(load(buf_str(&once), str_from("", 0)));
        twice = saved();
        assert_int_equal(once.len, twice.len);
        buf_finish(&once);
        buf_finish(&twice);
    }
    say_binary("whatever"); /* it may go on as well */
    say_binary("may");
    say_binary("come");
    say("2[\"a\"]");
}

static void a_state_that_is_cut_anywhere_is_refused_or_smaller(void **state)
{
    struct buf bytes = much();

    (void)state;
    for (size_t len = 0; len < bytes.len; len++) {
        char *exact = mem_copy(bytes.at, len); /* so that a byte too far is seen */

        must_be_good_or_refused(str_from(exact, len));
        mem_free(exact);
    }
    buf_finish(&bytes);
}

static void a_state_with_a_wrong_byte_does_no_harm(void **state)
{
    static const char wrong[] = {'\0', '0', '9', ';', ':', 's', 'n', '\xff'};
    struct buf bytes = much();

    (void)state;
    for (size_t at = 0; at < bytes.len; at++) {
        char before = bytes.at[at];

        for (size_t i = 0; i < sizeof(wrong); i++) {
            bytes.at[at] = wrong[i];
            must_be_good_or_refused(buf_str(&bytes));
        }
        bytes.at[at] = before;
    }
    buf_finish(&bytes);
}

/* connect_by, recovery, no refusal, a handshake without user. */
#define HEAD     "n0;n0;n0;s0:n0;s0:n9223372036854775807;"
#define IDENTITY "n1;s3:annn9223372036854775807;"
#define SOCKET   "s20:0123456789abcdefGH-_" IDENTITY "s1:x"

static void a_state_that_contradicts_itself_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "n0;",
        HEAD,
        HEAD "n65;s0:s0:n0;",                                   /* too many attachments */
        HEAD "n1;s0:s0:n1;n0;",                                 /* all of them are there */
        HEAD "n3;s0:s2:abn2;n2;n1;",                            /* one ends before it begins */
        HEAD "n3;s0:s2:abn2;n1;n3;",                            /* or behind the last byte */
        HEAD "n3;s0:s2:abn2;n0;n1;",                            /* or bytes belong to none */
        HEAD "n3;s0:s1:an0;",                                   /* likewise */
        HEAD "n3;s0:s2:abn2;n1;",                               /* or an end is missing */
        HEAD "n0;s8:/nowhere" SOCKET,                           /* no such namespace */
        HEAD "n0;s1:/" SOCKET "s1:/" SOCKET,                    /* twice */
        HEAD "n0;s1:/s3:abc" IDENTITY "s1:x",                   /* no id */
        HEAD "n0;s1:/s20:0123456789abcdefGH-_n1;",              /* no identity */
        HEAD "n0;s1:/s20:0123456789abcdefGH-_n0;s3:annn0;s1:x", /* nobody with a name */
        HEAD "n0;s1:/s20:0123456789abcdefGH-_" IDENTITY "s7:spoilt",
        HEAD "n0;s1:/s20:0123456789abcdefGH-_" IDENTITY "s6:spoilt",
        HEAD "n0;s5:/open" SOCKET "s1:/s20:0123456789abcdefGH-_" IDENTITY "s6:spoilt",
        HEAD "n0;s1:/" SOCKET "x",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_false(load(str_of(rows[i]), str_from("", 0)));
        session_close(stage.session, REASON_INTERNAL);
    }
    assert_true(load(STR(HEAD "n0;s1:/" SOCKET), str_from("", 0)));
}

static void a_packet_that_waits_for_other_attachments_than_it_names_is_dropped(void **state)
{
    static const char *const rows[] = {
        HEAD "n1;s8:52-[\"a\"]s0:n0;s1:/" SOCKET,
        HEAD
        "n1;s55:52-[\"a\",{\"_placeholder\":true,\"num\":0},{\"_placehol\"]s0:n0;s1:/" SOCKET,
        HEAD "n1;s6:2[\"a\"]s0:n0;s1:/" SOCKET,
        HEAD "n1;s0:s0:n0;s1:/" SOCKET,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (load(str_of(rows[i]), str_from("", 0))) {
            buf_clear(&stage.heard);
            say_binary("bytes");
            assert_heard("");
        }
    }
}

/* ---- stamps ---- */

static void assert_stamped(const char *text, const char *expected)
{
    struct buf stamped = {0};

    stage.session->proto->stamp(stage.session, str_of(text), &stamped);
    assert_str(buf_str(&stamped), expected);
    buf_finish(&stamped);
}

static void what_a_deaf_socket_said_is_stamped_when_it_is_told(void **state)
{
    (void)state;
    stage.pid = "pid";
    begin_as_ann();
    stage.session->deaf = true;
    say("0");
    say("0/open,");
    buf_clear(&stage.heard);
    assert_true(sio_emit(io()->sockets->next, STR("\"a\"")));
    assert_heard("[2[\"a\",\"\x1f/\x1f\"]]");
    assert_true(sio_emit(io()->sockets, STR("\"a\""))); /* which has no offsets */
    assert_heard("[2/open,[\"a\"]]");
    assert_stamped("42[\"a\",\"\x1f/\x1f\"]\03642[\"b\",\"\x1f/\x1f\"]",
                   "42[\"a\",\"offset of ann\"]\03642[\"b\",\"offset of ann\"]");
}

static void a_stamp_for_nobody_is_empty(void **state)
{
    (void)state;
    connected();
    assert_stamped("", "");
    assert_stamped("42[\"a\"]", "42[\"a\"]");
    assert_stamped("42[\"a\",\"\x1f/nowhere\x1f\"]", "42[\"a\",\"\"]");
    assert_stamped("42[\"a\",\"\x1f/open\x1f\"]", "42[\"a\",\"\"]");
    assert_stamped("half a mark \x1f/", "half a mark ");
    assert_stamped("\x1f\x1f\x1f", "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(what_is_saved_is_loaded_and_would_be_saved_the_same),
        TEST(a_session_without_sockets_keeps_who_it_is_and_its_time),
        TEST(a_token_that_ended_meanwhile_is_due_at_once),
        TEST(only_what_is_connected_is_saved),
        TEST(marks_belong_to_a_socket_and_may_be_missing),
        TEST(a_state_that_is_cut_anywhere_is_refused_or_smaller),
        TEST(a_state_with_a_wrong_byte_does_no_harm),
        TEST(a_state_that_contradicts_itself_is_refused),
        TEST(a_packet_that_waits_for_other_attachments_than_it_names_is_dropped),
        TEST(what_a_deaf_socket_said_is_stamped_when_it_is_told),
        TEST(a_stamp_for_nobody_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
