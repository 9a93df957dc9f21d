/* Sending a user away: the part that no publication reaches. */
#include "gateway/proto/away.h"

#include "gateway/proto/socketio.h"
#include "gateway/store/keys.h"

static void close_one(struct store *store, struct str sid, struct str words)
{
    struct key_name session, queue, channel;

    store_call(store, SCRIPT_eio_close,
               STRS(keys_name(&session, KEY_EIO, sid), keys_name(&queue, KEY_EIO_QUEUE, sid),
                    keys_name(&channel, KEY_EIO, sid)),
               STRS(str_from("", 0), words, STR("1")), NULL, NULL, NULL);
}

void away_close_polling(struct store *store, const struct redisReply *reply)
{
    struct buf words = {0};
    struct str sid;

    socketio_add_farewells(&words);
    for (size_t i = 1; (sid = reply_str(reply, i)).at != NULL; i++) {
        close_one(store, sid, buf_str(&words));
    }
    buf_finish(&words);
}
