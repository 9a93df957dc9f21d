/* How a playback socket comes in and follows its user's state and the two streams of events.
 *
 *     SUBSCRIBING --both channels live--> FINDING --accepted--> CATCHING --all read--> LIVE
 *                                                                 ^  |                  |
 *                                                  room again ----+--+-- no room        |
 *                                                                 +--- gap, resync -----+
 *
 * FINDING asks where both streams end, or whether they still reach back to where the client was
 * (recovery). CATCHING reads the state and, from the cursors on, both streams; what is
 * published meanwhile is held. The socket of a single request listens to nothing (a POST), or
 * begins with CATCHING from the cursors that were kept (a GET). */
#include "gateway/proto/playback.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/proto/playback_core.h"
#include "gateway/proto/playback_text.h"

enum {
    BATCH = 64 /* events per read */
};

static struct follow *follow_of(struct hub_sub *sub)
{
    return (struct follow *)((char *)sub - offsetof(struct follow, sub));
}

static struct store *store_of(const struct playback *playback)
{
    return playback_services(playback)->store;
}

static void enter(struct playback *playback, enum playback_phase phase)
{
    playback->phase = (uint8_t)phase;
}

/* ---- what the carrier waits for ---- */

static void await(struct playback *playback)
{
    if (!playback->awaited) {
        playback->awaited = true;
        session_begin(playback->socket.session);
    }
}

static void settle(struct playback *playback)
{
    if (playback->awaited) {
        playback->awaited = false;
        session_settle(playback->socket.session);
    }
}

/* ---- arguments of scripts ---- */

struct str playback_number(char room[PLAYBACK_NUMBER_TEXT], uint64_t number)
{
    return str_from(
        room, (size_t)snprintf(room, PLAYBACK_NUMBER_TEXT, "%llu", (unsigned long long)number));
}

uint64_t playback_lease_ms(const struct playback *playback)
{
    const struct config *config = playback_services(playback)->config;
    return config->ping_interval_ms + config->ping_timeout_ms;
}

/* The device as it stands in the user's list: by connection, so that the end of an old one does
 * not take away the one that recovered. */
void playback_add_entry(struct buf *to, const struct playback *playback,
                        enum metrics_transport transport)
{
    buf_addf(to, "%.*s %llu %llu playback %s", STR_ARG(session_id(playback->socket.session)),
             (unsigned long long)playback->since_ms,
             (unsigned long long)playback_lease_ms(playback),
             transport == METRICS_TRANSPORT_WEBSOCKET ? "websocket" : "polling");
}

/* ---- telling ---- */

/* A client that does not keep up with what happens is let go, and recovers; one that catches up
 * gets the rest when there is room, and a single request with the next one. */
static void no_room(struct playback *playback)
{
    struct session *session = playback->socket.session;

    playback->full = true;
    if (playback->phase != PLAYBACK_LIVE) {
        return;
    }
    if (session->brief) {
        enter(playback, PLAYBACK_BEHIND);
        return;
    }
    playback_services(playback)->metrics->slow_consumers++;
    session_close(session, REASON_SLOW);
}

/* False: there was no room, and the cursor stays. */
static bool tell_event(struct playback *playback, struct cursor *cursor, uint64_t number,
                       struct str body, struct msg *msg)
{
    struct cursor before = *cursor;
    bool told;

    *cursor = (struct cursor){number, false}; /* the event carries it as its offset */
    told = msg != NULL ? sio_emit_shared(&playback->socket, msg, str_from("", 0), body)
                       : sio_emit(&playback->socket, body);
    if (!told) {
        *cursor = before;
        no_room(playback);
    }
    return told;
}

static void add_state_head(struct buf *to, struct playback *playback)
{
    buf_add_text(to, "\"playback_state\",{\"userId\":");
    playback_write_user(
        to, str_from(playback->socket.identity.user, playback->socket.identity.user_len));
    buf_add_char(to, ',');
}

