/* What playback's clients may say and are told. */
#include "test/unit/unit.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/proto/playback_text.h"

/* ---- commands ---- */

/* The event, or the reason why not. */
static struct buf command_of(const char *text)
{
    struct playback_command command;
    char why[JSON_WHY_MAX];
    struct buf to = {0};
    cJSON *json = cJSON_Parse(text);

    assert_non_null(json);
    if (playback_read_command(json, &command, why) == ERR_OK) {
        playback_write_command(&to, &command);
    } else {
        buf_add_text(&to, why);
    }
    cJSON_Delete(json);
    return to;
}

static void a_command_becomes_its_event_or_a_named_field(void **state)
{
#define EVENT(rest) "\"carplay_command\",{\"command\":" rest "}"
    static const char *const rows[][2] = {
        {"{\"command\":\"play\"}", EVENT("\"play\"")},
        {"{\"command\":\"pause\",\"value\":null}", EVENT("\"pause\"")},
        {"{\"command\":\"next\",\"userId\":7}", EVENT("\"next\"")},
        {"{\"command\":\"previous\",\"value\":3}", EVENT("\"previous\",\"value\":3")},
        {"{\"command\":\"seek\",\"value\":30}", EVENT("\"seek\",\"value\":30")},
        {"{\"value\":0.25,\"command\":\"seek\"}", EVENT("\"seek\",\"value\":0.25")},
        {"{\"command\":\"seek\",\"value\":0}", EVENT("\"seek\",\"value\":0")},
        {"{\"command\":\"seek\",\"value\":-0.0}", EVENT("\"seek\",\"value\":0")},
        {"{\"command\":\"seek\",\"value\":9007199254740991}",
         EVENT("\"seek\",\"value\":9007199254740991")},
        {"[]", "must be an object"},
        {"{}", "command: is missing"},
        {"{\"command\":null}", "command: must be a string"},
        {"{\"command\":1}", "command: must be a string"},
        {"{\"command\":\"\"}", "command: must be play, pause, next, previous or seek"},
        {"{\"command\":\"Play\"}", "command: must be play, pause, next, previous or seek"},
        {"{\"command\":\"play\",\"command\":\"pause\"}", "command: stands there twice"},
        {"{\"command\":\"seek\"}", "value: must be a number of seconds, 0 to 9007199254740991"},
        {"{\"command\":\"seek\",\"value\":null}",
         "value: must be a number of seconds, 0 to 9007199254740991"},
        {"{\"command\":\"seek\",\"value\":-1}",
         "value: must be a number of seconds, 0 to 9007199254740991"},
        {"{\"command\":\"seek\",\"value\":1e300}",
         "value: must be a number of seconds, 0 to 9007199254740991"},
        {"{\"command\":\"seek\",\"value\":\"30\"}",
         "value: must be a number of seconds, 0 to 9007199254740991"},
        {"{\"command\":\"play\",\"value\":\"30\"}", "value: must be a number"},
        {"{\"command\":\"play\",\"value\":1,\"value\":2}", "value: stands there twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf got = command_of(rows[i][0]);

        assert_str(buf_str(&got), rows[i][1]);
        buf_finish(&got);
    }
}

/* ---- states ---- */

/* Its parts with a bar behind each; or the reason why not. */
static struct buf state_of(const char *text)
{
    struct playback_update update;
    char why[JSON_WHY_MAX];
    struct buf to = {0};
    cJSON *json = cJSON_Parse(text);

    assert_non_null(json);
    if (playback_read_state(json, &update, why) == ERR_OK) {
        for (int i = 0; i < PLAYBACK_PARTS; i++) {
            buf_add(&to, update.parts[i]);
            buf_add_char(&to, '|');
        }
    } else {
        buf_add_text(&to, why);
    }
    playback_finish(&update);
    cJSON_Delete(json);
    return to;
}

#define BASE "\"isPlaying\":true,\"currentTime\":1.5"
static const char *const states[][2] = {
    {"{" BASE "}", "1|1.5||||||||"},
    {"{\"isPlaying\":false,\"currentTime\":0,\"mediaId\":7}", "0|0|7|||||||"},
    {"{" BASE ",\"mediaId\":\"a\\u0001\"}", "1|1.5|\"a\\u0001\"|||||||"},
    {"{" BASE ",\"mediaId\":-3,\"duration\":200.5,\"mediaTitle\":\"T\\\"\","
     "\"mediaArtist\":\"A\",\"mediaAlbum\":\"\",\"mediaType\":\"music\",\"userId\":9,"
     "\"socketId\":\"abc\"}",
     "1|1.5|-3|200.5|\"T\\\"\"|\"A\"|\"\"|\"music\"|abc|"},
    {"{" BASE ",\"duration\":1,\"media\":{\"id\":1,\"title\":\"T\",\"artist\":\"A\","
     "\"album\":\"B\",\"type\":\"video\"},\"mediaId\":null,\"mediaTitle\":5}",
     "1|1.5|1|1|\"T\"|\"A\"|\"B\"|\"video\"||"},
    {"{" BASE ",\"mediaId\":1,\"duration\":null,\"mediaTitle\":null,\"socketId\":null}",
     "1|1.5|1|||||||"},
    {"{" BASE ",\"mediaId\":null}", "1|1.5|null|||||||"},
    {"{" BASE ",\"media\":null}", "1|1.5|null|||||||"},
    {"{" BASE ",\"media\":null,\"mediaId\":1}", "1|1.5|1|||||||"},
    {"{" BASE ",\"media\":{\"id\":null}}", "1|1.5|null|||||||"},
    {"{" BASE ",\"media\":{}}", "1|1.5||||||||"},
    {"{\"isPlaying\":true,\"currentTime\":-0.0}", "1|0||||||||"},
    {"[]", "must be an object"},
    {"{\"currentTime\":1}", "isPlaying: is missing"},
    {"{\"isPlaying\":null,\"currentTime\":1}", "isPlaying: must be a boolean"},
    {"{\"isPlaying\":1,\"currentTime\":1}", "isPlaying: must be a boolean"},
    {"{\"isPlaying\":true}", "currentTime: is missing"},
    {"{\"isPlaying\":true,\"currentTime\":null}", "currentTime: must be a number"},
    {"{\"isPlaying\":true,\"currentTime\":\"1\"}", "currentTime: must be a number"},
    {"{\"isPlaying\":true,\"currentTime\":-0.1}",
     "currentTime: must be a number of seconds, 0 to 9007199254740991"},
    {"{\"isPlaying\":true,\"currentTime\":1e16}",
     "currentTime: must be a number of seconds, 0 to 9007199254740991"},
    {"{" BASE ",\"duration\":-1}",
     "duration: must be a number of seconds, 0 to 9007199254740991"},
    {"{" BASE ",\"duration\":\"1\"}", "duration: must be a number"},
    {"{" BASE ",\"mediaId\":1.5}", "mediaId: must be an integer or a string of 1 to 128 bytes"},
    {"{" BASE ",\"mediaId\":9007199254740992}",
     "mediaId: must be an integer or a string of 1 to 128 bytes"},
    {"{" BASE ",\"mediaId\":\"\"}",
     "mediaId: must be an integer or a string of 1 to 128 bytes"},
    {"{" BASE ",\"mediaId\":true}",
     "mediaId: must be an integer or a string of 1 to 128 bytes"},
    {"{" BASE ",\"mediaTitle\":5}", "mediaTitle: must be a string of at most 1024 bytes"},
    {"{" BASE ",\"mediaArtist\":{}}", "mediaArtist: must be a string of at most 1024 bytes"},
    {"{" BASE ",\"mediaAlbum\":[]}", "mediaAlbum: must be a string of at most 1024 bytes"},
    {"{" BASE ",\"mediaType\":false}", "mediaType: must be a string of at most 1024 bytes"},
    {"{" BASE ",\"socketId\":5}", "socketId: must be a string of at most 128 bytes"},
    {"{" BASE ",\"media\":5}", "media: must be an object"},
    {"{" BASE ",\"media\":{\"id\":{}}}",
     "media.id: must be an integer or a string of 1 to 128 bytes"},
    {"{" BASE ",\"mediaId\":1,\"mediaId\":2}", "mediaId: stands there twice"},
    {"{" BASE ",\"isPlaying\":true}", "isPlaying: stands there twice"},
};

static void a_state_becomes_arguments_or_a_named_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct buf got = state_of(states[i][0]);

        assert_str(buf_str(&got), states[i][1]);
        buf_finish(&got);
    }
}

