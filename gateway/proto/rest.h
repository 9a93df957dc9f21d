/* Which requests are answered with JSON: one row each in rest.c, and their handlers. */
#ifndef SEGUE_PROTO_REST_H
#define SEGUE_PROTO_REST_H

#include "gateway/exchange.h"

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

/* Adds the user that the path names as he stands in keys; false: refused. */
bool rest_user_tag(struct exchange *exchange, struct buf *tag);

#endif
