/* What a player's client says: refused with a sentence that fits into JSON, or fields that obey
 * their rules and make a state that is JSON. */
#include "test/fuzz/fuzz.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/iso8601.h"
#include "gateway/proto/player.h"

static void must_be_json(struct buf *text)
{
    const char *why = NULL;

    MUST(json_check(buf_str(text), &why) == ERR_OK);
    buf_finish(text);
}

static void must_be_id(struct str text)
{
    const char *why = NULL;
    cJSON *item = json_parse(text, &why);

    MUST(item && (cJSON_IsNumber(item) || cJSON_IsString(item)));
    MUST(!cJSON_IsString(item) || strlen(item->valuestring) <= PLAYER_ID_MAX);
    cJSON_Delete(item);
}

static void must_have_time(const struct player_command *command)
{
    unsigned long long ms;
    int64_t at;
    struct str digits = str_skip(command->at, str_starts(command->at, STR("-")));

    MUST(iso8601_parse(command->time, &at, NULL) == ERR_OK);
    MUST(str_to_u64(digits, INT64_MAX, &ms));
    MUST((int64_t)ms == (at < 0 ? -at : at) && (at < 0) == (digits.len < command->at.len));
}

/* The state that the transition would store, read back and told. */
static void must_make_a_state(const struct player_command *command)
{
    struct str track = command->track.len > 0 ? command->track : STR("1");
    struct str position = command->position.len > 0 ? command->position : STR("0");
    struct str parts[] = {STR("applied"), STR("0"), STR("0"), STR("17"), track,
                          STR("album"),   STR("4"), STR("0"), position,  command->time};
    enum {
        PARTS = sizeof(parts) / sizeof(parts[0])
    };
    struct redisReply items[PARTS], *elements[PARTS];
    struct redisReply reply = {
        .type = REDIS_REPLY_ARRAY, .elements = PARTS, .element = elements};
    struct buf text = {0};

    for (size_t i = 0; i < PARTS; i++) {
        items[i] = (struct redisReply){
            .type = REDIS_REPLY_STRING, .str = (char *)parts[i].at, .len = parts[i].len};
        elements[i] = &items[i];
    }
    items[PLAYER_JOIN_NOW] = items[PLAYER_JOIN_DEVICES] =
        (struct redisReply){.type = REDIS_REPLY_INTEGER};
    player_write_state(&text, &reply, true);
    must_be_json(&text);
}

static void check_command(const struct player_command *command)
{
    struct buf text = {0};

    if (command->verb == PLAYER_PING) {
        player_write_pong(&text, command->echo, 1);
        must_be_json(&text);
        return;
    }
    must_have_time(command);
    if (command->verb == PLAYER_NEW_TRACK) {
        must_be_id(command->track);
        MUST(command->from.len <= PLAYER_FROM_MAX);
        if (command->from_id.len > 0) {
            must_be_id(command->from_id);
        }
    }
    MUST((command->verb == PLAYER_SEEK) == (command->position.len > 0));
    must_make_a_state(command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct player_command command;
    char why[JSON_WHY_MAX] = "";
    struct buf text = {0};

    if (player_parse(str_from((const char *)data, size), &command, why) == ERR_OK) {
        check_command(&command);
    } else {
        MUST(why[0] != '\0' && strlen(why) < JSON_WHY_MAX);
        player_write_invalid(&text, why);
        must_be_json(&text);
    }
    player_finish(&command);
    return 0;
}
