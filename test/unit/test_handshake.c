/* The opening handshake of WebSocket: what asks for it, what is refused, the accept value. */
#include "test/unit/unit.h"

#include "gateway/net/handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static struct request request;

static void add(const char *name, const char *value)
{
    request.headers[request.header_count++] =
        (struct request_header){str_of(name), str_of(value)};
}

/* A good one. */
static int setup(void **state)
{
    (void)state;
    request = (struct request){.method = STR("GET"), .path = STR("/")};
    add("Upgrade", "websocket");
    add("Connection", "keep-alive, Upgrade");
    add("Sec-WebSocket-Version", "13");
    add("Sec-WebSocket-Key", KEY);
    return 0;
}

static void change(size_t header, const char *value)
{
    request.headers[header].value = str_of(value);
}

static void assert_refused(enum err expected, const char *expected_why)
{
    const char *why = "unset";

    assert_int_equal(handshake_check(&request, &why), expected);
    if (expected_why == NULL) {
        assert_null(why);
    } else {
        assert_string_equal(why, expected_why);
    }
}

static void the_standards_own_example_is_answered_as_it_says(void **state)
{
    char accept[HANDSHAKE_ACCEPT_LENGTH + 1];

    (void)state;
    assert_true(handshake_wanted(&request));
    assert_refused(ERR_OK, NULL);
    handshake_accept(&request, accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void only_who_says_upgrade_websocket_asks_for_one(void **state)
{
    (void)state;
    change(0, "WebSocket");
    assert_true(handshake_wanted(&request));
    change(0, "h2c, websocket");
    assert_true(handshake_wanted(&request));
    change(0, "websockets");
    assert_false(handshake_wanted(&request));
    change(0, "");
    assert_false(handshake_wanted(&request));
    change(0, "websocket");
    request.http_1_0 = true; /* knows no Upgrade */
    assert_false(handshake_wanted(&request));
    request.http_1_0 = false;
    request.header_count = 0;
    assert_false(handshake_wanted(&request));
}

static void another_version_is_told_which_one_is_spoken(void **state)
{
    static const char *const rows[] = {"", "8", "012", "13, 8", " 13", "14"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        change(2, rows[i]);
        assert_refused(ERR_UPGRADE, NULL);
    }
}

static void a_connection_that_does_not_upgrade_is_refused(void **state)
{
    (void)state;
    change(1, "close");
    assert_refused(ERR_BAD_REQUEST, "Connection: Upgrade is missing");
    change(1, "upgrade"); /* any case */
    assert_refused(ERR_OK, NULL);
}

static void a_key_is_sixteen_bytes(void **state)
{
    static const char *const rows[] = {
        "",
        "dGhl",
        "dGhlIHNhbXBsZSBub25jZQ",       /* no padding */
        "dGhlIHNhbXBsZSBub25jZXh=",     /* 17 bytes */
        "dGhlIHNhbXBsZSBub25j",         /* 15 */
        "dGhlIHNhbXBsZSBub25jZQ==\n",   /* and more */
        "!!!!IHNhbXBsZSBub25jZQ==",     /* no base64 */
        "dGhlIHNhbXBs ZSBub25jZQ==",    /* blanks */
        "dGhlIHNhbXBsZSBub25jZQ==dGhl", /* behind the end */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        change(3, rows[i]);
        assert_refused(ERR_BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64");
    }
}

static void what_is_missing_is_refused_in_order(void **state)
{
    (void)state;
    request.header_count = 3; /* no key */
    assert_refused(ERR_BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64");
    change(1, "close");
    assert_refused(ERR_BAD_REQUEST, "Connection: Upgrade is missing");
    request.header_count = 0;
    assert_refused(ERR_UPGRADE, NULL);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_standards_own_example_is_answered_as_it_says),
        TEST(only_who_says_upgrade_websocket_asks_for_one),
        TEST(another_version_is_told_which_one_is_spoken),
        TEST(a_connection_that_does_not_upgrade_is_refused),
        TEST(a_key_is_sixteen_bytes),
        TEST(what_is_missing_is_refused_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
