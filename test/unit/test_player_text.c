/* What a player's client may say, field by field; and what it is told. */
#include "test/unit/unit.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/proto/player.h"

#define TIME "\"time_state_update\":\"2022-05-09T09:09:07+0000\""
#define AT   "1652087347000"

/* A command as it came out; empty texts for what was not there. */
struct expected {
    enum player_verb verb;
    enum script script;
    const char *time, *at, *track, *from, *from_id, *position;
};

/* Parses from memory of exact size, so that a sanitizer sees a byte read beyond it. */
static enum err parse(const char *text, size_t len, struct player_command *command,
                      char why[JSON_WHY_MAX])
{
    char *copy = mem_alloc(len);
    enum err err;

    memcpy(copy, text, len);
    err = player_parse(str_from(copy, len), command, why);
    mem_free(copy); /* nothing of a command points into the text */
    return err;
}

static void assert_command(const char *text, struct expected expected)
{
    struct player_command command;
    char why[JSON_WHY_MAX] = "";

    if (parse(text, strlen(text), &command, why) != ERR_OK) {
        fail_msg("%s: %s", text, why);
    }
    assert_int_equal(command.verb, expected.verb);
    assert_int_equal(command.script, expected.script);
    assert_str(command.time, expected.time);
    assert_str(command.at, expected.at);
    assert_str(command.track, expected.track);
    assert_str(command.from, expected.from);
    assert_str(command.from_id, expected.from_id);
    assert_str(command.position, expected.position);
    player_finish(&command);
}

static void assert_refused(const char *text, const char *sentence)
{
    struct player_command command;
    char why[JSON_WHY_MAX] = "";

    if (parse(text, strlen(text), &command, why) == ERR_OK) {
        fail_msg("taken: %s", text);
    }
    if (strcmp(why, sentence) != 0) {
        fail_msg("%s: \"%s\" instead of \"%s\"", text, why, sentence);
    }
    player_finish(&command);
}

/* A new track whose field stands in place of `%s`. */
static void assert_track(const char *field, const char *track, const char *from,
                         const char *from_id)
{
    char text[2048];

    snprintf(text, sizeof(text), "{\"type_push_state\":\"new_track\"," TIME ",%s}", field);
    assert_command(text,
                   (struct expected){PLAYER_NEW_TRACK, SCRIPT_player_new_track,
                                     "2022-05-09T09:09:07+0000", AT, track, from, from_id, ""});
}

static void assert_bad_track(const char *field, const char *sentence)
{
    char text[2048];

    snprintf(text, sizeof(text), "{\"type_push_state\":\"new_track\"," TIME ",%s}", field);
    assert_refused(text, sentence);
}

/* ---- the reference's messages ---- */

static void the_messages_of_the_reference_are_taken(void **state)
{
    (void)state;
    assert_command("{\"type_push_state\": \"new_track\", \"track_id\": 2, \"from_is\": "
                   "\"playlist\", \"from_is_id\": 2, "
                   "\"time_state_update\": \"2022-05-09T09:09:12+0000\"}",
                   (struct expected){PLAYER_NEW_TRACK, SCRIPT_player_new_track,
                                     "2022-05-09T09:09:12+0000", "1652087352000", "2",
                                     "playlist", "2", ""});
    assert_command("{\"type_push_state\": \"on_pause\", "
                   "\"time_state_update\": \"2022-05-09T09:10:12+0000\"}",
                   (struct expected){PLAYER_PAUSE, SCRIPT_player_pause,
                                     "2022-05-09T09:10:12+0000", "1652087412000", "", "", "",
                                     ""});
    assert_command("{\"type_push_state\": \"off_pause\", "
                   "\"time_state_update\": \"2022-05-09T09:12:12+0000\"}",
                   (struct expected){PLAYER_RESUME, SCRIPT_player_resume,
                                     "2022-05-09T09:12:12+0000", "1652087532000", "", "", "",
                                     ""});
    assert_command("{\"type_push_state\": \"change_position\", \"last_sec_position\": 84, "
                   "\"time_state_update\": \"2022-05-09T09:12:12+0000\"}",
                   (struct expected){PLAYER_SEEK, SCRIPT_player_seek,
                                     "2022-05-09T09:12:12+0000", "1652087532000", "", "", "",
                                     "84"});
}

