/* Thousands of WebSocket clients in one thread: opens them, keeps them alive, hands their
 * updates over. */
#ifndef SEGUE_BENCH_SWARM_H
#define SEGUE_BENCH_SWARM_H

#include "common/buf.h"
#include "test/bench/bench.h"

enum client_phase {
    CLIENT_NEW,
    CLIENT_CONNECTING,
    CLIENT_UPGRADING,
    CLIENT_GREETED, /* upgraded, waits for its greeting */
    CLIENT_READY
};

struct client {
    unsigned number; /* the devices of a user stand side by side */
    unsigned user;
    int fd;
    enum client_phase phase;
    bool clogged;     /* unsent bytes wait for the socket */
    uint64_t flips;   /* the workload's: what it has received, see talk.c */
    uint64_t open_ns; /* when its opening began */
    char *token;      /* owned; NULL once it was used */
    char *sid;        /* owned; NULL unless it polls: of its session, empty without one */
    struct buf in;    /* an incomplete frame */
    struct buf out;   /* what the socket did not take yet */
};

struct swarm {
    const struct bench *bench;
    struct client *clients; /* owned */
    unsigned count;
    unsigned started, ready; /* of them */
    unsigned goal;           /* how many are to be opened by now */
    int epoll;
    uint32_t random;
    uint64_t now_ns; /* when the last bytes came */
    void (*on_ready)(void *context, struct client *client);
    void (*on_update)(void *context, struct client *client, struct str update);
    void *context;
};

/* `users` times `devices` clients, none of them open. Whatever goes wrong with one is fatal. */
void swarm_init(struct swarm *swarm, const struct bench *bench);
void swarm_finish(struct swarm *swarm);
/* Opens all and waits until they are ready. */
void swarm_open(struct swarm *swarm);
/* Waits for events for so long at most and handles them. */
void swarm_turn(struct swarm *swarm, uint64_t wait_ns);
/* Sends an update in the contestant's dialect. */
void swarm_send(struct swarm *swarm, struct client *client, struct str update);

#endif
