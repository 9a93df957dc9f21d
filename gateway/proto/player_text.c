/* What a player's client may say, as one table; and what it is told. */
#include <stdio.h>
#include <string.h>

#include "common/iso8601.h"
#include "gateway/proto/player.h"

enum {
    TIME_MAX = 40
};

/* 2^53 - 1 seconds: beyond, a double no longer holds whole seconds. */
static const double position_max = 9007199254740991.0;

#define TIME_FIELD                                                                             \
    {                                                                                          \
        .name = "time_state_update", .kind = JSON_TEXT, .required = true, .min = 1,            \
        .max = TIME_MAX                                                                        \
    }

static const struct json_field new_track_fields[] = {
    TIME_FIELD,
    {.name = "track_id", .kind = JSON_ID, .required = true, .min = 1, .max = PLAYER_ID_MAX},
    {.name = "from_is", .kind = JSON_TEXT, .min = 1, .max = PLAYER_FROM_MAX},
    {.name = "from_is_id", .kind = JSON_ID, .min = 1, .max = PLAYER_ID_MAX},
};
static const struct json_field time_fields[] = {TIME_FIELD};
static const struct json_field seek_fields[] = {
    TIME_FIELD,
    {.name = "last_sec_position", .kind = JSON_NUMBER, .required = true},
};
static const struct json_field ping_fields[] = {{.name = "t", .kind = JSON_ANY}};

enum {
    FIELDS_MAX = 4
};

#define FIELDS(table) (table), sizeof(table) / sizeof((table)[0])

static const struct verb {
    struct str name;
    enum player_verb verb;
    enum script script;
    const struct json_field *fields; /* the first is the time, but for the ping */
    size_t field_count;
} verbs[] = {
    {{"new_track", 9}, PLAYER_NEW_TRACK, SCRIPT_player_new_track, FIELDS(new_track_fields)},
    {{"on_pause", 8}, PLAYER_PAUSE, SCRIPT_player_pause, FIELDS(time_fields)},
    {{"off_pause", 9}, PLAYER_RESUME, SCRIPT_player_resume, FIELDS(time_fields)},
    {{"change_position", 15}, PLAYER_SEEK, SCRIPT_player_seek, FIELDS(seek_fields)},
    {{"ping", 4}, PLAYER_PING, SCRIPT_COUNT, FIELDS(ping_fields)},
};

static const struct verb *find_verb(const cJSON *json, char why[JSON_WHY_MAX])
{
    struct json_field type = {.name = "type_push_state", .kind = JSON_TEXT, .required = true};

    if (json_read(json, &type, 1, why) != ERR_OK) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (str_equal(verbs[i].name, type.text)) {
            return &verbs[i];
        }
    }
    snprintf(why, JSON_WHY_MAX, "type_push_state: unknown command");
    return NULL;
}

/* Some clients put the fields under "data"; an object there counts, and only it. */
static enum err find_fields(const cJSON *json, const cJSON **fields, char why[JSON_WHY_MAX])
{
    struct json_field data = {.name = "data", .kind = JSON_ANY};

    if (json_read(json, &data, 1, why) != ERR_OK) {
        return ERR_INVALID;
    }
    *fields = data.there && cJSON_IsObject(data.item) ? data.item : json;
    return ERR_OK;
}

static enum err read_time(struct player_command *command, const struct json_field *field,
                          char why[JSON_WHY_MAX])
{
    const char *part;
    int64_t ms;
    size_t start = command->texts.len;

    if (iso8601_parse(field->text, &ms, &part) != ERR_OK) {
        snprintf(why, JSON_WHY_MAX, "time_state_update: %s", part);
        return ERR_INVALID;
    }
    command->time = field->text;
    buf_add_i64(&command->texts, ms);
    command->at = str_from(command->texts.at + start, command->texts.len - start);
    return ERR_OK;
}

static bool is_identifier(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_')) {
            return false;
        }
    }
    return true;
}

static struct str add_id(struct player_command *command, const struct json_field *field)
{
    size_t start = command->texts.len;

    if (!field->there) {
        return str_from("", 0);
    }
    json_add_id(&command->texts, field->item);
    return str_from(command->texts.at + start, command->texts.len - start);
}

static enum err read_track(struct player_command *command, const struct json_field *fields,
                           char why[JSON_WHY_MAX])
{
    if (!is_identifier(fields[2].text)) {
        snprintf(why, JSON_WHY_MAX, "from_is: must be letters, digits and _");
        return ERR_INVALID;
    }
    command->track = add_id(command, &fields[1]);
    command->from = fields[2].there ? fields[2].text : str_from("", 0);
    command->from_id = add_id(command, &fields[3]);
    return ERR_OK;
}

static enum err read_position(struct player_command *command, const struct json_field *field,
                              char why[JSON_WHY_MAX])
{
    size_t start = command->texts.len;

    if (field->number < 0 || field->number > position_max) {
        snprintf(why, JSON_WHY_MAX, "last_sec_position: must be 0 to 9007199254740991 seconds");
        return ERR_INVALID;
    }
    json_add_number(&command->texts, field->number);
    command->position = str_from(command->texts.at + start, command->texts.len - start);
    return ERR_OK;
}

