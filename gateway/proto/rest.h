/* Which requests are answered with JSON: one row each in rest.c, and their handlers. */
#ifndef SEGUE_PROTO_REST_H
#define SEGUE_PROTO_REST_H

#include "gateway/exchange.h"
#include "gateway/store/keys.h"

enum {
    REST_DIGEST_LENGTH = 22 /* 128 bits in base64url */
};

/* All rows; one without a path ends the table. */
extern const struct endpoint rest_table[];

/* rest_carplay */
void rest_control(struct exchange *exchange);
void rest_now_playing(struct exchange *exchange);
/* rest_events */
void rest_tell_user(struct exchange *exchange);
void rest_tell_all(struct exchange *exchange);
/* rest_users */
void rest_list_devices(struct exchange *exchange);
void rest_disconnect_user(struct exchange *exchange);
/* rest_room */
void rest_look_at_room(struct exchange *exchange);
void rest_say_in_room(struct exchange *exchange);
void rest_livekit_token(struct exchange *exchange);
/* rest_feed */
void rest_say_on_feed(struct exchange *exchange);

/* rest_batch */
void rest_batch(struct exchange *exchange);

/* What makes a request with an Idempotency-Key happen once, as scripts want it (lib/once). */
struct rest_once {
    struct key_name name;
    char digest[REST_DIGEST_LENGTH + 1];
    struct str key;  /* borrowed from `name` */
    struct str mark; /* borrowed from `digest`; empty: no Idempotency-Key */
};

/* `tag`: the entity that the request is about. */
void rest_once(const struct exchange *exchange, struct str tag, struct rest_once *once);
/* After a call that might have been refused: whether it was, and the exchange is gone. `away`:
 * why, when Redis is; NULL: the error's own text. */
bool rest_has_refused(struct exchange *exchange, enum err err, const struct redisReply *reply,
                      const char *away);

/* Adds the user that the path names as he stands in keys; false: refused. */
bool rest_user_tag(struct exchange *exchange, struct buf *tag);

#endif
