/* What playback's clients say: refused with a sentence that names a field, or texts that obey
 * their rules and make an event or a state that is JSON. The same bytes also as a user's name.
 */
#include "test/fuzz/fuzz.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/codec.h"
#include "gateway/proto/playback_text.h"

static void must_be_json(struct buf *text)
{
    const char *why = NULL;

    MUST(json_check(buf_str(text), &why) == ERR_OK);
    buf_finish(text);
}

static void must_refuse(const char *why)
{
    MUST(why[0] != '\0' && strlen(why) < JSON_WHY_MAX);
}

static void check_command(const cJSON *json)
{
    struct playback_command command;
    char why[JSON_WHY_MAX] = "";
    struct buf text = {0};

    if (playback_read_command(json, &command, why) != ERR_OK) {
        must_refuse(why);
        return;
    }
    MUST(!str_equal(command.name, STR("seek")) || command.value.len > 0);
    MUST(!str_equal(command.name, STR("seek")) || command.value.at[0] != '-');
    buf_add_char(&text, '[');
    playback_write_command(&text, &command);
    buf_add_char(&text, ']');
    must_be_json(&text);
}

/* What a script keeps of it, as playback_join tells it. */
static void must_make_a_state(const struct playback_update *update)
{
    struct buf media = {0}, text = {0};
    const struct str *parts = update->parts;
    redisReply items[PLAYBACK_JOIN_MEDIA + 1], *elements[PLAYBACK_JOIN_MEDIA + 1];
    redisReply reply = {
        .type = REDIS_REPLY_ARRAY, .elements = PLAYBACK_JOIN_MEDIA + 1, .element = elements};

    buf_addf(&media, "\"duration\":%.*s,\"mediaId\":%.*s", STR_ARG(parts[PLAYBACK_DURATION]),
             STR_ARG(parts[PLAYBACK_TRACK]));
    for (size_t i = 0; i <= PLAYBACK_JOIN_MEDIA; i++) {
        items[i] = (redisReply){.type = REDIS_REPLY_STRING, .str = (char *)"1", .len = 1};
        elements[i] = &items[i];
    }
    items[PLAYBACK_JOIN_POSITION].str = (char *)parts[PLAYBACK_POSITION].at;
    items[PLAYBACK_JOIN_POSITION].len = parts[PLAYBACK_POSITION].len;
    items[PLAYBACK_JOIN_MEDIA].str = media.at;
    items[PLAYBACK_JOIN_MEDIA].len = media.len;
    playback_write_state(&text, STR("42"), &reply);
    must_be_json(&text);
    buf_finish(&media);
}

/* A JSON text without the bytes that scripts put between texts. */
static void must_be_part(struct str part)
{
    const char *why = NULL;

    MUST(json_check(part, &why) == ERR_OK);
    MUST(memchr(part.at, '\x1e', part.len) == NULL &&
         memchr(part.at, '\x1f', part.len) == NULL);
}

static void check_state(const cJSON *json)
{
    struct playback_update update;
    char why[JSON_WHY_MAX] = "";

    if (playback_read_state(json, &update, why) == ERR_OK) {
        MUST(update.parts[PLAYBACK_PLAYING].len == 1 &&
             update.parts[PLAYBACK_POSITION].len > 0);
        for (int i = PLAYBACK_PLAYING; i <= PLAYBACK_TYPE; i++) {
            if (update.parts[i].len > 0) {
                must_be_part(update.parts[i]);
            }
        }
        if (update.parts[PLAYBACK_TRACK].len > 0 && update.parts[PLAYBACK_DURATION].len > 0) {
            must_make_a_state(&update);
        }
    } else {
        must_refuse(why);
    }
    playback_finish(&update);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_from((const char *)data, size);
    const char *why = NULL;
    struct buf user = {0};
    cJSON *json = json_parse(text, &why);

    if (json != NULL) {
        check_command(json);
        check_state(json);
        cJSON_Delete(json);
    }
    if (size > 0 && codec_is_utf8(text) && memchr(data, '\0', size) == NULL) {
        playback_write_user(&user, text);
        must_be_json(&user);
    }
    return 0;
}
