/* What adapters and emitters publish: whom it is for, and what it says. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/mem.h"
#include "gateway/adapter/emission.h"

#define BYTES(literal) str_from(literal, sizeof(literal) - 1)

/* [uid, {type: 2, data: ["hi", 1], nsp: "/"}, OPTIONS] */
#define HEAD                                                                                   \
    "\x93\xa7"                                                                                 \
    "emitter\x83\xa4type\x02\xa4"                                                              \
    "data\x92\xa2hi\x01\xa3nsp\xa1/"

enum {
    LONGEST = 64
};

static struct emission emission;
static struct buf seen;

/* Verb, whom for and the event; or "!" and why. */
static const char *note(enum err err, enum emission_verb verb, const char *why)
{
    static const char *const verbs[] = {"event", "disconnect", "nothing"};
    struct str rest = buf_str(&emission.rooms), room;

    buf_clear(&seen);
    if (err != ERR_OK) {
        buf_addf(&seen, "!%s", why);
        return buf_text(&seen);
    }
    buf_add_text(&seen, verbs[verb]);
    buf_add_text(&seen, emission.everybody ? " *" : "");
    while (emission_next_room(&rest, &room)) {
        buf_addf(&seen, " %.*s", STR_ARG(room));
    }
    if (emission.event.len > 0) {
        buf_addf(&seen, ": %.*s", STR_ARG(buf_str(&emission.event)));
    }
    return buf_text(&seen);
}

static const char *read_bytes(struct str bytes)
{
    enum emission_verb verb = EMISSION_NOTHING;
    const char *why = NULL;
    enum err err = emission_read(&emission, bytes, LONGEST, &verb, &why);

    return note(err, verb, why);
}

static const char *read_request(const char *text)
{
    enum emission_verb verb = EMISSION_NOTHING;
    const char *why = NULL;
    enum err err = emission_read_request(&emission, str_of(text), &verb, &why);

    return note(err, verb, why);
}

static void rooms_are_users_and_none_is_everybody(void **state)
{
    (void)state;
    assert_string_equal(read_bytes(BYTES(HEAD "\x82\xa5rooms\x92\xa2"
                                              "42\xa1"
                                              "b\xa6"
                                              "except\x90")),
                        "event 42 b: \"hi\",1");
    assert_string_equal(read_bytes(BYTES(HEAD "\x82\xa5rooms\x90\xa5"
                                              "flags\x80")),
                        "event *: \"hi\",1");
    assert_string_equal(read_bytes(BYTES(HEAD "\x80")), "event *: \"hi\",1");
    assert_string_equal(read_bytes(BYTES(HEAD "\x82\xa5rooms\xc0\xa6"
                                              "except\xc0")),
                        "event *: \"hi\",1");
    assert_string_equal(read_bytes(BYTES(HEAD "\x81\xa5rooms\x93\x2a\xff\xce\x00\x01\x00\x00")),
                        "event 42 -1 65536: \"hi\",1");
}

static void who_is_excepted_is_left_out(void **state)
{
    (void)state;
    assert_string_equal(read_bytes(BYTES(HEAD "\x82\xa5rooms\x93\xa1"
                                              "a\xa1"
                                              "b\x07\xa6"
                                              "except\x93\xa1"
                                              "a\xa1"
                                              "7\xa1"
                                              "c")),
                        "event b: \"hi\",1");
    assert_string_equal(read_bytes(BYTES(HEAD "\x82\xa5rooms\x91\xa1"
                                              "a\xa6"
                                              "except\x91\xa1"
                                              "a")),
                        "event: \"hi\",1");
    assert_string_equal(read_bytes(BYTES(HEAD "\x81\xa6"
                                              "except\x91\xa1"
                                              "a")),
                        "!everybody but some can't be told");
}

static void a_room_that_no_user_can_be_called_is_nobodys(void **state)
{
    (void)state;
    assert_string_equal(read_bytes(BYTES(HEAD "\x81\xa5rooms\x94\xa0\xa1\n\xa1\xff\xa1"
                                              "a")),
                        "event a: \"hi\",1");
    assert_string_equal(read_bytes(BYTES(HEAD "\x81\xa5rooms\x91\xa0")), "event: \"hi\",1");
}

static void too_many_rooms_are_refused(void **state)
{
    struct buf bytes = {0};

    (void)state;
    for (int count = EMISSION_ROOMS_MAX; count <= EMISSION_ROOMS_MAX + 1; count++) {
        buf_clear(&bytes);
        buf_add(&bytes, BYTES(HEAD "\x81\xa5rooms\xdc"));
        buf_add_char(&bytes, (char)(count >> 8));
        buf_add_char(&bytes, (char)count);
        for (int i = 0; i < count; i++) {
            buf_add_char(&bytes, 0x05);
        }
        read_bytes(buf_str(&bytes));
        assert_true(str_starts(buf_str(&seen), count == EMISSION_ROOMS_MAX
                                                   ? STR("event 5 5")
                                                   : STR("!more rooms than")));
    }
    buf_finish(&bytes);
}