static void fields_may_be_nested_under_data(void **state)
{
    (void)state;
    assert_command("{\"type_push_state\":\"change_position\",\"data\":{" TIME
                   ",\"last_sec_position\":1.5}}",
                   (struct expected){PLAYER_SEEK, SCRIPT_player_seek,
                                     "2022-05-09T09:09:07+0000", AT, "", "", "", "1.5"});
    assert_command("{\"data\":{\"track_id\":1," TIME "},\"type_push_state\":\"new_track\"}",
                   (struct expected){PLAYER_NEW_TRACK, SCRIPT_player_new_track,
                                     "2022-05-09T09:09:07+0000", AT, "1", "", "", ""});
}

static void an_object_under_data_counts_and_only_it(void **state)
{
    (void)state;
    assert_command("{\"type_push_state\":\"change_position\",\"last_sec_position\":1,"
                   "\"time_state_update\":\"nonsense\",\"data\":{" TIME
                   ",\"last_sec_position\":2}}",
                   (struct expected){PLAYER_SEEK, SCRIPT_player_seek,
                                     "2022-05-09T09:09:07+0000", AT, "", "", "", "2"});
    assert_refused("{\"type_push_state\":\"on_pause\"," TIME ",\"data\":{}}",
                   "time_state_update: is missing");
    assert_refused("{\"data\":{\"type_push_state\":\"on_pause\"," TIME "}}",
                   "type_push_state: is missing");
}

static void anything_else_under_data_is_not_looked_at(void **state)
{
    static const char *const values[] = {"null", "1", "\"x\"", "[]", "[{}]", "true"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[256];

        snprintf(text, sizeof(text), "{\"type_push_state\":\"on_pause\"," TIME ",\"data\":%s}",
                 values[i]);
        assert_command(text, (struct expected){PLAYER_PAUSE, SCRIPT_player_pause,
                                               "2022-05-09T09:09:07+0000", AT, "", "", "", ""});
    }
}

static void unknown_fields_are_ignored(void **state)
{
    (void)state;
    assert_command("{\"type_push_state\":\"on_pause\"," TIME ",\"x\":[1,{\"y\":null}],\"x\":2,"
                   "\"track_id\":{},\"last_sec_position\":-1}",
                   (struct expected){PLAYER_PAUSE, SCRIPT_player_pause,
                                     "2022-05-09T09:09:07+0000", AT, "", "", "", ""});
}

/* ---- what is no message ---- */

static void what_is_not_json_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "}",
                                        "{\"type_push_state\":\"on_pause\",}",
                                        "NaN",
                                        "{'a':1}",
                                        "{\"a\":01}",
                                        "\xff",
                                        "{\"a\":\"\\ud800\"}",
                                        "{\"a\":\"\\u0000\"}",
                                        "{\"a\":1e999}",
                                        "{} {}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct player_command command;
        char why[JSON_WHY_MAX] = "";

        assert_int_equal(parse(texts[i], strlen(texts[i]), &command, why), ERR_INVALID);
        assert_in_range(strlen(why), 1, JSON_WHY_MAX - 1);
        assert_null(command.json);
        player_finish(&command);
    }
}

static void json_that_is_no_object_is_refused(void **state)
{
    static const char *const texts[] = {
        "[]", "null", "1", "\"on_pause\"", "true", "[{\"type_push_state\":\"on_pause\"}]"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_refused(texts[i], "must be a JSON object");
    }
}