/* `state`: a PlaybackState without its first brace and userId. */
static void tell_state(struct playback *playback, uint64_t seq, struct str state,
                       struct msg *msg)
{
    uint64_t before = playback->seq;
    struct buf head = {0};
    bool told;

    playback->seq = seq;
    add_state_head(&head, playback);
    if (msg != NULL) {
        told = sio_emit_shared(&playback->socket, msg, buf_str(&head), state);
    } else {
        buf_add(&head, state);
        told = sio_emit(&playback->socket, buf_str(&head));
    }
    buf_finish(&head);
    if (!told) {
        playback->seq = before;
        no_room(playback);
    }
}

/* ---- publications in their turn ---- */

/* Whether a numbered publication is the next one; a gap is healed by reading. */
static bool is_next(struct follow *follow, struct msg *msg, uint64_t known)
{
    if (msg->seq <= known) {
        return false;
    }
    if (known != 0 && msg->prev > known) {
        held_add(&follow->held, msg);
        playback_catch_up(follow->playback);
        return false;
    }
    return true;
}

static void take_event(struct follow *follow, struct msg *msg)
{
    if (is_next(follow, msg, follow->cursor.at)) {
        tell_event(follow->playback, &follow->cursor, msg->seq, msg_other(msg), msg);
    }
}

static void take_state(struct follow *follow, struct msg *msg)
{
    struct playback *playback = follow->playback;
    struct str state = msg_other(msg);

    if (!is_next(follow, msg, playback->seq)) {
        return;
    }
    if (state.len == 0 || memcmp(msg->origin, playback->socket.id, SIO_ID_LENGTH) == 0) {
        playback->seq = msg->seq;
    } else {
        tell_state(playback, msg->seq, str_skip(state, 1), msg);
    }
}

/* Of which of the two it was nothing is known: all is read again. */
static void take_missed(struct follow *follow, struct msg *msg)
{
    (void)msg;
    playback_catch_up(follow->playback);
}

static void deliver(struct follow *follow, struct msg *msg)
{
    static const struct {
        char kind;
        void (*take)(struct follow *follow, struct msg *msg);
    } kinds[] = {
        {'e', take_event}, {'u', take_state}, {'p', take_state}, {'r', take_state},
        {'s', take_state}, {'n', take_state}, {'c', take_state}, {MSG_MISSED, take_missed},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].kind == msg->kind) {
            kinds[i].take(follow, msg);
            return;
        }
    }
}

static void on_published(struct hub_sub *sub, struct msg *msg)
{
    struct follow *follow = follow_of(sub);
    struct playback *playback = follow->playback;

    if (msg->kind == 'd') {
        session_close(playback->socket.session, REASON_DISCONNECTED);
    } else if (playback->phase == PLAYBACK_LIVE) {
        deliver(follow, msg);
    } else if (playback->phase != PLAYBACK_FINDING && playback->phase != PLAYBACK_CATCHING) {
        return;
    } else if (msg->kind == MSG_MISSED) {
        held_miss(&follow->held);
    } else {
        held_add(&follow->held, msg);
    }
}

static void deliver_held(struct follow *follow)
{
    struct held held = follow->held;

    follow->held = (struct held){NULL, 0, false};
    for (unsigned i = 0; i < held.count && playback_is_open(follow->playback); i++) {
        on_published(&follow->sub, held.msgs[i]);
    }
    held_clear(&held);
}

/* ---- reading ---- */

static bool is_away(const struct playback *playback)
{
    return hub_is_away(&playback->mine.sub) || hub_is_away(&playback->all.sub);
}

static void failed(struct playback *playback)
{
    held_clear(&playback->mine.held);
    held_clear(&playback->all.held);
    if (playback->socket.state == SIO_CONNECTED && !playback->socket.session->brief &&
        is_away(playback)) {
        enter(playback,
              PLAYBACK_SUBSCRIBING); /* the channels come back, and all is read again */
        return;
    }
    session_close(playback->socket.session, REASON_UNAVAILABLE);
}

