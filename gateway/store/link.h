/* One connection to Redis for commands: hiredis's asynchronous context on libuv.
 *
 * hiredis's stock adapter writes at every readiness event and re-arms epoll for every command.
 * This one lets commands pile up and writes them in one go at the end of the loop's turn
 * (link_flush); epoll is asked for writability only while connecting and when a write was cut
 * short.
 *
 * Life: link_open -> opened -> ... -> closed (exactly once, after which the link is gone by
 * itself). */
#ifndef SEGUE_STORE_LINK_H
#define SEGUE_STORE_LINK_H

#include <uv.h>

#include "common/str.h"
#include "gateway/store/dial.h"

struct link;
struct redisReply;

struct link_events {
    void (*opened)(void *owner);
    /* The connection died: said once, before what was under way is answered with NULL. Only
     * when something was. */
    void (*lost)(void *owner, const char *why);
    void (*closed)(void *owner, const char *why); /* never from inside link_open or link_send */
};

/* Runs exactly once per command; reply == NULL when the connection died first. The reply is
 * borrowed. */
typedef void link_reply_fn(void *context, const struct redisReply *reply);

/* NULL when no socket could be had. */
struct link *link_open(uv_loop_t *loop, const struct dial *dial,
                       const struct link_events *events, void *owner);
/* A complete command in Redis's own format; false when the link is closing (then the callback
 * will not run). */
bool link_send(struct link *link, struct str command, link_reply_fn *done, void *context);
/* Writes what has piled up; at the end of a turn. May run callbacks. */
void link_flush(struct link *link);
/* Runs what is pending with NULL, then `closed`. */
void link_close(struct link *link, const char *why);

#endif
