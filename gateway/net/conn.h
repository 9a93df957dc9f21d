/* One TCP connection: bytes in, messages out, a deadline, one death.
 *
 * Out: messages queue up and leave in one write at the end of the loop's turn. What the kernel
 * does not take stays queued, at most
 * --max-queue bytes. The first message is then "on its way" (libuv waits for room), the rest
 * can still be dropped (conn_trim).
 *
 *     OPEN --conn_end--> ENDING (queue leaves, FIN, input thrown away) --peer's FIN or 2 s-->
 * CLOSED
 *       +--conn_cut--------------------------------------------------------------------------^
 *
 * Who ends by conn_part waits with the FIN until the peer has said farewell as well, or for a
 * second: a balancer between the two that gets a FIN while the peer is still talking resets
 * the peer, and our last words are lost.
 *
 * The layer above (http, then ws) is told of the end once, from libuv's close callback, and
 * frees its own things there. */
#ifndef SEGUE_NET_CONN_H
#define SEGUE_NET_CONN_H

#include <netinet/in.h>
#include <uv.h>

#include "common/reason.h"
#include "gateway/ending.h"
#include "gateway/hub/msg.h"
#include "gateway/net/net.h"

struct conn_out;

/* What stands above a connection. `upper` is the layer's own object. */
struct conn_layer {
    void (*data)(void *upper, struct str bytes);
    void (*eof)(void *upper);     /* the peer sends no more */
    void (*timeout)(void *upper); /* conn_deadline came */
    void (*drained)(void *upper); /* the queue is empty again after it was full; may be NULL */
    void (*restart)(void *upper); /* the process ends: say so and go */
    void (*parting)(void *upper, struct str bytes);  /* what comes after conn_part */
    void (*about)(void *upper, struct ending *to);   /* what ends; NULL: it was HTTP */
    void (*closed)(void *upper, enum reason reason); /* the last call: free `upper` */
};

enum conn_state {
    CONN_OPEN,
    CONN_ENDING,
    CONN_CLOSED
};

struct conn {
    uv_tcp_t tcp;
    struct net *net;
    const struct conn_layer *layer;
    void *upper;
    struct conn_out *out; /* owned; NULL while nothing is queued */
    struct wheel_timer timer;
    struct conn *prev, *next; /* of all */
    struct conn *dirty_next;
    struct in6_addr peer; /* IPv4 as ::ffff:a.b.c.d */
    uint64_t opened_ms;
    uint64_t bytes_in, bytes_out;
    uint32_t wasted; /* bytes thrown away while ENDING */
    enum conn_state state;
    enum reason reason;
    bool dirty;
    bool paused;
    bool peer_done; /* its FIN came */
    bool waits;     /* for the peer's farewell, with our FIN */
    bool admin;
    bool counted; /* against --max-connections */
    bool told;    /* that the process ends */
};

/* Takes a connection from a listener; NULL when there is none to take. The caller sets layer
 * and upper. */
struct conn *conn_accept(struct net *net, uv_stream_t *listener, bool admin);
/* The same for one that was taken from the kernel already. */
struct conn *conn_adopt(struct net *net, int fd);
MUST_CHECK bool conn_start(struct conn *conn); /* begins to read */

/* Queues a message (takes its own reference). False: more than --max-queue bytes would be
 * waiting; nothing was queued. */
MUST_CHECK bool conn_send(struct conn *conn, struct msg *msg);
/* For the last words of a connection: queued whatever waits. */
void conn_send_anyway(struct conn *conn, struct msg *msg);
void conn_say_anyway(struct conn *conn, struct str bytes); /* the same for bytes made here */
/* Whether more than --max-queue bytes wait; when they do, `drained` follows. */
bool conn_is_full(struct conn *conn);
void conn_trim(struct conn *conn); /* drops all but the message on its way */
void conn_pause(struct conn *conn, bool paused);
void conn_deadline(struct conn *conn,
                   uint64_t in_ms); /* one per connection; moves the last one; while OPEN */
void conn_end(struct conn *conn, enum reason reason);
void conn_part(struct conn *conn, enum reason reason);
void conn_parted(struct conn *conn); /* after conn_part: the peer's farewell came */
void conn_cut(struct conn *conn, enum reason reason);

void conn_flush(struct conn *conn);               /* for net_flush */
void conn_timer_fired(struct wheel_timer *timer); /* for the wheel */
void conn_peer_text(const struct conn *conn, char to[INET6_ADDRSTRLEN]);

#endif