/* Events that he has not heard are gone: not a silent gap, he comes back and begins anew. */
static void missed(struct playback *playback)
{
    held_clear(&playback->mine.held);
    held_clear(&playback->all.held);
    store_forget(&playback->reading);
    playback->reads = 0;
    session_close(playback->socket.session, REASON_SLOW);
}

/* Is there still no room? (It may have come while the rest of a round was awaited; then no
 * `drained` follows any more.) A single request has none until it is answered. */
static bool waits_for_room(const struct playback *playback)
{
    const struct session *session = playback->socket.session;

    return playback->full && (session->brief || session->starved);
}

/* One read of a round is done; the last one ends the round. */
static void round_done(struct playback *playback)
{
    bool again =
        playback->full || playback->mine.held.overtaken || playback->all.held.overtaken;

    if (--playback->reads > 0) {
        return;
    }
    if (waits_for_room(playback)) {
        enter(playback, PLAYBACK_BEHIND);
        held_clear(&playback->mine.held);
        held_clear(&playback->all.held);
    } else if (again) {
        playback_catch_up(playback);
        return;
    } else {
        enter(playback, PLAYBACK_LIVE);
        deliver_held(&playback->mine);
        if (playback_is_open(playback)) {
            deliver_held(&playback->all);
        }
    }
    if (playback_is_open(playback) && playback->reads == 0) {
        settle(playback);
    }
}

static void call_read(struct follow *follow, const struct cursor *from, unsigned limit,
                      store_done_fn *done)
{
    struct playback *playback = follow->playback;
    bool mine = follow == &playback->mine;
    struct key_name events;
    struct buf cursor = {0};
    char room[PLAYBACK_NUMBER_TEXT];

    if (from != NULL) {
        cursor_add(&cursor, from);
    }
    playback->reads++;
    store_call(
        store_of(playback), SCRIPT_events_read,
        STRS(keys_name(&events, KEY_EVENTS, mine ? playback_tag(playback) : KEYS_EVERYBODY)),
        STRS(buf_str(&cursor), playback_number(room, limit)), &playback->reading, done, follow);
    buf_finish(&cursor);
}

enum read_reply {
    READ_SERVED = 1,
    READ_END,
    READ_MORE,
    READ_ENTRIES
};

/* All that a read brought; false: there was no room for all. */
static bool take_entries(struct follow *follow, const struct redisReply *reply)
{
    size_t at = READ_ENTRIES;

    for (; reply_str(reply, at).at != NULL; at += 2) {
        if (!playback_is_open(follow->playback) ||
            !tell_event(follow->playback, &follow->cursor, (uint64_t)reply_int(reply, at),
                        reply_str(reply, at + 1), NULL)) {
            return false;
        }
    }
    return true;
}

static void on_entries(void *context, enum err err, const struct redisReply *reply)
{
    struct follow *follow = context;
    struct playback *playback = follow->playback;
    struct cursor end;

    if (err != ERR_OK || cursor_parse(reply_str(reply, READ_END), &end) != ERR_OK) {
        store_forget(&playback->reading);
        playback->reads = 0;
        failed(playback);
        return;
    }
    /* (An empty stream says nothing of what was in it: Redis may have lost its data.) */
    if (reply_int(reply, READ_SERVED) == 0 && !end.empty) {
        missed(playback);
        return;
    }
    if (take_entries(follow, reply) && playback_is_open(playback)) {
        follow->cursor = end;
        if (reply_int(reply, READ_MORE) != 0) {
            call_read(follow, &follow->cursor, BATCH, on_entries);
        }
    }
    if (playback_is_open(playback)) {
        round_done(playback);
    }
}

/* What is kept of a state that is gone. */
#define NO_STATE "\"isPlaying\":false,\"currentTime\":0,\"duration\":0,\"mediaId\":null}"