static void texts_may_have_1024_bytes_and_ids_128(void **state)
{
    static const struct {
        const char *name;
        int max;
    } rows[] = {{"mediaTitle", 1024}, {"mediaArtist", 1024}, {"mediaAlbum", 1024},
                {"mediaType", 1024},  {"mediaId", 128},      {"socketId", 128}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int more = 0; more <= 1; more++) {
            struct buf text = {0}, got;

            buf_addf(&text, "{" BASE ",\"%s\":\"%0*d\"}", rows[i].name, rows[i].max + more, 0);
            got = state_of(buf_text(&text));
            assert_int_equal(str_starts(buf_str(&got), str_of(rows[i].name)), more);
            buf_finish(&got);
            buf_finish(&text);
        }
    }
}

/* ---- what is told ---- */

static void a_user_is_a_number_when_his_text_is_one(void **state)
{
    static const char *const rows[][2] = {
        {"42", "42"},
        {"0", "0"},
        {"-7", "-7"},
        {"9007199254740991", "9007199254740991"},
        {"9007199254740992", "\"9007199254740992\""},
        {"99999999999999999999", "\"99999999999999999999\""},
        {"042", "\"042\""},
        {"-0", "\"-0\""},
        {"-", "\"-\""},
        {"+1", "\"+1\""},
        {"1.0", "\"1.0\""},
        {"1e3", "\"1e3\""},
        {" 1", "\" 1\""},
        {"a\"b", "\"a\\\"b\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf got = {0};

        playback_write_user(&got, str_of(rows[i][0]));
        assert_str(buf_str(&got), rows[i][1]);
        buf_finish(&got);
    }
}

/* An answer of playback_join; NULL = nil. */
static struct buf written(const char *const texts[PLAYBACK_JOIN_MEDIA + 1])
{
    redisReply items[PLAYBACK_JOIN_MEDIA + 1], *elements[PLAYBACK_JOIN_MEDIA + 1];
    redisReply reply = {
        .type = REDIS_REPLY_ARRAY, .elements = PLAYBACK_JOIN_MEDIA + 1, .element = elements};
    struct buf to = {0};

    for (size_t i = 0; i <= PLAYBACK_JOIN_MEDIA; i++) {
        items[i] = (redisReply){.type = texts[i] != NULL ? REDIS_REPLY_STRING : REDIS_REPLY_NIL,
                                .str = (char *)texts[i],
                                .len = texts[i] != NULL ? strlen(texts[i]) : 0};
        elements[i] = &items[i];
    }
    playback_write_state(&to, STR("42"), &reply);
    return to;
}

static void a_state_is_written_with_the_time_of_now(void **state)
{
    struct buf got = written((const char *const[]){"applied", "1", "2", "3", "0", "61.5",
                                                   "\"duration\":200,\"mediaId\":7"});

    (void)state;
    assert_str(buf_str(&got), "{\"userId\":42,\"isPlaying\":true,\"currentTime\":61.5,"
                              "\"duration\":200,\"mediaId\":7}");
    buf_finish(&got);
    got = written((const char *const[]){"applied", "1", "2", "3", "1", "0",
                                        "\"duration\":0,\"mediaId\":\"x\""});
    assert_str(buf_str(&got), "{\"userId\":42,\"isPlaying\":false,\"currentTime\":0,"
                              "\"duration\":0,\"mediaId\":\"x\"}");
    buf_finish(&got);
}

static void no_state_is_written_as_nothing_playing(void **state)
{
    struct buf got =
        written((const char *const[]){"applied", "1", "2", NULL, NULL, NULL, NULL});

    (void)state;
    assert_str(buf_str(&got), "{\"userId\":42,\"isPlaying\":false,\"currentTime\":0,"
                              "\"duration\":0,\"mediaId\":null}");
    buf_finish(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_becomes_its_event_or_a_named_field),
        cmocka_unit_test(a_state_becomes_arguments_or_a_named_field),
        cmocka_unit_test(texts_may_have_1024_bytes_and_ids_128),
        cmocka_unit_test(a_user_is_a_number_when_his_text_is_one),
        cmocka_unit_test(a_state_is_written_with_the_time_of_now),
        cmocka_unit_test(no_state_is_written_as_nothing_playing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