static void only_plain_events_of_the_main_namespace_are_told(void **state)
{
    static const char *const malformed = "!it is not what an adapter publishes";

    (void)state;
    assert_string_equal(read_bytes(BYTES("\x93\x01\x82\xa4type\x02\xa3nsp\xa2/a\x80")),
                        "nothing");
    assert_string_equal(read_bytes(BYTES("\x93\x01\x82\xa4type\x05\xa4"
                                         "data\x90\x80")),
                        "!only events without binary data are understood");
    assert_string_equal(read_bytes(BYTES("\x93\x01\x81\xa4"
                                         "data\x90\x80")),
                        "!only events without binary data are understood");
    assert_string_equal(read_bytes(BYTES("\x93\x01\x82\xa4type\x02\xa4"
                                         "data\x91\xa1x\x80")),
                        "event *: \"x\"");
    assert_string_equal(read_bytes(BYTES("\x94\x01\x82\xa4type\x02\xa4"
                                         "data\x91\xa1x\x80\x01")),
                        "event *: \"x\"");
    assert_string_equal(read_bytes(BYTES("\x93\x01\x82\xa4type\x02\xa4"
                                         "data\x91\x01\x80")),
                        "!the event's name is no text");
    assert_string_equal(read_bytes(BYTES("\x93\x01\x82\xa4type\x02\xa4"
                                         "data\x91\xa7"
                                         "connect\x80")),
                        "!the event's name is reserved by Socket.IO");
    assert_string_equal(read_bytes(BYTES("\x93\x01\x82\xa4type\x02\xa4"
                                         "data\x92\xa1x\xc4\x00\x80")),
                        "!binary data, which can't be kept");
    assert_string_equal(read_bytes(BYTES("\x93\x01\x82\xa4type\x02\xa4"
                                         "data\x90\x80")),
                        malformed);
    assert_string_equal(read_bytes(BYTES("\x93\x01\x82\xa4type\x02\xa4"
                                         "data\x80\x80")),
                        malformed);
    assert_string_equal(read_bytes(BYTES("\x93\x01\x81\xa4type\x02\x80")), malformed);
    assert_string_equal(read_bytes(BYTES("\x93\x01\x02\x80")), malformed);
    assert_string_equal(read_bytes(BYTES("\x92\x01\x80")), malformed);
    assert_string_equal(read_bytes(BYTES("\x80")), malformed);
    assert_string_equal(read_bytes(BYTES(HEAD "\xc0")), malformed);
    assert_string_equal(read_bytes(BYTES(HEAD "\x81\xa5rooms\x01")), malformed);
    assert_string_equal(read_bytes(BYTES(HEAD "\x81\xa5rooms\x91\xc3")), malformed);
    assert_string_equal(read_bytes(BYTES(HEAD "\x82\xa5rooms\x90\xa6"
                                              "except\xa1"
                                              "a")),
                        malformed);
    assert_string_equal(read_bytes(BYTES("")), "!it is not MessagePack, or cut off");
}

static void an_event_may_be_as_long_as_allowed_in_json(void **state)
{
    struct buf bytes = {0};

    (void)state;
    for (int len = LONGEST - 6; len <= LONGEST - 5; len++) { /* "x","..." */
        buf_clear(&bytes);
        buf_add(&bytes, BYTES("\x93\x01\x82\xa4type\x02\xa4"
                              "data\x92\xa1x\xd9"));
        buf_add_char(&bytes, (char)len);
        for (int i = 0; i < len; i++) {
            buf_add_char(&bytes, 'y');
        }
        buf_add_char(&bytes, (char)0x80);
        assert_string_equal(
            str_starts(str_of(read_bytes(buf_str(&bytes))), STR("event")) ? "event"
                                                                          : buf_text(&seen),
            len == LONGEST - 6 ? "event" : "!the event is longer than --max-message");
    }
    buf_finish(&bytes);
}

static void of_requests_only_disconnecting_rooms_is_understood(void **state)
{
    (void)state;
    assert_string_equal(read_request("{\"type\":4,\"opts\":{\"rooms\":[\"a\",7,\"b\"],"
                                     "\"except\":[\"b\"]},\"close\":true}"),
                        "disconnect a 7");
    assert_string_equal(read_request("{\"type\":4,\"opts\":{\"rooms\":[\"\",\"a\"]}}"),
                        "disconnect a");
    assert_string_equal(read_request("{\"type\":4,\"opts\":{\"rooms\":[]}}"),
                        "!everybody can't be disconnected");
    assert_string_equal(read_request("{\"type\":4}"), "!everybody can't be disconnected");
    assert_string_equal(read_request("{\"type\":4,\"opts\":{\"rooms\":[],\"except\":[\"a\"]}}"),
                        "!everybody but some can't be told");
    assert_string_equal(read_request("{\"type\":4,\"opts\":{\"rooms\":\"a\"}}"),
                        "!it is not what an adapter publishes");
    assert_string_equal(read_request("{\"type\":4,\"opts\":{\"rooms\":[{}]}}"),
                        "!it is not what an adapter publishes");
    assert_string_equal(
        read_request("{\"type\":2,\"opts\":{\"rooms\":[\"a\"]},\"rooms\":[\"b\"]}"), "nothing");
    assert_string_equal(read_request("{\"uid\":\"emitter\",\"type\":6,\"data\":[\"x\"]}"),
                        "nothing");
    assert_string_equal(read_request("{}"), "nothing");
    assert_string_equal(read_request("{\"type\":\"4\"}"), "nothing");
    assert_string_equal(read_request("\x81"), "nothing");
    assert_string_equal(read_request(""), "nothing");
    assert_true(read_request("{")[0] == '!');
}

static int finish(void **state)
{
    (void)state;
    emission_finish(&emission);
    buf_finish(&seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rooms_are_users_and_none_is_everybody),
        cmocka_unit_test(who_is_excepted_is_left_out),
        cmocka_unit_test(a_room_that_no_user_can_be_called_is_nobodys),
        cmocka_unit_test(too_many_rooms_are_refused),
        cmocka_unit_test(only_plain_events_of_the_main_namespace_are_told),
        cmocka_unit_test(an_event_may_be_as_long_as_allowed_in_json),
        cmocka_unit_test(of_requests_only_disconnecting_rooms_is_understood),
    };

    return cmocka_run_group_tests(tests, NULL, finish);
}
