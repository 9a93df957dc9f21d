/* Engine.IO on a WebSocket: a session of its own, and the upgrade of a polling session: who
 * may, who may not, what comes early, and what becomes of it when somebody leaves. */
#include "test/unit/eio_stage.h"

#define HANDSHAKE                                                                              \
    "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"    \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define OPEN_TARGET    "/e/?EIO=4&transport=websocket"
#define UPGRADE_TARGET OPEN_TARGET "&sid=" SID
#define PROBE          "eio_probe fake CLAIM 10000 20000\n"
#define UNPROBE        "eio_probe fake CLAIM 0 20000\n"
#define PROBED         "eio_probed CLAIM\n"
#define UPGRADE        "eio_upgrade CLAIM 20000 45000\n"
#define FORGET         "eio_close   0\n"

enum {
    TEXT = 1,
    BINARY = 2,
    CLOSE = 8
};

static void add_frame(struct buf *to, unsigned opcode, struct str payload)
{
    buf_add_char(to, (char)(0x80 | opcode));
    if (payload.len < 126) {
        buf_add_char(to, (char)(0x80 | payload.len));
    } else {
        buf_add_char(to, (char)(0x80 | 126));
        buf_add_char(to, (char)(payload.len >> 8));
        buf_add_char(to, (char)payload.len);
    }
    buf_add(to, STR("\0\0\0\0"));
    buf_add(to, payload);
}

static void say_frame(struct client *client, unsigned opcode, struct str payload)
{
    struct buf frame = {0};

    add_frame(&frame, opcode, payload);
    client_send(client, stage_conn(), buf_str(&frame));
    buf_finish(&frame);
    turns();
}

static void say(struct client *client, const char *text)
{
    say_frame(client, TEXT, str_of(text));
}

/* A handshake, and what follows it in the same segment. */
static struct client open_with(const char *target, struct str more)
{
    struct client client = client_open();
    struct buf head = {0};

    buf_addf(&head, "GET %s HTTP/1.1\r\n%s", target, HANDSHAKE);
    buf_add(&head, more);
    client_push(&client, buf_str(&head));
    buf_finish(&head);
    return client;
}

/* The 101 is there; it is forgotten. */
static void assert_accepted(struct client *client)
{
    const char *end = NULL;

    for (int i = 0; i < STAGE_PATIENCE && end == NULL && !client->ended; i++) {
        stage_turn();
        client_look(client);
        end = strstr(buf_text(&client->got), "\r\n\r\n");
        usleep(i > 3 ? STAGE_WAIT_US : 0);
    }
    assert_non_null(end);
    assert_int_equal(atoi(client->got.at + 9), 101);
    buf_drop(&client->got, (size_t)(end + 4 - client->got.at));
}

/* Text frames one after the other. */
static void assert_got(struct client *client, const char *const *texts, size_t count)
{
    struct buf expected = {0};

    for (size_t i = 0; i < count; i++) {
        struct msg *msg = msg_text(str_of(texts[i]));

        buf_add(&expected, str_from(msg->bytes, msg->len));
        msg_unref(msg);
    }
    client_wait(client, expected.len);
    assert_true(str_equal(buf_str(&client->got), buf_str(&expected)));
    buf_clear(&client->got);
    buf_finish(&expected);
}