static void the_type_is_one_of_five_words(void **state)
{
    static const char *const unknown = "type_push_state: unknown command";

    (void)state;
    assert_refused("{}", "type_push_state: is missing");
    assert_refused("{\"type_push_state\":null}", "type_push_state: must be a string");
    assert_refused("{\"type_push_state\":1}", "type_push_state: must be a string");
    assert_refused("{\"type_push_state\":\"on_pause\",\"type_push_state\":\"on_pause\"}",
                   "type_push_state: stands there twice");
    assert_refused("{\"type_push_state\":\"\"}", unknown);
    assert_refused("{\"type_push_state\":\"ON_PAUSE\"}", unknown);
    assert_refused("{\"type_push_state\":\"on_pause \"}", unknown);
    assert_refused("{\"type_push_state\":\"on_pauses\"}", unknown);
    assert_refused("{\"type_push_state\":\"no_track_state\"}", unknown);
    assert_refused("{\"Type_push_state\":\"on_pause\"}", "type_push_state: is missing");
}

static void a_field_that_counts_stands_there_once(void **state)
{
    (void)state;
    assert_refused("{\"type_push_state\":\"on_pause\"," TIME "," TIME "}",
                   "time_state_update: stands there twice");
    assert_refused("{\"type_push_state\":\"on_pause\",\"data\":{" TIME "},\"data\":{" TIME "}}",
                   "data: stands there twice");
    assert_bad_track("\"track_id\":1,\"track_id\":1", "track_id: stands there twice");
}

/* ---- time ---- */

static void assert_time(const char *text, const char *at)
{
    char message[256];

    snprintf(message, sizeof(message),
             "{\"type_push_state\":\"on_pause\",\"time_state_update\":\"%s\"}", text);
    assert_command(message, (struct expected){PLAYER_PAUSE, SCRIPT_player_pause, text, at, "",
                                              "", "", ""});
}

static void assert_bad_time(const char *json, const char *sentence)
{
    char message[256];

    snprintf(message, sizeof(message),
             "{\"type_push_state\":\"on_pause\",\"time_state_update\":%s}", json);
    assert_refused(message, sentence);
}

static void time_is_kept_as_sent_and_read_in_every_form(void **state)
{
    (void)state;
    assert_time("2022-05-09T09:09:07+0000", AT);
    assert_time("2022-05-09T09:09:07Z", AT);
    assert_time("2022-05-09T09:09:07+00:00", AT);
    assert_time("2022-05-09T12:09:07+0300", AT);
    assert_time("2022-05-09T03:39:07-05:30", AT);
    assert_time("2022-05-09T09:09:07.1Z", "1652087347100");
    assert_time("2022-05-09T09:09:07.12Z", "1652087347120");
    assert_time("2022-05-09T09:09:07.123+0000", "1652087347123");
    assert_time("1969-12-31T23:59:59.999Z", "-1");
    assert_time("0000-01-01T00:00:00Z", "-62167219200000");
    assert_time("9999-12-31T23:59:59.999Z", "253402300799999");
}

static void a_time_that_does_not_exist_is_refused(void **state)
{
    static const char *const range = "time_state_update: must be a string of 1 to 40 bytes";

    (void)state;
    assert_refused("{\"type_push_state\":\"on_pause\"}", "time_state_update: is missing");
    assert_bad_time("\"2022-13-09T09:09:07Z\"", "time_state_update: month out of range");
    assert_bad_time("\"2022-02-29T09:09:07Z\"", "time_state_update: day out of range");
    assert_bad_time("\"2022-05-09T24:00:00Z\"", "time_state_update: hour out of range");
    assert_bad_time("\"2022-05-09T09:09:60Z\"", "time_state_update: second out of range");
    assert_bad_time("\"2022-05-09T09:09:07\"", "time_state_update: time zone missing");
    assert_bad_time("\"2022-05-09T09:09:07.1234Z\"",
                    "time_state_update: fraction must have one to three digits");
    assert_bad_time("\"2022-05-09T09:09:07.Z\"",
                    "time_state_update: fraction must have one to three digits");
    assert_bad_time("1652087347", range);
    assert_bad_time("null", range);
    assert_bad_time("\"\"", range);
    assert_bad_time("\"2022-05-09T09:09:07Z                     \"", range);
}

/* ---- tracks ---- */

