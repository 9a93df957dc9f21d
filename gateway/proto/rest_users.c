/* The server API's look at a user: which devices he has, and sending him away. */
#include <stdio.h>

#include "common/ident.h"
#include "common/iso8601.h"
#include "common/json.h"
#include "common/log.h"
#include "gateway/proto/away.h"
#include "gateway/proto/rest.h"
#include "gateway/store/keys.h"

enum {
    DEVICES_MAX = 1000,
    REASON_MAX = 256
};

bool rest_user_tag(struct exchange *exchange, struct buf *tag)
{
    if (!ident_is_user(exchange->asked.param)) {
        exchange_refuse(exchange, ERR_BAD_REQUEST,
                        "the user in the path: must be 1 to 128 bytes of UTF-8 without "
                        "control characters");
        return false;
    }
    keys_tag(exchange->asked.param, tag);
    return true;
}

/* ---- devices ---- */

static void add_time(struct buf *to, const char *name, int64_t ms)
{
    char text[ISO8601_TEXT_MAX];

    iso8601_format(ms, text);
    buf_addf(to, ",\"%s\":\"%s\"", name, text);
}

/* "ID SINCE LEASE PROTOCOL TRANSPORT", which ends its lease so many ms after it was seen; the
 * mark of a last moment ("gone 0") is no device. */
static void add_device(struct buf *to, struct str entry, int64_t ends_ms)
{
    struct str id, since, lease, protocol, transport;
    unsigned long long since_ms, lease_ms;

    str_cut(entry, ' ', &id, &entry);
    str_cut(entry, ' ', &since, &entry);
    str_cut(entry, ' ', &lease, &entry);
    str_cut(entry, ' ', &protocol, &transport);
    if (transport.len == 0 || !str_to_u64(since, INT64_MAX, &since_ms) ||
        !str_to_u64(lease, INT64_MAX, &lease_ms)) {
        return;
    }
    buf_add_text(to, to->at[to->len - 1] == '[' ? "{\"id\":" : ",{\"id\":");
    json_add_text(to, id);
    buf_add_text(to, ",\"protocol\":");
    json_add_text(to, protocol);
    buf_add_text(to, ",\"transport\":");
    json_add_text(to, transport);
    add_time(to, "since", (int64_t)since_ms);
    add_time(to, "seen", ends_ms - (int64_t)lease_ms);
    buf_add_char(to, '}');
}

static void on_listed(void *context, enum err err, const struct redisReply *reply)
{
    struct exchange *exchange = context;
    struct buf json = {0};

    if (err != ERR_OK) {
        exchange_refuse(exchange, err, "the devices can't be reached");
        return;
    }
    buf_add_text(&json, "{\"devices\":[");
    for (size_t i = 1; reply_str(reply, i).at != NULL; i += 2) {
        add_device(&json, reply_str(reply, i), reply_int(reply, i + 1));
    }
    buf_add_text(&json, "]}");
    exchange_answer(exchange, 200, buf_str(&json));
    buf_finish(&json);
}

void rest_list_devices(struct exchange *exchange)
{
    struct key_name devices;
    struct buf tag = {0};
    char limit[16];

    if (rest_user_tag(exchange, &tag)) {
        int len = snprintf(limit, sizeof(limit), "%d", DEVICES_MAX);

        store_call(exchange->services->store, SCRIPT_device_list,
                   STRS(keys_name(&devices, KEY_DEVICES, buf_str(&tag))),
                   STRS(str_from(limit, (size_t)len)), &exchange->calls, on_listed, exchange);
    }
    buf_finish(&tag);
}

/* ---- sending away ---- */

static void on_sent_away(void *context, enum err err, const struct redisReply *reply)
{
    struct exchange *exchange = context;

    if (rest_has_refused(exchange, err, reply, "nobody could be told")) {
        return;
    }
    away_close_polling(exchange->services->store, reply);
    exchange_answer(exchange, 202, STR("{\"ok\":true}"));
}

/* The reason is for the log: close frames say what the code says. */
void rest_disconnect_user(struct exchange *exchange)
{
    struct json_field reason = {.name = "reason", .kind = JSON_TEXT, .max = REASON_MAX};
    struct key_name devices, channel;
    struct rest_once once;
    struct buf tag = {0};
    char why[JSON_WHY_MAX];

    if (json_read(exchange->body, &reason, 1, why) != ERR_OK) {
        exchange_refuse(exchange, ERR_BAD_REQUEST, why);
    } else if (rest_user_tag(exchange, &tag)) {
        log_write(LOG_INFO, "operator disconnects a user",
                  LOG_STR("user", exchange->asked.param),
                  LOG_STR("reason", reason.text.at != NULL ? reason.text : str_from("", 0)));
        rest_once(exchange, buf_str(&tag), &once);
        store_call(exchange->services->store, SCRIPT_user_disconnect,
                   STRS(keys_name(&devices, KEY_DEVICES, buf_str(&tag)),
                        keys_name(&channel, KEY_USER, buf_str(&tag)), once.key),
                   STRS(once.mark), &exchange->calls, on_sent_away, exchange);
    }
    buf_finish(&tag);
}
