/* The server API's events: to one user's Socket.IO sockets, or to everybody's. An event is kept
 * in its stream and told in one script, under its own name and with its data as they came. */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/json_text.h"
#include "gateway/proto/rest.h"
#include "gateway/store/keys.h"

enum {
    EVENT_NAME_MAX = 64,
    ADDED_NUMBER = 1 /* where it stands in event_add's answer */
};

/* What sockets emit by themselves: clients would take an event of that name for one of those.
 */
static bool is_reserved(struct str name)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};

    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (str_equal(name, str_of(reserved[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_event_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr("_-:.", c) == NULL)) {
            return false;
        }
    }
    return true;
}

/* "name" or "name",DATA: what Socket.IO puts between the brackets. The data is taken as it
 * came: numbers that a double can't hold stay what they are. */
static enum err read_event(const struct exchange *exchange, struct buf *body,
                           char why[JSON_WHY_MAX])
{
    struct json_field fields[] = {
        {.name = "event", .kind = JSON_TEXT, .required = true, .min = 1, .max = EVENT_NAME_MAX},
        {.name = "data", .kind = JSON_ANY},
    };
    struct json_part data = {.name = STR("data")};

    if (json_read(exchange->body, fields, 2, why) != ERR_OK) {
        return ERR_INVALID;
    }
    if (!is_event_name(fields[0].text)) {
        snprintf(why, JSON_WHY_MAX, "event: must be letters, digits and _ - : .");
        return ERR_INVALID;
    }
    if (is_reserved(fields[0].text)) {
        snprintf(why, JSON_WHY_MAX, "event: the name is reserved by Socket.IO");
        return ERR_INVALID;
    }
    json_add_text(body, fields[0].text);
    if (fields[1].there) {
        buf_add_char(body, ',');
        json_find_members(exchange->asked.text, &data, 1);
        json_add_compact(body, data.value);
    }
    return ERR_OK;
}

static void on_added(void *context, enum err err, const struct redisReply *reply)
{
    struct exchange *exchange = context;
    struct buf json = {0};

    if (rest_has_refused(exchange, err, reply, "the event could not be kept")) {
        return;
    }
    buf_add_text(&json, "{\"ok\":true,\"id\":");
    json_add_text(&json, reply_str(reply, ADDED_NUMBER));
    buf_add_char(&json, '}');
    exchange_answer(exchange, 200, buf_str(&json));
    buf_finish(&json);
}

static void add_event(struct exchange *exchange, enum key channel, struct str tag)
{
    struct key_name events, told;
    struct rest_once once;
    struct buf body = {0};
    char why[JSON_WHY_MAX];

    if (read_event(exchange, &body, why) != ERR_OK) {
        exchange_refuse(exchange, ERR_BAD_REQUEST, why);
    } else {
        rest_once(exchange, tag, &once);
        store_call(
            exchange->services->store, SCRIPT_event_add,
            STRS(keys_name(&events, KEY_EVENTS, tag), keys_name(&told, channel, tag), once.key),
            STRS(buf_str(&body), once.mark), &exchange->calls, on_added, exchange);
    }
    buf_finish(&body);
}

void rest_tell_user(struct exchange *exchange)
{
    struct buf tag = {0};

    if (rest_user_tag(exchange, &tag)) {
        add_event(exchange, KEY_USER, buf_str(&tag));
    }
    buf_finish(&tag);
}

void rest_tell_all(struct exchange *exchange)
{
    add_event(exchange, KEY_ALL, KEYS_EVERYBODY);
}