static void ids_are_integers_or_strings(void **state)
{
    (void)state;
    assert_track("\"track_id\":1", "1", "", "");
    assert_track("\"track_id\":-7", "-7", "", "");
    assert_track("\"track_id\":0", "0", "", "");
    assert_track("\"track_id\":9007199254740991", "9007199254740991", "", "");
    assert_track("\"track_id\":-9007199254740991", "-9007199254740991", "", "");
    assert_track("\"track_id\":1.0", "1", "", "");
    assert_track("\"track_id\":2e2", "200", "", "");
    assert_track("\"track_id\":\"1\"", "\"1\"", "", "");
    assert_track("\"track_id\":\"\\u00e9\\\"\\/\"", "\"\xc3\xa9\\\"/\"", "", "");
    assert_track("\"track_id\":1,\"from_is_id\":\"four\"", "1", "", "\"four\"");
    assert_track("\"track_id\":\"one\",\"from_is_id\":4", "\"one\"", "", "4");
}

static void anything_else_is_no_id(void **state)
{
    static const char *const range =
        "track_id: must be an integer or a string of 1 to 128 bytes";
    static const char *const values[] = {"null", "true", "1.5",  "\"\"", "[]",
                                         "{}",   "[1]",  "1e30", "1e-5", "9007199254740992"};

    (void)state;
    assert_bad_track("\"from_is\":\"album\"", "track_id: is missing");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char field[64];

        snprintf(field, sizeof(field), "\"track_id\":%s", values[i]);
        assert_bad_track(field, range);
        snprintf(field, sizeof(field), "\"track_id\":1,\"from_is_id\":%s", values[i]);
        assert_bad_track(field, "from_is_id: must be an integer or a string of 1 to 128 bytes");
    }
}

/* The longest ids are those whose every byte needs an escape: what is written grows sixfold. */
static void ids_may_have_128_bytes_whatever_they_are(void **state)
{
    static const char *const units[] = {"x", "\\u0001", "\\\"", "\xc3\xa9"};
    static const size_t bytes[] = {1, 1, 1, 2};

    (void)state;
    for (size_t u = 0; u < 4; u++) {
        struct buf field = {0}, written = {0};

        buf_add_char(&written, '"');
        buf_add_text(&field, "\"from_is\":\"album\",\"track_id\":\"");
        for (size_t i = 0; i < PLAYER_ID_MAX / bytes[u]; i++) {
            buf_add_text(&field, units[u]);
            buf_add_text(&written, units[u]);
        }
        buf_add_char(&written, '"');
        buf_add_text(&field, "\",\"from_is_id\":");
        buf_add(&field, buf_str(&written));
        assert_track(buf_text(&field), buf_text(&written), "album", buf_text(&written));
        buf_clear(&field);
        buf_addf(&field, "\"track_id\":\"x%s", buf_text(&written) + 1);
        assert_bad_track(buf_text(&field),
                         "track_id: must be an integer or a string of 1 to 128 bytes");
        buf_finish(&field);
        buf_finish(&written);
    }
}

static void the_source_is_an_identifier(void **state)
{
    static const char *const letters = "from_is: must be letters, digits and _";
    static const char *const range = "from_is: must be a string of 1 to 32 bytes";

    (void)state;
    assert_track("\"track_id\":1,\"from_is\":\"album\"", "1", "album", "");
    assert_track("\"track_id\":1,\"from_is\":\"_A9z\"", "1", "_A9z", "");
    assert_track("\"track_id\":1,\"from_is\":\"01234567890123456789012345678901\"", "1",
                 "01234567890123456789012345678901", "");
    assert_bad_track("\"track_id\":1,\"from_is\":\"012345678901234567890123456789012\"", range);
    assert_bad_track("\"track_id\":1,\"from_is\":\"\"", range);
    assert_bad_track("\"track_id\":1,\"from_is\":null", range);
    assert_bad_track("\"track_id\":1,\"from_is\":1", range);
    assert_bad_track("\"track_id\":1,\"from_is\":\"al bum\"", letters);
    assert_bad_track("\"track_id\":1,\"from_is\":\"al-bum\"", letters);
    assert_bad_track("\"track_id\":1,\"from_is\":\"alb\xc3\xbcm\"", letters);
    assert_bad_track("\"track_id\":1,\"from_is\":\"a\\\"b\"", letters);
}

