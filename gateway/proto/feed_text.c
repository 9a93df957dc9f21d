/* What a client of a feed may say, and what it is told. */
#include <stdio.h>

#include "gateway/proto/feed.h"

const char feed_topic_why[] = "a topic is 1 to 64 letters, digits, _ and -";

static const struct {
    struct str type;
    enum feed_verb verb;
} verbs[] = {
    {{"ping", 4}, FEED_PING},
    {{"connect", 7}, FEED_CONNECT},
    {{"subscribe", 9}, FEED_SUBSCRIBE},
    {{"unsubscribe", 11}, FEED_UNSUBSCRIBE},
    {{"disconnect", 10}, FEED_DISCONNECT},
};

static enum err find_verb(struct str type, enum feed_verb *verb, char why[JSON_WHY_MAX])
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (str_equal(verbs[i].type, type)) {
            *verb = verbs[i].verb;
            return ERR_OK;
        }
    }
    snprintf(why, JSON_WHY_MAX,
             "type: must be connect, subscribe, unsubscribe, ping or disconnect");
    return ERR_INVALID;
}

static enum err check_id(const cJSON *payload, struct str own, char why[JSON_WHY_MAX])
{
    struct json_field id = {.name = "id", .kind = JSON_TEXT, .required = true};

    if (json_read(payload, &id, 1, why) != ERR_OK) {
        char what[JSON_WHY_MAX];

        snprintf(what, sizeof(what), "%s", why);
        snprintf(why, JSON_WHY_MAX, "payload.%.*s", JSON_WHY_MAX - 16, what);
        return ERR_INVALID;
    }
    if (!str_equal(id.text, own)) {
        snprintf(why, JSON_WHY_MAX, "payload.id: is not the id of this connection");
        return ERR_FORBIDDEN;
    }
    return ERR_OK;
}

enum err feed_parse(struct str text, struct str id, enum feed_verb *verb,
                    char why[JSON_WHY_MAX])
{
    struct json_field fields[] = {
        {.name = "type", .kind = JSON_TEXT, .required = true},
        {.name = "payload", .kind = JSON_OBJECT, .required = true},
    };
    cJSON *json = json_parse_object(text, why);
    enum err err = ERR_INVALID;

    if (json != NULL && json_read(json, fields, 2, why) == ERR_OK) {
        err = find_verb(fields[0].text, verb, why);
        if (err == ERR_OK) {
            err = check_id(fields[1].item, id, why);
        }
    }
    cJSON_Delete(json);
    return err;
}

void feed_write_initial(struct buf *to, struct str id)
{
    buf_add_text(to, "{\"type\":\"initial\",\"payload\":{\"id\":");
    json_add_text(to, id);
    buf_add_text(to, "}}");
}

void feed_write_extended(struct buf *to, struct str id, struct str server)
{
    buf_add_text(to, "{\"type\":\"initial\",\"payload\":{\"id\":");
    json_add_text(to, id);
    buf_add_text(to, ",\"server\":");
    json_add_text(to, server);
    buf_add_text(to, "}}");
}

void feed_write_confirmation(struct buf *to)
{
    buf_add_text(to, "{\"type\":\"subscribe_confirmation\",\"payload\":{\"status\":\"ok\"}}");
}

void feed_write_error(struct buf *to, const char *code, const char *message)
{
    buf_add_text(to, "{\"type\":\"error\",\"payload\":{\"code\":");
    json_add_text(to, str_of(code));
    buf_add_text(to, ",\"message\":");
    json_add_text(to, str_of(message));
    buf_add_text(to, "}}");
}

void feed_write_line(struct buf *to, struct str message)
{
    buf_add_text(to, "{\"type\":\"wisdom_distribution\",\"payload\":{\"message\":");
    json_add_text(to, message);
    buf_add_text(to, "}}");
}

void feed_write_event(struct buf *to, struct str topic, struct str message)
{
    buf_add_text(to, "\"wisdom_distribution\",{\"topic\":");
    json_add_text(to, topic);
    buf_add_text(to, ",\"message\":");
    json_add_text(to, message);
    buf_add_char(to, '}');
}
