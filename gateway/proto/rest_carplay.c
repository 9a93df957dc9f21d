/* The car's requests: a command to the user's devices, and what plays now. */
#include <stdio.h>

#include "gateway/proto/playback_text.h"
#include "gateway/proto/rest.h"
#include "gateway/store/keys.h"

enum {
    CONTROL_DEVICES = 1, /* where it stands in playback_command's answer */
    NUMBER_ROOM = 24
};

/* The user's keys, on the caller's stack. */
struct names {
    struct key_name player, events, channel, devices;
    struct buf tag;
};

static struct str tag_of(const struct exchange *exchange, struct names *names)
{
    names->tag = (struct buf){0};
    keys_tag(exchange_user(exchange), &names->tag);
    return buf_str(&names->tag);
}

/* Who only asks is nobody's device, so the ghost may be laid. */
static struct str grace_of(const struct exchange *exchange, char room[NUMBER_ROOM])
{
    unsigned long long ms = exchange->services->config->orphan_grace_s * 1000;

    return str_from(room, (size_t)snprintf(room, NUMBER_ROOM, "%llu", ms));
}

static void on_controlled(void *context, enum err err, const struct redisReply *reply)
{
    struct exchange *exchange = context;
    char json[64];

    if (rest_has_refused(exchange, err, reply, "the state can't be reached")) {
        return;
    }
    snprintf(json, sizeof(json), "{\"ok\":true,\"devices\":%lld}",
             (long long)reply_int(reply, CONTROL_DEVICES));
    exchange_answer(exchange, 200, str_of(json));
}

void rest_control(struct exchange *exchange)
{
    struct playback_command command;
    struct names names;
    struct rest_once once;
    struct buf body = {0};
    char why[JSON_WHY_MAX], grace[NUMBER_ROOM];
    struct str tag;

    if (playback_read_command(exchange->body, &command, why) != ERR_OK) {
        exchange_refuse(exchange, ERR_BAD_REQUEST, why);
        return;
    }
    tag = tag_of(exchange, &names);
    rest_once(exchange, tag, &once);
    playback_write_command(&body, &command);
    store_call(exchange->services->store, SCRIPT_playback_command,
               STRS(keys_name(&names.player, KEY_PLAYER, tag),
                    keys_name(&names.events, KEY_EVENTS, tag),
                    keys_name(&names.channel, KEY_USER, tag),
                    keys_name(&names.devices, KEY_DEVICES, tag), once.key),
               STRS(command.name, command.value, buf_str(&body), STR("-"),
                    grace_of(exchange, grace), once.mark),
               &exchange->calls, on_controlled, exchange);
    buf_finish(&body);
    buf_finish(&names.tag);
}

static void on_joined(void *context, enum err err, const struct redisReply *reply)
{
    struct exchange *exchange = context;
    struct buf json = {0};

    if (err != ERR_OK) {
        exchange_refuse(exchange, err, "the state can't be reached");
        return;
    }
    playback_write_state(&json, exchange_user(exchange), reply);
    exchange_answer(exchange, 200, buf_str(&json));
    buf_finish(&json);
}

void rest_now_playing(struct exchange *exchange)
{
    struct names names;
    char grace[NUMBER_ROOM];
    struct str tag = tag_of(exchange, &names);

    store_call(exchange->services->store, SCRIPT_playback_join,
               STRS(keys_name(&names.player, KEY_PLAYER, tag),
                    keys_name(&names.devices, KEY_DEVICES, tag),
                    keys_name(&names.channel, KEY_USER, tag)),
               STRS(str_from("", 0), STR("0"), grace_of(exchange, grace)), &exchange->calls,
               on_joined, exchange);
    buf_finish(&names.tag);
}