/* ---- positions ---- */

static void assert_position(const char *json, const char *written)
{
    char message[256];

    snprintf(message, sizeof(message),
             "{\"type_push_state\":\"change_position\"," TIME ",\"last_sec_position\":%s}",
             json);
    assert_command(message,
                   (struct expected){PLAYER_SEEK, SCRIPT_player_seek,
                                     "2022-05-09T09:09:07+0000", AT, "", "", "", written});
}

static void positions_are_numbers_from_0_on(void **state)
{
    (void)state;
    assert_position("0", "0");
    assert_position("-0", "0");
    assert_position("0.0", "0");
    assert_position("84", "84");
    assert_position("12.345", "12.345");
    assert_position("1e2", "100");
    assert_position("0.1", "0.1");
    assert_position("0.0000001", "1e-07");
    assert_position("9007199254740991", "9007199254740991");
}

static void anything_else_is_no_position(void **state)
{
    static const char *const values[] = {"-1", "-0.001", "1e300", "9007199254740992"};
    static const char *const others[] = {"\"84\"", "null", "true", "[]", "{}"};
    char message[256];

    (void)state;
    assert_refused("{\"type_push_state\":\"change_position\"," TIME "}",
                   "last_sec_position: is missing");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        snprintf(message, sizeof(message),
                 "{\"type_push_state\":\"change_position\"," TIME ",\"last_sec_position\":%s}",
                 values[i]);
        assert_refused(message, "last_sec_position: must be 0 to 9007199254740991 seconds");
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        snprintf(message, sizeof(message),
                 "{\"type_push_state\":\"change_position\"," TIME ",\"last_sec_position\":%s}",
                 others[i]);
        assert_refused(message, "last_sec_position: must be a number");
    }
}

/* ---- pings ---- */

static void assert_pong(const char *ping, const char *pong)
{
    struct player_command command;
    char why[JSON_WHY_MAX] = "";
    struct buf text = {0};

    assert_int_equal(parse(ping, strlen(ping), &command, why), ERR_OK);
    assert_int_equal(command.verb, PLAYER_PING);
    player_write_pong(&text, command.echo, 1652087347123);
    assert_str(buf_str(&text), pong);
    buf_finish(&text);
    player_finish(&command);
}

static void a_ping_is_echoed_whatever_it_carries(void **state)
{
    (void)state;
    assert_pong("{\"type_push_state\":\"ping\",\"t\":17}",
                "{\"type_push_state\":\"pong\",\"t\":17,\"server_time\":1652087347123}");
    assert_pong("{\"type_push_state\":\"ping\",\"t\":{\"a\":[1.5,\"\\n\",null,true]}}",
                "{\"type_push_state\":\"pong\",\"t\":{\"a\":[1.5,\"\\n\",null,true]},"
                "\"server_time\":1652087347123}");
    assert_pong("{\"type_push_state\":\"ping\",\"t\":null}",
                "{\"type_push_state\":\"pong\",\"t\":null,\"server_time\":1652087347123}");
    assert_pong("{\"type_push_state\":\"ping\"}",
                "{\"type_push_state\":\"pong\",\"t\":null,\"server_time\":1652087347123}");
    assert_pong("{\"type_push_state\":\"ping\",\"t\":1,\"data\":{\"t\":2}}",
                "{\"type_push_state\":\"pong\",\"t\":2,\"server_time\":1652087347123}");
}

/* ---- what is told ---- */