/* Texts are pointed at while more is added, so there is one allocation: an identifier may need
 * six bytes for each of its own. */
static size_t room_for(const struct json_field *fields, size_t count)
{
    size_t room = 2 * PLAYER_ARG_ROOM;

    for (size_t i = 0; i < count; i++) {
        if (fields[i].kind == JSON_ID && fields[i].there) {
            const char *text = cJSON_GetStringValue(fields[i].item);

            room += PLAYER_ARG_ROOM + (text != NULL ? 6 * strlen(text) : 0);
        }
    }
    return room;
}

static enum err read_fields(struct player_command *command, const struct verb *verb,
                            const cJSON *object, char why[JSON_WHY_MAX])
{
    struct json_field fields[FIELDS_MAX];
    enum err err;

    memcpy(fields, verb->fields, verb->field_count * sizeof(fields[0]));
    if (json_read(object, fields, verb->field_count, why) != ERR_OK) {
        return ERR_INVALID;
    }
    if (verb->verb == PLAYER_PING) {
        command->echo = fields[0].item;
        return ERR_OK;
    }
    buf_reserve(&command->texts, room_for(fields, verb->field_count));
    err = read_time(command, &fields[0], why);
    if (err == ERR_OK && verb->verb == PLAYER_NEW_TRACK) {
        err = read_track(command, fields, why);
    }
    if (err == ERR_OK && verb->verb == PLAYER_SEEK) {
        err = read_position(command, &fields[1], why);
    }
    return err;
}

enum err player_parse(struct str text, struct player_command *command, char why[JSON_WHY_MAX])
{
    const struct verb *verb;
    const cJSON *fields;

    memset(command, 0, sizeof(*command));
    command->json = json_parse_object(text, why);
    if (command->json == NULL) {
        return ERR_INVALID;
    }
    verb = find_verb(command->json, why);
    if (verb == NULL || find_fields(command->json, &fields, why) != ERR_OK) {
        return ERR_INVALID;
    }
    command->verb = verb->verb;
    command->script = verb->script;
    return read_fields(command, verb, fields, why);
}

void player_finish(struct player_command *command)
{
    cJSON_Delete(command->json);
    buf_finish(&command->texts);
    command->json = NULL;
}

static void add_member(struct buf *to, const char *name, struct str json)
{
    buf_add_char(to, to->at[to->len - 1] == '{' ? '"' : ',');
    if (to->at[to->len - 1] == ',') {
        buf_add_char(to, '"');
    }
    buf_add_text(to, name);
    buf_add_text(to, "\":");
    buf_add(to, json);
}

static void add_number_member(struct buf *to, const char *name, int64_t number)
{
    add_member(to, name, str_from("", 0));
    buf_add_i64(to, number);
}

/* Times and sources were checked when they came in: nothing in them needs an escape. */
static void add_text_member(struct buf *to, const char *name, struct str text)
{
    add_member(to, name, STR("\""));
    buf_add(to, text);
    buf_add_char(to, '"');
}

void player_write_state(struct buf *to, const struct redisReply *reply, bool extended)
{
    buf_add_char(to, '{');
    if (reply_str(reply, PLAYER_JOIN_SEQ).at == NULL) {
        add_text_member(to, "type_push_state", STR("no_track_state"));
    } else {
        add_member(to, "track_id", reply_str(reply, PLAYER_JOIN_TRACK));
        add_text_member(to, "from_is", reply_str(reply, PLAYER_JOIN_FROM));
        add_member(to, "from_is_id", reply_str(reply, PLAYER_JOIN_FROM_ID));
        add_member(to, "on_pause",
                   reply_int(reply, PLAYER_JOIN_PAUSED) != 0 ? STR("true") : STR("false"));
        add_member(to, "last_sec_position", reply_str(reply, PLAYER_JOIN_POSITION));
        add_text_member(to, "time_state_update", reply_str(reply, PLAYER_JOIN_TIME));
    }
    if (extended) {
        add_number_member(to, "seq", reply_int(reply, PLAYER_JOIN_SEQ));
        add_number_member(to, "server_time", reply_int(reply, PLAYER_JOIN_NOW));
        add_number_member(to, "devices", reply_int(reply, PLAYER_JOIN_DEVICES));
    }
    buf_add_char(to, '}');
}

void player_write_invalid(struct buf *to, const char *why)
{
    buf_add_text(to, "{\"type_push_state\":\"invalid_format\",\"reason\":");
    json_add_text(to, str_of(why));
    buf_add_char(to, '}');
}

void player_write_pong(struct buf *to, const cJSON *echo, uint64_t server_time_ms)
{
    buf_add_text(to, "{\"type_push_state\":\"pong\",\"t\":");
    if (echo != NULL) {
        json_add_item(to, echo);
    } else {
        buf_add_text(to, "null");
    }
    buf_addf(to, ",\"server_time\":%llu}", (unsigned long long)server_time_ms);
}