#define GOT(client, ...)                                                                       \
    assert_got(client, (const char *const[]){__VA_ARGS__},                                     \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* The gateway closes with this code and no word; 0 = without a frame. */
static void assert_closed(struct client *client, unsigned code)
{
    if (code == 0) {
        client_wait_end(client);
        assert_int_equal(client->got.len, 0);
    } else {
        client_wait(client, 4);
        client_part(client);
        assert_int_equal(client->got.len, 4);
        assert_int_equal((unsigned char)client->got.at[0], 0x88);
        assert_int_equal(client->got.at[1], 2);
        assert_int_equal(
            (unsigned char)client->got.at[2] << 8 | (unsigned char)client->got.at[3], code);
    }
    client_close(client);
    stage_wait_gone(stage_conn());
    turns();
    reply_rest();
}

/* ---- a session of its own ---- */

static struct client opened(void)
{
    struct client client = open_with(OPEN_TARGET, STR(""));
    char expected[256];

    assert_accepted(&client);
    snprintf(expected, sizeof(expected),
             "0{\"sid\":\"%.*s\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,"
             "\"maxPayload\":1000}",
             MSG_ORIGIN_LENGTH, proto_side.session->id);
    GOT(&client, expected);
    assert_heard("o");
    return client;
}

static void packets_are_frames_and_binary_frames_are_messages(void **state)
{
    struct client client = opened();

    (void)state;
    say(&client, "4hello");
    say_frame(&client, BINARY, STR("\0\1"));
    say(&client, "6");
    say(&client, "5");
    say(&client, "4say x");
    assert_heard("(hello)[2](say x)");
    client_wait(&client, 8);
    assert_true(str_equal(buf_str(&client.got), STR("\x82\x02\0\1\x81\x02"
                                                    "4x")));
    assert_asked("");
    leave(&client);
    assert_heard("c");
}

static void the_server_pings_and_a_missing_pong_closes(void **state)
{
    struct client client = opened();

    (void)state;
    pass(25100);
    GOT(&client, "2");
    say(&client, "3");
    assert_heard("a");
    pass(25100);
    GOT(&client, "2");
    pass(20100);
    assert_heard("Fc");
    assert_closed(&client, 4408);
}

static void a_packet_of_no_known_type_closes(void **state)
{
    static const char *const rows[] = {"", "2", "2probe", "0", "x", "bAQID", "7"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client client = opened();

        say(&client, rows[i]);
        assert_heard("Fc");
        assert_closed(&client, 1002);
    }
}

static void a_close_packet_closes(void **state)
{
    struct client client = opened();

    (void)state;
    say(&client, "1");
    assert_heard("Fc");
    assert_closed(&client, 1000);
}

static void a_bad_handshake_is_refused(void **state)
{
    struct client client = client_open();

    (void)state;
    client_push(&client, STR("GET " UPGRADE_TARGET " HTTP/1.1\r\nHost: a\r\n"
                             "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    client_wait(&client, 12);
    assert_int_equal(atoi(client.got.at + 9), 426);
    leave(&client);
    client = open_with("/e/?EIO=3&transport=websocket", STR(""));
    assert_answer(&client, 400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    client = open_with("/e/?EIO=4&transport=polling&sid=" SID, STR(""));
    assert_answer(&client, 400, BAD_REQUEST);
    assert_asked("");
}

/* ---- the upgrade ---- */

static struct client probing(void)
{
    struct client client = open_with(UPGRADE_TARGET, STR(""));

    wait_asked();
    assert_asked(PROBE);
    REPLY("applied");
    assert_accepted(&client);
    return client;
}

static struct client probed(void)
{
    struct client client = probing();

    say(&client, "2probe");
    assert_asked(PROBED);
    GOT(&client, "3probe");
    fake_redis_reply(&redis, "$7\r\napplied\r\n");
    turns();
    return client;
}

static struct client upgraded(void)
{
    struct client client = probed();

    say(&client, "5");
    assert_asked(UPGRADE);
    REPLY("applied", "state", "told");
    assert_heard("Lstate,told;");
    return client;
}

static void a_session_moves_to_the_websocket_with_all_that_waits_for_it(void **state)
{
    struct client client = probed();

    (void)state;
    proto_side.words = "loaded";
    say(&client, "5");
    assert_asked(UPGRADE);
    REPLY("applied", "state", "told", "4a\x1f", "4b\036bAQI=", "4c");
    assert_heard("Lstate,told;");
    client_wait(&client, 8 + 5 + 4 + 4 + 4);
    assert_true(str_equal(buf_str(&client.got), STR("\x81\x07"
                                                    "4loaded"
                                                    "\x81\x03"
                                                    "4a!"
                                                    "\x81\x02"
                                                    "4b"
                                                    "\x82\x02\1\2"
                                                    "\x81\x02"
                                                    "4c")));
    say(&client, "4hi");
    assert_heard("(hi)");
    leave(&client);
    assert_heard("c");
    assert_asked(FORGET);
}

static void what_comes_before_the_session_is_there_waits_in_its_order(void **state)
{
    struct client client = probed();
    struct buf frames = {0};

    (void)state;
    add_frame(&frames, TEXT, STR("5"));
    add_frame(&frames, TEXT, STR("4one"));
    add_frame(&frames, BINARY, STR("xyz"));
    add_frame(&frames, TEXT, STR("4two"));
    client_send(&client, stage_conn(), buf_str(&frames));
    buf_finish(&frames);
    turns();
    assert_asked(UPGRADE);
    assert_heard("");
    client_push(&client, STR("\x81\x87\0\0\0\0"
                             "4later")); /* one letter is missing */
    turns();
    REPLY("applied", "state", "told");
    turns();
    assert_heard("Lstate,told;(one)[3](two)");
    client_push(&client, STR("!"));
    client_wait(&client, 5);
    for (int i = 0; i < STAGE_PATIENCE && proto_side.heard.len == 0; i++) {
        stage_turn();
        usleep(STAGE_WAIT_US); /* two small segments: the kernel takes its time */
    }
    assert_heard("(later!)");
    leave(&client);
}

static void much_may_come_before_the_session_is_there(void **state)
{
    struct client client = probed();
    struct buf frames = {0};
    char text[1001];

    (void)state;
    stage.config.rate = 0;
    memset(text, 'x', sizeof(text));
    text[0] = '4';
    add_frame(&frames, TEXT, STR("5"));
    for (int i = 0; i < 40; i++) {
        add_frame(&frames, TEXT, str_from(text, sizeof(text)));
    }
    client_push(&client, buf_str(&frames));
    buf_finish(&frames);
    wait_asked();
    assert_asked(UPGRADE);
    REPLY("applied", "state", "told");
    for (int i = 0; i < STAGE_PATIENCE && proto_side.heard.len < 12 + 40 * 1002; i++) {
        stage_turn();
        usleep(STAGE_WAIT_US);
    }
    assert_int_equal(proto_side.heard.len, 12 + 40 * 1002);
    leave(&client);
}

static void early_messages_may_end_the_session(void **state)
{
    struct client client = probed();
    struct buf frames = {0};

    (void)state;
    add_frame(&frames, TEXT, STR("5"));
    add_frame(&frames, TEXT, STR("4end"));
    add_frame(&frames, TEXT, STR("4unheard"));
    client_send(&client, stage_conn(), buf_str(&frames));
    buf_finish(&frames);
    turns();
    REPLY("applied", "state", "told");
    assert_heard("Lstate,told;(end)Fc");
    assert_closed(&client, 1013);
}

static void the_probe_may_come_with_the_handshake(void **state)
{
    struct buf frames = {0};
    struct client client;

    (void)state;
    add_frame(&frames, TEXT, STR("2probe"));
    client = open_with(UPGRADE_TARGET, buf_str(&frames));
    buf_finish(&frames);
    wait_asked();
    assert_asked(PROBE);
    REPLY("applied");
    assert_accepted(&client);
    pass(40);
    assert_asked(PROBED);
    GOT(&client, "3probe");
    leave(&client);
}

static void an_upgraded_session_is_kept_known_by_its_heartbeat(void **state)
{
    struct client client = upgraded();

    (void)state;
    pass(25100);
    GOT(&client, "2");
    assert_asked("eio_renew 45000\n");
    say(&client, "3");
    assert_heard("a");
    say(&client, "1");
    assert_heard("Fc");
    assert_closed(&client, 1000);
    assert_asked(FORGET);
}

static void who_may_not_upgrade_is_told_in_the_official_way(void **state)
{
    struct client client = open_with(UPGRADE_TARGET, STR(""));

    (void)state;
    wait_asked();
    assert_asked(PROBE);
    REPLY("refused", "unknown");
    assert_answer(&client, 400, NO_SESSION);
    client = open_with(UPGRADE_TARGET, STR(""));
    wait_asked();
    REPLY("refused", "wrong"); /* a websocket has it: let in, and shown out */
    assert_accepted(&client);
    assert_closed(&client, 1002);
    client = open_with(UPGRADE_TARGET, STR(""));
    wait_asked();
    fake_redis_break(&redis);
    turns();
    assert_answer(&client, 503, UNAVAILABLE);
}

static void a_prober_says_probe_once_and_nothing_else(void **state)
{
    static const char *const rows[] = {"2", "3", "4hello", "2probe ", "6", "1", ""};
    struct client client = probed();

    (void)state;
    say(&client, "2probe");
    assert_closed(&client, 1002);
    assert_asked(UNPROBE);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        client = probing();
        say(&client, rows[i]);
        assert_closed(&client, 1002);
        assert_asked(UNPROBE);
    }
    client = probing();
    say_frame(&client, BINARY, STR("5"));
    assert_closed(&client, 1002);
    assert_asked(UNPROBE);
    assert_heard("");
}

static void a_prober_has_ten_seconds(void **state)
{
    struct client client = probed();

    (void)state;
    pass(9900);
    client_hears_nothing(&client);
    pass(200);
    assert_closed(&client, 0);
    assert_asked(UNPROBE);
}

static void a_prober_that_leaves_leaves_polling_as_it_was(void **state)
{
    struct client client = open_with(UPGRADE_TARGET, STR(""));

    (void)state;
    wait_asked();
    leave(&client); /* nobody has answered yet */
    assert_asked(PROBE UNPROBE);
    reply_rest();
    client = probing();
    leave(&client);
    assert_asked(UNPROBE);
    reply_rest();
    client = probed();
    say_frame(&client, CLOSE, STR("\x03\xe8"));
    assert_closed(&client, 1000);
    assert_asked(UNPROBE);
    client = probed();
    say(&client, "5");
    client_close(&client); /* too late: the session is its own by now, and ends with it */
    turns();
    assert_asked(UPGRADE);
    REPLY("applied", "state", "told");
    stage_wait_gone(stage_conn());
    turns();
    assert_asked(FORGET);
    assert_heard("Lstate,told;c");
}

static void a_claim_that_was_lost_ends_the_probe(void **state)
{
    struct client client = probing();

    (void)state;
    say(&client, "2probe");
    GOT(&client, "3probe");
    fake_redis_reply(&redis, "$7\r\nrefused\r\n");
    turns();
    assert_closed(&client, 1002);
    assert_asked(PROBED UNPROBE);
    client = probed();
    say(&client, "5");
    REPLY("refused", "unknown");
    assert_closed(&client, 1002);
    assert_asked(UPGRADE UNPROBE);
    client = probed();
    say(&client, "5");
    fake_redis_break(&redis);
    turns();
    assert_closed(&client, 1013);
}

static void a_state_that_can_not_be_read_ends_the_session(void **state)
{
    struct client client = probed();

    (void)state;
    proto_side.spoilt = true;
    say(&client, "5");
    REPLY("applied", "nonsense", "", "4lost");
    assert_heard("Lnonsense,;Fc");
    client_wait(&client, 4);
    client_part(&client);
    leave(&client);
}

static void a_drain_closes_probers_and_upgraded_alike(void **state)
{
    struct client prober = probed(), other = upgraded();

    (void)state;
    stage.services.draining = true;
    net_drain(stage.net, 0);
    pass(60);
    assert_heard("");
    client_part(&other); /* it heard of it */
    assert_heard("c");
    client_wait(&prober, 4);
    client_part(&prober);
    client_close(&prober);
    client_close(&other);
    turns();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(packets_are_frames_and_binary_frames_are_messages),
        TEST(the_server_pings_and_a_missing_pong_closes),
        TEST(a_packet_of_no_known_type_closes),
        TEST(a_close_packet_closes),
        TEST(a_bad_handshake_is_refused),
        TEST(a_session_moves_to_the_websocket_with_all_that_waits_for_it),
        TEST(what_comes_before_the_session_is_there_waits_in_its_order),
        TEST(much_may_come_before_the_session_is_there),
        TEST(early_messages_may_end_the_session),
        TEST(the_probe_may_come_with_the_handshake),
        TEST(an_upgraded_session_is_kept_known_by_its_heartbeat),
        TEST(who_may_not_upgrade_is_told_in_the_official_way),
        TEST(a_prober_says_probe_once_and_nothing_else),
        TEST(a_prober_has_ten_seconds),
        TEST(a_prober_that_leaves_leaves_polling_as_it_was),
        TEST(a_claim_that_was_lost_ends_the_probe),
        TEST(a_state_that_can_not_be_read_ends_the_session),
        TEST(a_drain_closes_probers_and_upgraded_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