/* A script's answer as Redis would send it. */
static void assert_state(const char *resp, bool extended, const char *expected)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    struct buf text = {0};

    assert_int_equal(redisReaderFeed(reader, resp, strlen(resp)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    player_write_state(&text, reply, extended);
    assert_str(buf_str(&text), expected);
    buf_finish(&text);
    freeReplyObject(reply);
    redisReaderFree(reader);
}

#define HEAD     "*10\r\n$7\r\napplied\r\n:1652087347999\r\n:3\r\n"
#define NO_STATE HEAD "$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
#define STATE(paused, pos)                                                                     \
    HEAD "$16\r\n1652087347000017\r\n$1\r\n1\r\n$5\r\nalbum\r\n$3\r\n\"4\"\r\n$1\r\n" paused   \
         "\r\n" pos "\r\n$24\r\n2022-05-09T09:09:07+0000\r\n"

static void a_state_has_exactly_six_fields(void **state)
{
    (void)state;
    assert_state(STATE("0", "$2\r\n64"), false,
                 "{\"track_id\":1,\"from_is\":\"album\",\"from_is_id\":\"4\","
                 "\"on_pause\":false,\"last_sec_position\":64,"
                 "\"time_state_update\":\"2022-05-09T09:09:07+0000\"}");
    assert_state(STATE("1", "$6\r\n12.345"), false,
                 "{\"track_id\":1,\"from_is\":\"album\",\"from_is_id\":\"4\","
                 "\"on_pause\":true,\"last_sec_position\":12.345,"
                 "\"time_state_update\":\"2022-05-09T09:09:07+0000\"}");
}

static void no_state_is_said_so(void **state)
{
    (void)state;
    assert_state(NO_STATE, false, "{\"type_push_state\":\"no_track_state\"}");
    assert_state(NO_STATE, true,
                 "{\"type_push_state\":\"no_track_state\",\"seq\":0,"
                 "\"server_time\":1652087347999,\"devices\":3}");
}

static void an_extended_state_has_three_more(void **state)
{
    (void)state;
    assert_state(STATE("0", "$2\r\n64"), true,
                 "{\"track_id\":1,\"from_is\":\"album\",\"from_is_id\":\"4\","
                 "\"on_pause\":false,\"last_sec_position\":64,"
                 "\"time_state_update\":\"2022-05-09T09:09:07+0000\","
                 "\"seq\":1652087347000017,\"server_time\":1652087347999,\"devices\":3}");
}

static void a_reason_is_told_as_json(void **state)
{
    struct buf text = {0};

    (void)state;
    player_write_invalid(&text, "rate_limited");
    player_write_invalid(&text, "a \"b\"\\");
    assert_str(buf_str(&text),
               "{\"type_push_state\":\"invalid_format\",\"reason\":\"rate_limited\"}"
               "{\"type_push_state\":\"invalid_format\",\"reason\":\"a \\\"b\\\"\\\\\"}");
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_messages_of_the_reference_are_taken),
        cmocka_unit_test(fields_may_be_nested_under_data),
        cmocka_unit_test(an_object_under_data_counts_and_only_it),
        cmocka_unit_test(anything_else_under_data_is_not_looked_at),
        cmocka_unit_test(unknown_fields_are_ignored),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(json_that_is_no_object_is_refused),
        cmocka_unit_test(the_type_is_one_of_five_words),
        cmocka_unit_test(a_field_that_counts_stands_there_once),
        cmocka_unit_test(time_is_kept_as_sent_and_read_in_every_form),
        cmocka_unit_test(a_time_that_does_not_exist_is_refused),
        cmocka_unit_test(ids_are_integers_or_strings),
        cmocka_unit_test(anything_else_is_no_id),
        cmocka_unit_test(ids_may_have_128_bytes_whatever_they_are),
        cmocka_unit_test(the_source_is_an_identifier),
        cmocka_unit_test(positions_are_numbers_from_0_on),
        cmocka_unit_test(anything_else_is_no_position),
        cmocka_unit_test(a_ping_is_echoed_whatever_it_carries),
        cmocka_unit_test(a_state_has_exactly_six_fields),
        cmocka_unit_test(no_state_is_said_so),
        cmocka_unit_test(an_extended_state_has_three_more),
        cmocka_unit_test(a_reason_is_told_as_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
