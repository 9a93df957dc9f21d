/* What all connections of a process share: the loop, the wheel, the list of those that want to
 * write, the pools. */
#ifndef SEGUE_NET_NET_H
#define SEGUE_NET_NET_H

#include <uv.h>

#include "gateway/exchange.h"
#include "gateway/net/pace.h"
#include "gateway/net/wheel.h"
#include "gateway/net/ws_reader.h"
#include "gateway/session.h"

struct conn;
struct conn_out;

enum {
    NET_READ_MAX = 65536
};

/* Something that is to be done once at the end of the turn. {0} = it is not. */
struct net_later {
    struct net_later *next;
    void (*run)(struct net_later *later);
    bool queued;
};

struct net {
    uv_loop_t *loop;
    struct services *services;         /* borrowed */
    const struct proto *const *protos; /* borrowed; NULL ends the table */
    const struct endpoint *endpoints;  /* borrowed; a row without path ends the table */
    struct wheel wheel;
    struct conn *conns;  /* all that are not closed yet, the youngest first ... */
    struct conn *eldest; /* ... and the last of them */
    struct conn *dirty;  /* want to write at the end of the turn */
    struct net_later *laters;
    uint64_t conn_count;
    uint64_t files_max;    /* descriptors that the process may have */
    struct pace pace;      /* of newcomers */
    unsigned large_bodies; /* that are being read; see http_parse */
    struct conn_out *outs; /* spare queues */
    unsigned out_count;
    struct ws_reader_pool readers; /* spare WebSocket parsers */
    bool draining;
    uv_timer_t drain_clock;
    uint64_t drain_until_ms, drain_over_ms;
    uint64_t drain_all;      /* connections when it began ... */
    uint64_t drain_left;     /* ... and those that were not told to go yet, from here on: */
    struct conn *drain_next; /* in `conns`; NULL = everybody was */
    char read_buffer[NET_READ_MAX]; /* one for all: every read is used up before the next */
};

struct net *net_create(uv_loop_t *loop, struct services *services,
                       const struct proto *const *protos, const struct endpoint *endpoints);
/* The end of a loop turn, before the store is flushed. */
void net_run_laters(struct net *net);
/* ... and after it: everything that was queued leaves, one write per connection. */
void net_flush(struct net *net);
/* One refused request more in the metrics. */
void net_count_refusal(const struct net *net, enum err err);
/* When somebody who came too fast (net->pace) shall come again, in seconds: at a place of his
 * own, or among those that were given (0 = none is). */
unsigned net_give_place(struct net *net);
unsigned net_wait(const struct net *net);
void net_later(struct net *net, struct net_later *later);
void net_not_later(struct net *net, struct net_later *later);
/* Closes all connections with 1012, spread over so many milliseconds. */
void net_drain(struct net *net, uint64_t over_ms);
/* A connection is closed and about to leave `conns`. */
void net_forget(struct net *net, const struct conn *conn);
/* Cuts what is left and closes the handles. */
void net_close(struct net *net);
void net_destroy(struct net *net); /* after the loop has closed everything */

#endif
