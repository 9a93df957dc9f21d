/* What a member of a room may say, field by field; and what it is told. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/proto/chat.h"

/* Parses from memory of exact size, so that a sanitizer sees a byte read beyond it. */
static enum err parse(struct str text, struct chat_command *command, char why[JSON_WHY_MAX])
{
    char *copy = mem_alloc(text.len);
    enum err err;

    memcpy(copy, text.at, text.len);
    err = chat_parse(str_from(copy, text.len), command, why);
    mem_free(copy); /* nothing of a command points into the text */
    return err;
}

static void assert_message(const char *json, const char *text, const char *name)
{
    struct chat_command command;
    char why[JSON_WHY_MAX] = "";

    if (parse(str_of(json), &command, why) != ERR_OK) {
        fail_msg("%s: %s", json, why);
    }
    assert_int_equal(command.verb, CHAT_MESSAGE);
    assert_str(command.message.text, text);
    assert_str(command.message.name, name);
    chat_finish(&command);
}

static void assert_refused(const char *json, const char *sentence)
{
    struct chat_command command;
    char why[JSON_WHY_MAX] = "";

    if (parse(str_of(json), &command, why) == ERR_OK) {
        fail_msg("taken: %s", json);
    }
    if (strcmp(why, sentence) != 0) {
        fail_msg("%s: \"%s\" instead of \"%s\"", json, why, sentence);
    }
    chat_finish(&command);
}

static void messages_are_taken(void **state)
{
    (void)state;
    assert_message("{\"type\":\"message\",\"text\":\"hello\"}", "hello", "");
    assert_message(" {\"name\":\"Ann\" , \"text\":\" \", \"type\":\"message\"} ", " ", "Ann");
    assert_message("{\"type\":\"message\",\"text\":\"\\u00e9\\n\",\"name\":\"\"}", "\xc3\xa9\n",
                   "");
    assert_message("{\"type\":\"message\",\"text\":\"<b>\",\"id\":1,\"more\":[{}]}", "<b>", "");
}

static void leave_needs_nothing(void **state)
{
    struct chat_command command;
    char why[JSON_WHY_MAX];

    (void)state;
    assert_int_equal(parse(STR("{\"type\":\"leave\",\"text\":5}"), &command, why), ERR_OK);
    assert_int_equal(command.verb, CHAT_LEAVE);
    chat_finish(&command);
}

static void refusals_name_the_field(void **state)
{
    (void)state;
    assert_refused("[]", "must be a JSON object");
    assert_refused("{}", "type: is missing");
    assert_refused("{\"type\":\"joined\"}", "type: must be message or leave");
    assert_refused("{\"type\":\"message\"}", "text: is missing");
    assert_refused("{\"type\":\"message\",\"text\":\"\"}",
                   "text: must be a string of 1 to 4096 bytes");
    assert_refused("{\"type\":\"message\",\"text\":7}",
                   "text: must be a string of 1 to 4096 bytes");
    assert_refused("{\"type\":\"message\",\"text\":\"x\",\"name\":7}",
                   "name: must be a string of at most 64 bytes");
}

/* A message whose text and name have these lengths. */
static enum err try_lengths(size_t text_len, size_t name_len)
{
    struct buf json = {0};
    struct chat_command command;
    char why[JSON_WHY_MAX];
    enum err err;

    buf_add_text(&json, "{\"type\":\"message\",\"text\":\"");
    memset(buf_reserve(&json, text_len), 't', text_len);
    json.len += text_len;
    buf_add_text(&json, "\",\"name\":\"");
    memset(buf_reserve(&json, name_len), 'n', name_len);
    json.len += name_len;
    buf_add_text(&json, "\"}");
    err = chat_parse(buf_str(&json), &command, why);
    if (err == ERR_OK) {
        assert_int_equal(command.message.text.len, text_len);
        assert_int_equal(command.message.name.len, name_len);
    }
    chat_finish(&command);
    buf_finish(&json);
    return err;
}

static void lengths_are_bytes_and_bounded(void **state)
{
    (void)state;
    assert_int_equal(try_lengths(1, 1), ERR_OK);
    assert_int_equal(try_lengths(CHAT_TEXT_MAX, CHAT_NAME_MAX), ERR_OK);
    assert_int_equal(try_lengths(CHAT_TEXT_MAX + 1, 1), ERR_INVALID);
    assert_int_equal(try_lengths(1, CHAT_NAME_MAX + 1), ERR_INVALID);
    assert_int_equal(try_lengths(0, 1), ERR_INVALID);
}

static void a_message_lacks_only_its_end(void **state)
{
    struct chat_message message = {STR("\"\\\n<b>"), STR("")};
    struct buf text = {0};
    const char *why;

    (void)state;
    chat_write_message(&text, STR("me"), STR("den"), &message);
    assert_str(buf_str(&text), "{\"type\":\"message\",\"clientId\":\"me\",\"roomId\":\"den\","
                               "\"text\":\"\\\"\\\\\\n<b>\"");
    buf_add_text(&text, ",\"id\":\"1\"}");
    assert_int_equal(json_check(buf_str(&text), &why), ERR_OK);
    buf_clear(&text);
    message.name = STR("Ann");
    chat_write_message(&text, str_from("", 0), STR("den"), &message);
    assert_str(buf_str(&text), "{\"type\":\"message\",\"clientId\":null,\"roomId\":\"den\","
                               "\"name\":\"Ann\",\"text\":\"\\\"\\\\\\n<b>\"");
    buf_finish(&text);
}