/* "WHO FROM TO": who fetches the state is not told what nobody was told (a command says it), or
 * what he said himself. */
static bool is_unsaid(const struct playback *playback, uint64_t seq, struct str unsaid)
{
    struct str who, from, to;
    unsigned long long first, last;

    str_cut(unsaid, ' ', &who, &unsaid);
    str_cut(unsaid, ' ', &from, &to);
    return str_to_u64(from, UINT64_MAX / 2, &first) && str_to_u64(to, UINT64_MAX / 2, &last) &&
           last == seq && playback->seq >= first &&
           (str_equal(who, STR("*")) ||
            str_equal(who, str_from(playback->socket.id, SIO_ID_LENGTH)));
}

static void on_state(void *context, enum err err, const struct redisReply *reply)
{
    struct playback *playback = context;
    struct str media = reply_str(reply, PLAYBACK_JOIN_MEDIA);
    uint64_t seq = (uint64_t)reply_int(reply, PLAYBACK_JOIN_SEQ);
    struct buf state = {0};

    if (err != ERR_OK || reply_outcome(reply) != OUTCOME_APPLIED) {
        store_forget(&playback->reading);
        playback->reads = 0;
        failed(playback);
        return;
    }
    if (media.at != NULL && is_unsaid(playback, seq, reply_str(reply, PLAYBACK_JOIN_UNSAID))) {
        playback->seq = seq;
    } else if (media.at != NULL && seq != playback->seq) {
        buf_addf(&state, "\"isPlaying\":%s,\"currentTime\":%.*s,%.*s}",
                 reply_int(reply, PLAYBACK_JOIN_PAUSED) != 0 ? "false" : "true",
                 STR_ARG(reply_str(reply, PLAYBACK_JOIN_POSITION)), STR_ARG(media));
        tell_state(playback, seq, buf_str(&state), NULL);
    } else if (media.at == NULL && playback->seq != 0) {
        tell_state(playback, 0, STR(NO_STATE), NULL);
    }
    buf_finish(&state);
    if (playback_is_open(playback)) {
        round_done(playback);
    }
}

/* Whoever was here before proves that somebody was there: his read lays no ghost. */
static uint64_t ghost_grace_ms(const struct playback *playback)
{
    return playback->known ? 0 : playback_services(playback)->config->orphan_grace_s * 1000;
}

static void call_state(struct playback *playback)
{
    struct key_name state, devices, channel;
    struct buf entry = {0};
    char lease[PLAYBACK_NUMBER_TEXT], grace[PLAYBACK_NUMBER_TEXT];

    playback_add_entry(&entry, playback, playback->socket.session->transport->metric);
    playback->reads++;
    store_call(store_of(playback), SCRIPT_playback_join,
               STRS(keys_name(&state, KEY_PLAYER, playback_tag(playback)),
                    keys_name(&devices, KEY_DEVICES, playback_tag(playback)),
                    keys_name(&channel, KEY_USER, playback_tag(playback))),
               STRS(buf_str(&entry), playback_number(lease, playback_lease_ms(playback)),
                    playback_number(grace, ghost_grace_ms(playback))),
               &playback->reading, on_state, playback);
    buf_finish(&entry);
    playback->known = true;
}

void playback_catch_up(struct playback *playback)
{
    enter(playback, PLAYBACK_CATCHING);
    playback->full = false;
    playback->mine.held.overtaken = playback->all.held.overtaken = false;
    await(playback);
    call_state(playback);
    call_read(&playback->mine, &playback->mine.cursor, BATCH, on_entries);
    call_read(&playback->all, &playback->all.cursor, BATCH, on_entries);
}

/* ---- coming in ---- */

