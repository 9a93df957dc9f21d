/* What playback's clients may say, over Socket.IO or REST, and what they are told. */
#include "gateway/proto/playback_text.h"

#include <stdio.h>
#include <string.h>

/* 2^53 - 1 seconds: beyond, a double no longer holds whole seconds. */
static const double seconds_max = 9007199254740991.0;
#define SECONDS_TEXT "must be a number of seconds, 0 to 9007199254740991"

static enum err wrong(char why[JSON_WHY_MAX], const char *name, const char *what)
{
    snprintf(why, JSON_WHY_MAX, "%s: %s", name, what);
    return ERR_INVALID;
}

static bool is_seconds(const cJSON *item)
{
    return item != NULL && cJSON_IsNumber(item) && item->valuedouble >= 0 &&
           item->valuedouble <= seconds_max;
}

/* ---- commands ---- */

static const struct command {
    struct str name;
    bool takes_seconds;
} commands[] = {
    {{"play", 4}, false},     {{"pause", 5}, false}, {{"next", 4}, false},
    {{"previous", 8}, false}, {{"seek", 4}, true},
};

static const struct command *find_command(struct str name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (str_equal(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

enum err playback_read_command(const cJSON *object, struct playback_command *command,
                               char why[JSON_WHY_MAX])
{
    struct json_field fields[] = {
        {.name = "command", .kind = JSON_TEXT, .required = true},
        {.name = "value", .kind = JSON_ANY},
    };
    const cJSON *value;
    const struct command *row;
    struct buf text = {0};

    memset(command, 0, sizeof(*command));
    if (json_read(object, fields, 2, why) != ERR_OK) {
        return ERR_INVALID;
    }
    row = find_command(fields[0].text);
    if (row == NULL) {
        return wrong(why, "command", "must be play, pause, next, previous or seek");
    }
    value = cJSON_IsNull(fields[1].item) ? NULL : fields[1].item;
    if (row->takes_seconds && !is_seconds(value)) {
        return wrong(why, "value", SECONDS_TEXT);
    }
    if (value != NULL && !cJSON_IsNumber(value)) {
        return wrong(why, "value", "must be a number");
    }
    command->name = row->name;
    if (value != NULL) {
        json_add_number(&text, value->valuedouble + 0.0); /* -0 becomes 0 */
        memcpy(command->room, text.at, text.len);
        command->value = str_from(command->room, text.len);
        buf_finish(&text);
    }
    return ERR_OK;
}

void playback_write_command(struct buf *to, const struct playback_command *command)
{
    buf_add_text(to, "\"carplay_command\",{\"command\":");
    json_add_text(to, command->name);
    if (command->value.len > 0) {
        buf_add_text(to, ",\"value\":");
        buf_add(to, command->value);
    }
    buf_add_char(to, '}');
}

/* ---- states ---- */

enum rule {
    RULE_TRUTH,
    RULE_SECONDS,
    RULE_ID,
    RULE_WORDS,
    RULE_SOCKET
};

/* In the order of enum playback_part. */
static const struct part {
    const char *name;   /* in the payload */
    const char *inside; /* in the object `media`; NULL = not there */
    enum rule rule;
    bool required;
} parts[PLAYBACK_PARTS] = {
    {"isPlaying", NULL, RULE_TRUTH, true},      {"currentTime", NULL, RULE_SECONDS, true},
    {"mediaId", "id", RULE_ID, false},          {"duration", NULL, RULE_SECONDS, false},
    {"mediaTitle", "title", RULE_WORDS, false}, {"mediaArtist", "artist", RULE_WORDS, false},
    {"mediaAlbum", "album", RULE_WORDS, false}, {"mediaType", "type", RULE_WORDS, false},
    {"socketId", NULL, RULE_SOCKET, false},
};

/* The value itself, which is neither missing nor null. */
static enum err add_value(struct buf *texts, enum rule rule, const cJSON *object,
                          const char *name, char why[JSON_WHY_MAX])
{
    static const struct json_field kinds[] = {
        [RULE_TRUTH] = {.kind = JSON_BOOL},
        [RULE_SECONDS] = {.kind = JSON_NUMBER},
        [RULE_ID] = {.kind = JSON_ID, .min = 1, .max = PLAYBACK_ID_MAX},
        [RULE_WORDS] = {.kind = JSON_TEXT, .max = PLAYBACK_TEXT_MAX},
        [RULE_SOCKET] = {.kind = JSON_TEXT, .max = PLAYBACK_ID_MAX},
    };
    struct json_field field = kinds[rule];

    field.name = name;
    if (json_read(object, &field, 1, why) != ERR_OK) {
        return ERR_INVALID;
    }
    if (rule == RULE_SECONDS && !is_seconds(field.item)) {
        return wrong(why, name, SECONDS_TEXT);
    }
    if (rule == RULE_SOCKET) {
        buf_add(texts, field.text);
    } else if (rule == RULE_TRUTH) {
        buf_add_char(texts, field.truth ? '1' : '0');
    } else if (rule == RULE_SECONDS) {
        json_add_number(texts, field.number + 0.0); /* -0 becomes 0 */
    } else if (rule == RULE_ID) {
        json_add_id(texts, field.item);
    } else {
        json_add_item(texts, field.item);
    }
    return ERR_OK;
}

/* "id: must be ..." becomes "media.id: must be ...". */
static enum err wrong_inside(char why[JSON_WHY_MAX])
{
    char plain[JSON_WHY_MAX];

    memcpy(plain, why, sizeof(plain));
    snprintf(why, JSON_WHY_MAX, "media.%.*s", JSON_WHY_MAX - 8, plain);
    return ERR_INVALID;
}

/* Null counts as absent: what a browser does not know (NaN, Infinity) becomes null in JSON. */
static enum err add_part(struct buf *texts, const struct part *part, const cJSON *object,
                         const cJSON *media, bool *clears, char why[JSON_WHY_MAX])
{
    const char *name = media != NULL && part->inside != NULL ? part->inside : part->name;
    const cJSON *from = name == part->inside ? media : object;
    struct json_field field = {.name = name, .kind = JSON_ANY, .required = part->required};

    if (json_read(from, &field, 1, why) != ERR_OK) {
        return from == media ? wrong_inside(why) : ERR_INVALID;
    }
    if (!field.there || (cJSON_IsNull(field.item) && !part->required)) {
        *clears |= part->rule == RULE_ID && field.there;
        return ERR_OK;
    }
    if (add_value(texts, part->rule, from, name, why) != ERR_OK) {
        return from == media ? wrong_inside(why) : ERR_INVALID;
    }
    return ERR_OK;
}

static enum err find_media(const cJSON *object, const cJSON **media, bool *clears,
                           char why[JSON_WHY_MAX])
{
    struct json_field field = {.name = "media", .kind = JSON_ANY};

    if (json_read(object, &field, 1, why) != ERR_OK) {
        return ERR_INVALID;
    }
    if (field.there && !cJSON_IsNull(field.item) && !cJSON_IsObject(field.item)) {
        return wrong(why, "media", "must be an object");
    }
    *media = cJSON_IsObject(field.item) ? field.item : NULL;
    *clears = cJSON_IsNull(field.item);
    return ERR_OK;
}

enum err playback_read_state(const cJSON *object, struct playback_update *update,
                             char why[JSON_WHY_MAX])
{
    size_t ends[PLAYBACK_PARTS + 1] = {0};
    const cJSON *media;
    bool clears;

    memset(update, 0, sizeof(*update));
    if (find_media(object, &media, &clears, why) != ERR_OK) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < PLAYBACK_PARTS; i++) {
        if (add_part(&update->texts, &parts[i], object, media, &clears, why) != ERR_OK) {
            return ERR_INVALID;
        }
        ends[i + 1] = update->texts.len;
    }
    for (size_t i = 0; i < PLAYBACK_PARTS; i++) {
        update->parts[i] = str_from(update->texts.at + ends[i], ends[i + 1] - ends[i]);
    }
    if (clears && update->parts[PLAYBACK_TRACK].len == 0) {
        update->parts[PLAYBACK_TRACK] = STR("null");
    }
    return ERR_OK;
}

void playback_finish(struct playback_update *update)
{
    buf_finish(&update->texts);
}

/* ---- what is told ---- */

/* As a client's JSON would write it: no leading zeros, no plus, no minus zero. */
static bool is_integer(struct str text)
{
    bool minus = str_starts(text, STR("-"));
    struct str digits = str_skip(text, minus);
    unsigned long long value;

    return str_to_u64(digits, (1ULL << 53) - 1, &value) &&
           (digits.at[0] != '0' || text.len == 1);
}

void playback_write_user(struct buf *to, struct str user)
{
    if (is_integer(user)) {
        buf_add(to, user);
    } else {
        json_add_text(to, user);
    }
}

void playback_write_state(struct buf *to, struct str user, const struct redisReply *reply)
{
    bool known = reply_str(reply, PLAYBACK_JOIN_MEDIA).len > 0;
    bool playing = known && reply_int(reply, PLAYBACK_JOIN_PAUSED) == 0;

    buf_add_text(to, "{\"userId\":");
    playback_write_user(to, user);
    buf_add_text(to, playing ? ",\"isPlaying\":true" : ",\"isPlaying\":false");
    buf_add_text(to, ",\"currentTime\":");
    buf_add(to, known ? reply_str(reply, PLAYBACK_JOIN_POSITION) : STR("0"));
    buf_add_char(to, ',');
    buf_add(to, known ? reply_str(reply, PLAYBACK_JOIN_MEDIA)
                      : STR("\"duration\":0,\"mediaId\":null"));
    buf_add_char(to, '}');
}