static void changes_are_read_as_the_scripts_write_them(void **state)
{
    static const char *const bad[] = {
        "",          "1",          "1 m",         "1 m -",
        "1 m - ",    "x m - {}",   " m - {}",     "1 mm - {}",
        "1  - {}",   "-1 m - {}",  "1.5 m - {}",  "99999999999999999999 m - {}",
        "2 m -/ {}", "2 m -/x {}", "2 m -/-1 {}", "2 m -/1/1 {}",
    };
    struct chat_change change;

    (void)state;
    assert_true(chat_read_change(STR("1763745600000001 m - {\"text\":\"a b\"}"), &change));
    assert_true(change.seq == 1763745600000001);
    assert_int_equal(change.kind, 'm');
    assert_str(change.origin, "-");
    assert_str(change.frame, "{\"text\":\"a b\"}");
    assert_true(chat_read_change(STR("2 j 0b1a2c3d-0000-4000-8 {}"), &change));
    assert_int_equal(change.kind, 'j');
    assert_str(change.origin, "0b1a2c3d-0000-4000-8");
    assert_int_equal(change.prev, 1); /* as earlier releases counted */
    assert_true(chat_read_change(STR("17 l 0b1a2c3d-0000-4000-8/12 {}"), &change));
    assert_str(change.origin, "0b1a2c3d-0000-4000-8");
    assert_int_equal(change.seq, 17);
    assert_int_equal(change.prev, 12);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (chat_read_change(str_of(bad[i]), &change)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

#define WELCOME                                                                                \
    "{\"type\":\"welcome\",\"clientId\":\"me\",\"roomId\":\"den\",\"members\":3,\"history\":["

static void assert_welcome(size_t limit, const char *history)
{
    static const struct chat_change changes[] = {
        {1, 0, 'm', {"-", 1}, {"{\"n\":1}", 7}}, {2, 1, 'j', {"x", 1}, {"joined", 6}},
        {3, 2, 'm', {"-", 1}, {"{\"n\":3}", 7}}, {4, 3, 'm', {"-", 1}, {"{\"n\":4}", 7}},
        {5, 4, 'l', {"x", 1}, {"left", 4}},
    };
    struct chat_welcome welcome = {STR("me"), STR("den"), 3, changes, 5};
    struct buf text = {0}, expected = {0};

    buf_add_text(&expected, WELCOME);
    buf_addf(&expected, "%s]}", history);
    buf_add_text(&text, "before");
    chat_write_welcome(&text, &welcome, limit);
    assert_str(str_skip(buf_str(&text), 6), buf_text(&expected));
    assert_true(text.len - 6 <= limit || history[0] == '\0');
    buf_finish(&text);
    buf_finish(&expected);
}

static void a_welcome_has_the_messages_that_fit_the_newest_first_of_all(void **state)
{
    size_t bare = strlen(WELCOME) + 2;

    (void)state;
    assert_welcome(1000, "{\"n\":1},{\"n\":3},{\"n\":4}");
    for (size_t limit = bare; limit < bare + 40; limit++) {
        assert_welcome(limit, limit < bare + 9    ? ""
                              : limit < bare + 17 ? "{\"n\":4}"
                              : limit < bare + 25 ? "{\"n\":3},{\"n\":4}"
                                                  : "{\"n\":1},{\"n\":3},{\"n\":4}");
    }
    assert_welcome(0, "");
}

static void a_welcome_shows_fifty_of_all_that_is_known(void **state)
{
    struct chat_change changes[80];
    struct chat_welcome welcome = {STR("me"), STR("den"), 3, changes, 80};
    struct buf text = {0};
    size_t shown = 0;

    (void)state;
    for (unsigned i = 0; i < 80; i++) {
        changes[i] = (struct chat_change){i + 1, i, i == 79 ? 'j' : 'm', STR("-"), STR("{}")};
    }
    changes[28].frame = STR("{\"left out\":1}");
    chat_write_welcome(&text, &welcome, 10000);
    for (const char *at = buf_text(&text); (at = strstr(at, "{}")) != NULL; at++) {
        shown++;
    }
    assert_int_equal(shown, CHAT_HISTORY_MAX);
    assert_null(strstr(buf_text(&text), "left out"));
    buf_finish(&text);
}

static void an_error_is_code_and_sentence(void **state)
{
    struct buf text = {0};

    (void)state;
    chat_write_error(&text, "invalid_format", "text: \"x\"");
    assert_str(buf_str(&text), "{\"type\":\"error\",\"code\":\"invalid_format\","
                               "\"message\":\"text: \\\"x\\\"\"}");
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_taken),
        cmocka_unit_test(leave_needs_nothing),
        cmocka_unit_test(refusals_name_the_field),
        cmocka_unit_test(lengths_are_bytes_and_bounded),
        cmocka_unit_test(a_message_lacks_only_its_end),
        cmocka_unit_test(changes_are_read_as_the_scripts_write_them),
        cmocka_unit_test(a_welcome_shows_fifty_of_all_that_is_known),
        cmocka_unit_test(a_welcome_has_the_messages_that_fit_the_newest_first_of_all),
        cmocka_unit_test(an_error_is_code_and_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
