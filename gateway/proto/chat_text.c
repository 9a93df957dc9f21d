/* What a member of a chat room may say, and what it is told. */
#include <stdio.h>
#include <string.h>

#include "gateway/proto/chat.h"

static const struct verb {
    struct str name;
    enum chat_verb verb;
} verbs[] = {
    {{"message", 7}, CHAT_MESSAGE},
    {{"leave", 5}, CHAT_LEAVE},
};

/* ---- what is said ---- */

enum err chat_read_message(const cJSON *object, struct chat_message *message,
                           char why[JSON_WHY_MAX])
{
    struct json_field fields[] = {
        {.name = "text", .kind = JSON_TEXT, .required = true, .min = 1, .max = CHAT_TEXT_MAX},
        {.name = "name", .kind = JSON_TEXT, .max = CHAT_NAME_MAX},
    };

    if (json_read(object, fields, sizeof(fields) / sizeof(fields[0]), why) != ERR_OK) {
        return ERR_INVALID;
    }
    message->text = fields[0].text;
    message->name = fields[1].there ? fields[1].text : str_from("", 0);
    return ERR_OK;
}

static const struct verb *find_verb(const cJSON *json, char why[JSON_WHY_MAX])
{
    struct json_field type = {.name = "type", .kind = JSON_TEXT, .required = true};

    if (json_read(json, &type, 1, why) != ERR_OK) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (str_equal(verbs[i].name, type.text)) {
            return &verbs[i];
        }
    }
    snprintf(why, JSON_WHY_MAX, "type: must be message or leave");
    return NULL;
}

enum err chat_parse(struct str text, struct chat_command *command, char why[JSON_WHY_MAX])
{
    const struct verb *verb;

    memset(command, 0, sizeof(*command));
    command->json = json_parse_object(text, why);
    if (command->json == NULL) {
        return ERR_INVALID;
    }
    verb = find_verb(command->json, why);
    if (verb == NULL) {
        return ERR_INVALID;
    }
    command->verb = verb->verb;
    return verb->verb == CHAT_MESSAGE ? chat_read_message(command->json, &command->message, why)
                                      : ERR_OK;
}

void chat_finish(struct chat_command *command)
{
    cJSON_Delete(command->json);
    command->json = NULL;
}

/* ---- what is told ---- */

void chat_write_message(struct buf *to, struct str client, struct str room,
                        const struct chat_message *message)
{
    buf_add_text(to, "{\"type\":\"message\",\"clientId\":");
    if (client.len > 0) {
        json_add_text(to, client);
    } else {
        buf_add_text(to, "null");
    }
    buf_add_text(to, ",\"roomId\":");
    json_add_text(to, room);
    if (message->name.len > 0) {
        buf_add_text(to, ",\"name\":");
        json_add_text(to, message->name);
    }
    buf_add_text(to, ",\"text\":");
    json_add_text(to, message->text);
}

bool chat_read_change(struct str text, struct chat_change *change)
{
    struct str seq, kind, origin, prev;
    unsigned long long number, before;

    if (!str_cut(text, ' ', &seq, &text) || !str_cut(text, ' ', &kind, &text) ||
        !str_cut(text, ' ', &origin, &change->frame) || kind.len != 1 ||
        change->frame.len == 0 || !str_to_u64(seq, UINT64_MAX / 2, &number)) {
        return false;
    }
    before = number > 0 ? number - 1 : 0;
    if (str_cut(origin, '/', &change->origin, &prev) &&
        !str_to_u64(prev, UINT64_MAX / 2, &before)) {
        return false;
    }
    change->seq = number;
    change->prev = before;
    change->kind = kind.at[0];
    return true;
}

/* Where the history begins that fits into so many bytes. */
static size_t first_that_fits(const struct chat_welcome *welcome, size_t room)
{
    size_t first = welcome->change_count, messages = 0;

    while (first > 0 &&
           (welcome->changes[first - 1].kind != 'm' ||
            (welcome->changes[first - 1].frame.len < room && messages < CHAT_HISTORY_MAX))) {
        first--;
        if (welcome->changes[first].kind == 'm') {
            room -= welcome->changes[first].frame.len + 1;
            messages++;
        }
    }
    return first;
}

void chat_write_welcome(struct buf *to, const struct chat_welcome *welcome, size_t limit)
{
    static const char end[] = "]}";
    size_t start = to->len, used;
    bool more = false;

    buf_add_text(to, "{\"type\":\"welcome\",\"clientId\":");
    json_add_text(to, welcome->client);
    buf_add_text(to, ",\"roomId\":");
    json_add_text(to, welcome->room);
    buf_addf(to, ",\"members\":%lld,\"history\":[", (long long)welcome->members);
    used = to->len - start + sizeof(end);
    for (size_t i = first_that_fits(welcome, limit > used ? limit - used : 0);
         i < welcome->change_count; i++) {
        if (welcome->changes[i].kind == 'm') {
            buf_add_text(to, more ? "," : "");
            buf_add(to, welcome->changes[i].frame);
            more = true;
        }
    }
    buf_add_text(to, end);
}

void chat_write_error(struct buf *to, const char *code, const char *message)
{
    buf_add_text(to, "{\"type\":\"error\",\"code\":");
    json_add_text(to, str_of(code));
    buf_add_text(to, ",\"message\":");
    json_add_text(to, str_of(message));
    buf_add_char(to, '}');
}