static void make_pid(struct playback *playback)
{
    struct buf pid = {0};

    buf_addf(&pid, "%.*s.", SIO_ID_LENGTH, playback->socket.id);
    cursor_add(&pid, &playback->mine.cursor);
    buf_add_char(&pid, '.');
    cursor_add(&pid, &playback->all.cursor);
    buf_add_char(&pid, '.');
    buf_add_u64(&pid, 0);
    buf_text(&pid);
    mem_free(playback->pid);
    playback->pid = buf_take(&pid);
}

/* Where we stand is known: in. A client that recovered keeps its id and its pid. */
static void come_in(struct playback *playback)
{
    bool recovered = playback->recovering;

    playback->recovering = false;
    if (!recovered && playback->pid != NULL) {
        make_pid(playback);
    }
    if (recovered) {
        memcpy(playback->socket.id, playback->pid, SIO_ID_LENGTH);
    }
    sio_accept(&playback->socket, str_of(playback->pid));
    if (playback->socket.session->deaf) { /* the next GET tells the rest */
        if (!recovered) {
            playback->seq = 0;
        }
        enter(playback, PLAYBACK_LIVE);
        settle(playback);
        return;
    }
    if (recovered) {
        playback_catch_up(playback);
        return;
    }
    playback->seq = 0;
    enter(playback, PLAYBACK_CATCHING);
    call_state(playback);
}

static void on_found(void *context, enum err err, const struct redisReply *reply)
{
    struct follow *follow = context;
    struct playback *playback = follow->playback;
    struct cursor end;

    if (err != ERR_OK || cursor_parse(reply_str(reply, READ_END), &end) != ERR_OK) {
        store_forget(&playback->reading);
        playback->reads = 0;
        failed(playback);
        return;
    }
    if (playback->recovering && reply_int(reply, READ_SERVED) == 0) {
        /* A plain new session, never a part: both streams are followed from their ends. */
        playback->recovering = false;
        store_forget(&playback->reading);
        playback->reads = 0;
        call_read(&playback->mine, NULL, 0, on_found);
        call_read(&playback->all, NULL, 0, on_found);
        return;
    }
    if (!playback->recovering) {
        follow->cursor = end;
    }
    if (--playback->reads == 0) {
        come_in(playback);
    }
}

void playback_find(struct playback *playback)
{
    bool recovering = playback->recovering;

    await(playback);
    enter(playback, PLAYBACK_FINDING);
    call_read(&playback->mine, recovering ? &playback->mine.cursor : NULL, 0, on_found);
    call_read(&playback->all, recovering ? &playback->all.cursor : NULL, 0, on_found);
}

static void read_all(struct playback *playback)
{
    store_forget(&playback->reading);
    playback->reads = 0;
    if (playback->socket.state == SIO_CONNECTING) {
        playback_find(playback);
    } else {
        playback_catch_up(playback);
    }
}

/* Also called again when Redis was away. */
static void on_ready(struct hub_sub *sub)
{
    struct playback *playback = follow_of(sub)->playback;

    if (hub_is_live(&playback->mine.sub) && hub_is_live(&playback->all.sub)) {
        read_all(playback);
    }
}

static const struct hub_listener listener = {on_ready, on_published};

void playback_listen(struct playback *playback)
{
    struct hub *hub = playback_services(playback)->hub;
    struct key_name mine, all;
    bool live;

    await(playback);
    live = hub_join(hub, &playback->mine.sub, &listener,
                    keys_name(&mine, KEY_USER, playback_tag(playback)));
    live = hub_join(hub, &playback->all.sub, &listener,
                    keys_name(&all, KEY_ALL, KEYS_EVERYBODY)) &&
           live;
    if (live || is_away(playback)) { /* away: reading says so */
        read_all(playback);
    }
}

void playback_unlisten(struct playback *playback)
{
    struct hub *hub = playback_services(playback)->hub;

    hub_leave(hub, &playback->mine.sub);
    hub_leave(hub, &playback->all.sub);
    store_forget(&playback->reading);
    held_clear(&playback->mine.held);
    held_clear(&playback->all.held);
    settle(playback);
}
