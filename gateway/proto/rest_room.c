/* What can be asked about a chat room and said in it over HTTP. */
#include "common/ident.h"
#include "gateway/proto/livekit.h"
#include "gateway/proto/rest.h"
#include "gateway/proto/room_local.h"

enum {
    IDENTITY_MAX = 128,
    LOOK_MEMBERS = 1, /* where they stand in room_look's answer: the count, then the ids */
    LOOK_CLIENTS,
    SAY_SEQ = 1
};

/* The room that the path names; false: refused. */
static bool find_room(struct exchange *exchange, struct str *room)
{
    *room = exchange->asked.param;
    if (!ident_is_name(*room)) {
        exchange_refuse(exchange, ERR_BAD_REQUEST,
                        "room: must be 1 to 64 letters, digits, _ and -");
        return false;
    }
    return true;
}

/* ---- who is in ---- */

static void on_looked(void *context, enum err err, const struct redisReply *reply)
{
    struct exchange *exchange = context;
    struct buf json = {0};
    struct str client;

    if (err != ERR_OK) {
        exchange_refuse(exchange, err, NULL);
        return;
    }
    buf_add_text(&json, "{\"roomId\":");
    json_add_text(&json, exchange->asked.param);
    buf_add_text(&json, ",\"members\":[");
    for (size_t i = LOOK_CLIENTS; (client = reply_str(reply, i)).at != NULL; i++) {
        buf_add_text(&json, i > LOOK_CLIENTS ? ",{\"clientId\":" : "{\"clientId\":");
        json_add_text(&json, client);
        buf_add_char(&json, '}');
    }
    buf_addf(&json, "],\"count\":%lld}", (long long)reply_int(reply, LOOK_MEMBERS));
    exchange_answer(exchange, 200, buf_str(&json));
    buf_finish(&json);
}

void rest_look_at_room(struct exchange *exchange)
{
    struct key_name members;
    struct str room;

    if (find_room(exchange, &room)) {
        store_call(exchange->services->store, SCRIPT_room_look,
                   STRS(keys_name(&members, KEY_MEMBERS, room)), (struct strs){NULL, 0},
                   &exchange->calls, on_looked, exchange);
    }
}

/* ---- a message from above ---- */

static void on_said(void *context, enum err err, const struct redisReply *reply)
{
    struct exchange *exchange = context;
    struct buf json = {0};

    if (rest_has_refused(exchange, err, reply, NULL)) {
        return;
    }
    if (reply_outcome(reply) != OUTCOME_APPLIED) {
        exchange_refuse(exchange, ERR_NOT_FOUND, "nobody is in this room");
    } else {
        buf_add_text(&json, "{\"ok\":true,\"id\":");
        json_add_text(&json, reply_str(reply, SAY_SEQ));
        buf_add_char(&json, '}');
        exchange_answer(exchange, 200, buf_str(&json));
        buf_finish(&json);
    }
}

void rest_say_in_room(struct exchange *exchange)
{
    struct chat_message message;
    struct room_keys keys;
    struct rest_once once;
    struct buf frame = {0};
    struct str room, nobody = str_from("", 0);
    char why[JSON_WHY_MAX];

    if (!find_room(exchange, &room)) {
        return;
    }
    if (chat_read_message(exchange->body, &message, why) != ERR_OK) {
        exchange_refuse(exchange, ERR_BAD_REQUEST, why);
        return;
    }
    chat_write_message(&frame, nobody, room, &message);
    rest_once(exchange, room, &once);
    store_call(exchange->services->store, SCRIPT_room_say, room_say_keys(room, once.key, &keys),
               STRS(nobody, buf_str(&frame), once.mark), &exchange->calls, on_said, exchange);
    buf_finish(&frame);
}

/* ---- LiveKit ---- */

static void answer_token(struct exchange *exchange, const struct livekit_grant *grant)
{
    const struct config *config = exchange->services->config;
    struct buf token = {0}, json = {0};

    livekit_write_token(&token, str_of(config->livekit_key), str_of(config->livekit_secret),
                        grant);
    buf_add_text(&json, "{\"token\":");
    json_add_text(&json, buf_str(&token));
    buf_add_text(&json, ",\"url\":");
    json_add_text(&json, str_of(config->livekit_url));
    buf_add_char(&json, '}');
    exchange_answer(exchange, 200, buf_str(&json));
    buf_finish(&token);
    buf_finish(&json);
}

/* Whoever brings a token is who the token says, whatever the body says. */
void rest_livekit_token(struct exchange *exchange)
{
    struct json_field fields[] = {
        {.name = "identity", .kind = JSON_TEXT, .min = 1, .max = IDENTITY_MAX},
        {.name = "name", .kind = JSON_TEXT, .max = CHAT_NAME_MAX},
    };
    struct livekit_grant grant = {0};
    char made[IDENT_UUID_LENGTH + 1], why[JSON_WHY_MAX];
    uv_timeval64_t now;

    if (exchange->services->config->livekit_key == NULL) {
        exchange_refuse(exchange, ERR_NOT_CONFIGURED, "this server has no LiveKit key");
        return;
    }
    if (!find_room(exchange, &grant.room)) {
        return;
    }
    if (json_read(exchange->body, fields, sizeof(fields) / sizeof(fields[0]), why) != ERR_OK) {
        exchange_refuse(exchange, ERR_BAD_REQUEST, why);
        return;
    }
    grant.identity = fields[0].text;
    grant.name = fields[1].text;
    if (exchange_user(exchange).len > 0) {
        grant.identity = exchange_user(exchange);
    } else if (!fields[0].there) {
        ident_make_uuid(made);
        grant.identity = str_from(made, IDENT_UUID_LENGTH);
    }
    uv_gettimeofday(&now);
    grant.now_s = now.tv_sec;
    answer_token(exchange, &grant);
}
