/* The server API's part in feeds: a line that stands in no file. */
#include "common/ident.h"
#include "gateway/proto/feed.h"
#include "gateway/proto/rest.h"
#include "gateway/store/keys.h"

static void on_said(void *context, enum err err, const struct redisReply *reply)
{
    struct exchange *exchange = context;

    if (!rest_has_refused(exchange, err, reply, NULL)) {
        exchange_answer(exchange, 200, STR("{\"ok\":true}"));
    }
}

void rest_say_on_feed(struct exchange *exchange)
{
    const struct services *services = exchange->services;
    struct str topic = exchange->asked.param;
    struct json_field message = {.name = "message",
                                 .kind = JSON_TEXT,
                                 .required = true,
                                 .min = 1,
                                 .max = services->config->max_message};
    struct buf line = {0}, event = {0};
    char why[JSON_WHY_MAX];
    struct key_name feed, lately, channel;
    struct rest_once once;

    if (!ident_is_name(topic)) {
        exchange_refuse(exchange, ERR_BAD_REQUEST, feed_topic_why);
        return;
    }
    if (json_read(exchange->body, &message, 1, why) != ERR_OK) {
        exchange_refuse(exchange, ERR_BAD_REQUEST, why);
        return;
    }
    rest_once(exchange, topic, &once);
    feed_write_line(&line, message.text);
    feed_write_event(&event, topic, message.text);
    store_call(services->store, SCRIPT_feed_say,
               STRS(keys_name(&feed, KEY_FEED, topic), keys_name(&lately, KEY_LATELY, topic),
                    keys_name(&channel, KEY_FEED, topic), once.key),
               STRS(buf_str(&line), buf_str(&event), once.mark), &exchange->calls, on_said,
               exchange);
    buf_finish(&line);
    buf_finish(&event);
}
