/* What a client of a feed may say, and the texts that it is told. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/proto/feed.h"

#define ID "0b1a2c3d-0000-4000-8000-0123456789ab"

static const struct {
    const char *type;
    enum feed_verb verb;
} verbs[] = {
    {"connect", FEED_CONNECT},         {"subscribe", FEED_SUBSCRIBE},
    {"unsubscribe", FEED_UNSUBSCRIBE}, {"ping", FEED_PING},
    {"disconnect", FEED_DISCONNECT},
};

enum {
    VERBS = sizeof(verbs) / sizeof(verbs[0])
};

static enum err parse(const char *text, enum feed_verb *verb, char why[JSON_WHY_MAX])
{
    return feed_parse(str_of(text), STR(ID), verb, why);
}

static void every_message_of_the_reference_is_understood(void **state)
{
    char text[256], why[JSON_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < VERBS; i++) {
        enum feed_verb verb = FEED_PING;

        snprintf(text, sizeof(text),
                 "{\n  \"type\": \"%s\",\n  \"payload\": {\n    \"id\": "
                 "\"" ID "\"\n  }\n}",
                 verbs[i].type);
        assert_int_equal(parse(text, &verb, why), ERR_OK);
        assert_int_equal(verb, verbs[i].verb);
    }
}

static void further_fields_and_their_order_do_not_matter(void **state)
{
    char why[JSON_WHY_MAX];
    enum feed_verb verb = FEED_PING;

    (void)state;
    assert_int_equal(parse("{\"a\":[1],\"payload\":{\"b\":null,\"id\":\"" ID
                           "\"},\"type\":\"subscribe\"}",
                           &verb, why),
                     ERR_OK);
    assert_int_equal(verb, FEED_SUBSCRIBE);
}

static void anothers_id_is_told_apart_from_none(void **state)
{
    static const char *const ids[] = {
        "\"\"", "\"" ID " \"", "\"0B1A2C3D-0000-4000-8000-0123456789AB\"", "\"0b1a2c3d\""};
    char text[256], why[JSON_WHY_MAX];
    enum feed_verb verb;

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        snprintf(text, sizeof(text), "{\"type\":\"ping\",\"payload\":{\"id\":%s}}", ids[i]);
        assert_int_equal(parse(text, &verb, why), ERR_FORBIDDEN);
        assert_string_equal(why, "payload.id: is not the id of this connection");
    }
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"[]", "must be a JSON object"},
        {"\"ping\"", "must be a JSON object"},
        {"{}", "type: is missing"},
        {"{\"type\":\"ping\"}", "payload: is missing"},
        {"{\"type\":1,\"payload\":{}}", "type: must be a string"},
        {"{\"type\":\"ping\",\"payload\":[]}", "payload: must be an object"},
        {"{\"type\":\"ping\",\"payload\":null}", "payload: must be an object"},
        {"{\"type\":\"ping\",\"payload\":{}}", "payload.id: is missing"},
        {"{\"type\":\"ping\",\"payload\":{\"id\":7}}", "payload.id: must be a string"},
        {"{\"type\":\"ping\",\"payload\":{\"id\":\"a\",\"id\":\"a\"}}",
         "payload.id: stands there twice"},
        {"{\"type\":\"ping\",\"type\":\"ping\",\"payload\":{\"id\":\"a\"}}",
         "type: stands there twice"},
        {"{\"type\":\"PING\",\"payload\":{\"id\":\"" ID "\"}}",
         "type: must be connect, subscribe, unsubscribe, ping or disconnect"},
        {"{\"type\":\"initial\",\"payload\":{\"id\":\"" ID "\"}}",
         "type: must be connect, subscribe, unsubscribe, ping or disconnect"},
    };
    enum feed_verb verb;
    char why[JSON_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(rows[i].text, &verb, why), ERR_INVALID);
        assert_string_equal(why, rows[i].why);
    }
}

static void a_cut_message_is_none(void **state)
{
    static const char text[] = "{\"type\":\"ping\",\"payload\":{\"id\":\"" ID "\"}}";
    enum feed_verb verb;
    char why[JSON_WHY_MAX];

    (void)state;
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        why[0] = '\0';
        assert_int_equal(feed_parse(str_from(text, len), STR(ID), &verb, why), ERR_INVALID);
        assert_true(why[0] != '\0');
    }
}

static void texts_are_the_references(void **state)
{
    struct buf text = {0};

    (void)state;
    feed_write_initial(&text, STR(ID));
    assert_str(buf_str(&text), "{\"type\":\"initial\",\"payload\":{\"id\":\"" ID "\"}}");
    buf_clear(&text);
    feed_write_confirmation(&text);
    assert_str(buf_str(&text),
               "{\"type\":\"subscribe_confirmation\",\"payload\":{\"status\":\"ok\"}}");
    buf_clear(&text);
    feed_write_error(&text, "wrong_id", "say \"who\"");
    assert_str(buf_str(&text), "{\"type\":\"error\",\"payload\":{\"code\":\"wrong_id\","
                               "\"message\":\"say \\\"who\\\"\"}}");
    buf_clear(&text);
    feed_write_line(&text, STR("a \"wolf\"\n\x1e"));
    assert_str(buf_str(&text), "{\"type\":\"wisdom_distribution\",\"payload\":{\"message\":"
                               "\"a \\\"wolf\\\"\\n\\u001e\"}}");
    buf_clear(&text);
    feed_write_event(&text, STR("wisdom"), STR("howl\\"));
    assert_str(buf_str(&text),
               "\"wisdom_distribution\",{\"topic\":\"wisdom\",\"message\":\"howl\\\\\"}");
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_of_the_reference_is_understood),
        cmocka_unit_test(further_fields_and_their_order_do_not_matter),
        cmocka_unit_test(anothers_id_is_told_apart_from_none),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_cut_message_is_none),
        cmocka_unit_test(texts_are_the_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
