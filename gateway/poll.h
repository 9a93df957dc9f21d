/* A polling session as it lies in Redis: typed calls of the scripts eio_*.
 *
 * It knows neither HTTP nor what a session says: state and marks are bytes of the protocol's,
 * the queue's pieces are bytes of the carrier's. */
#ifndef SEGUE_GATEWAY_POLL_H
#define SEGUE_GATEWAY_POLL_H

#include "gateway/ending.h"
#include "gateway/session.h"
#include "gateway/store/keys.h"

enum {
    POLL_SID_LENGTH = MSG_ORIGIN_LENGTH,
    POLL_TOKEN_LENGTH = 24, /* of a claim: 12 characters are the process's, 12 the request's */
    POLL_OWNER_LENGTH = 12
};

enum poll_word {
    POLL_OK,
    POLL_UNKNOWN, /* there is no such session, or it has ended */
    POLL_WRONG,   /* a websocket has it */
    POLL_HELD,    /* another GET is being served; `words`: its claim */
    POLL_CLOSED,  /* it was closed; `words` are for the client */
    POLL_CHANGED, /* a POST was quicker */
    POLL_FULL,    /* nobody fetches what is queued */
    POLL_AWAY,    /* Redis can't be reached */
    POLL_NEWER    /* a newer release has it: this process can't serve it */
};

/* What a call found; borrowed, and filled as far as the call tells. */
struct poll_found {
    enum poll_word word;
    struct str words;
    struct str version, saved, marks;
    uint64_t wait_ms; /* until a ping is due, or the end when it was sent */
    bool ping;        /* it is due now */
    bool probing;
    int64_t allowance;
    uint64_t idle_us; /* since the allowance was worked out */
    int64_t listeners;
    const struct redisReply *reply;
    size_t first_item;
};

typedef void poll_fn(void *owner, const struct poll_found *found);

/* One request's dealings with one session; one call at a time that is waited for. */
struct poll {
    const struct services *services; /* borrowed */
    const char *proto;               /* the row's name, part of every look-up */
    void *owner;
    poll_fn *done;
    struct store_calls calls;
    struct poll_closing *closing; /* owned by the call that closes the session; NULL: none */
    enum script script;           /* of the call under way */
    char sid[POLL_SID_LENGTH];
    char token[POLL_TOKEN_LENGTH]; /* the request's claim */
};

void poll_init(struct poll *poll, const struct services *services, const char *proto,
               struct str sid, void *owner);
void poll_finish(struct poll *poll); /* forgets what is under way */
bool poll_is_ours(struct str token); /* whether a claim is of this process */
struct str poll_sid(const struct poll *poll);
struct str poll_channel(const struct poll *poll, struct key_name *room);
/* The pieces of the queue; at == NULL at the end. */
struct str poll_item(const struct poll_found *found, size_t index);

/* Each calls its last argument once, later. */
void poll_open(struct poll *poll, struct str saved, struct str packets, int64_t allowance,
               poll_fn *done);
void poll_claim(struct poll *poll, struct str instead, struct str t, poll_fn *done);
void poll_knock(struct poll *poll, poll_fn *done);
void poll_read(struct poll *poll, uint64_t room, poll_fn *done);
/* `bytes`: of the answer. */
void poll_take(struct poll *poll, struct str version, struct str t, struct str marks,
               size_t items, bool ping, size_t bytes, poll_fn *done);
void poll_load(struct poll *poll, poll_fn *done);
/* `bytes`: of the request. */
void poll_commit(struct poll *poll, struct str version, struct str saved, struct str packets,
                 size_t bytes, bool pong, int64_t allowance, poll_fn *done);
/* `claimed`: only when our claim holds it. `told`: the words wait for the next GET. `ending`
 * (copied; NULL: somebody else tells) is told of, with what Redis knows, when it was this call
 * that ended the session, also when nobody waits for it any more. */
void poll_close(struct poll *poll, bool claimed, struct str words, bool told,
                const struct ending *ending, poll_fn *done);
bool poll_is_busy(const struct poll *poll); /* a call that is waited for is under way */
void poll_probe(struct poll *poll, uint64_t limit_ms, poll_fn *done);
void poll_unprobe(struct poll *poll);
void poll_probed(struct poll *poll, poll_fn *done);
void poll_upgrade(struct poll *poll, poll_fn *done);
void poll_renew(struct poll *poll);

#endif
