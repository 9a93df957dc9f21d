/* The inside of a playback socket: what playback and playback_follow share. */
#ifndef SEGUE_PROTO_PLAYBACK_CORE_H
#define SEGUE_PROTO_PLAYBACK_CORE_H

#include "gateway/hub/held.h"
#include "gateway/proto/cursor.h"
#include "gateway/proto/socketio.h"
#include "gateway/store/keys.h"

enum {
    PLAYBACK_NUMBER_TEXT = 24
};

enum playback_phase {
    PLAYBACK_SUBSCRIBING,
    PLAYBACK_FINDING,
    PLAYBACK_CATCHING,
    PLAYBACK_LIVE,
    PLAYBACK_BEHIND /* no room for what was read; `drained` goes on */
};

struct playback;

/* A transition under way, and the acknowledgement that waits for it. */
struct pending {
    struct pending *prev, *next;
    struct playback *playback;
    bool wants_ack;
    uint64_t ack;
};

/* One of the two streams that a socket follows. */
struct follow {
    struct hub_sub sub;
    struct held held;
    struct cursor cursor; /* what the client knows */
    struct playback *playback;
    bool found; /* the read that asked where we stand was answered */
};

struct playback {
    struct sio_socket socket; /* first: the core knows only this part */
    struct follow mine, all;
    struct store_calls calls;   /* transitions */
    struct store_calls reading; /* reads: a new round forgets those of the last */
    struct pending *pending;    /* owned */
    char *tag;                  /* owned: the user as he stands in keys */
    char *pid;                  /* owned: with recovery, who comes back; NULL = without */
    char *begun;                /* owned: the place that was saved; NULL = none was */
    uint64_t since_ms;
    uint64_t seq; /* of the last change of state that the client knows; 0 = of none */
    uint16_t tag_len;
    uint8_t phase;   /* enum playback_phase; set by enter() only */
    uint8_t reads;   /* under way */
    bool recovering; /* the cursors are the client's, not yet known to be good */
    bool full;       /* something found no room in this round of reads */
    bool awaited;    /* session_settle is due */
    bool paused;
    bool known; /* its device was registered before */
};

static inline struct playback *playback_of(struct sio_socket *socket)
{
    return (struct playback *)socket;
}

static inline const struct services *playback_services(const struct playback *playback)
{
    return playback->socket.session->services;
}

static inline struct str playback_tag(const struct playback *playback)
{
    return str_from(playback->tag, playback->tag_len);
}

static inline bool playback_is_open(const struct playback *playback)
{
    return playback->socket.state != SIO_GONE;
}

/* playback_follow */
/* Begins to listen; a socket that is CONNECTING comes in, another catches up from its cursors.
 */
void playback_listen(struct playback *playback);
/* The same for a socket that listens to nothing. */
void playback_find(struct playback *playback);
void playback_catch_up(struct playback *playback);
void playback_unlisten(struct playback *playback);
/* The member of the user's list of devices. */
void playback_add_entry(struct buf *to, const struct playback *playback,
                        enum metrics_transport transport);
uint64_t playback_lease_ms(const struct playback *playback);
struct str playback_number(char room[PLAYBACK_NUMBER_TEXT], uint64_t number);

#endif
