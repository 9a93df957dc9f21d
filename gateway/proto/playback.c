/* Playback: namespace `/` of Socket.IO: the state of a user's player in CarPlay's words, commands,
 * and every event that a backend sends to the user.
 *
 *     SUBSCRIBING --both channels live--> FINDING --accepted--> CATCHING --all read--> LIVE
 *                                                                 ^  |                  |
 *                                                  room again ----+--+-- no room        |
 *                                                                 +--- gap, resync -----+
 *
 * FINDING asks where both streams end, or whether they still reach back to where the client was
 * (recovery). CATCHING reads the state and, from the cursors on, both streams; what is published
 * meanwhile is held. The socket of a single request listens to nothing (a POST), or begins with
 * CATCHING from the cursors that were kept (a GET). */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/json_text.h"
#include "common/mem.h"
#include "common/pack.h"
#include "gateway/hub/held.h"
#include "gateway/proto/cursor.h"
#include "gateway/proto/playback.h"
#include "gateway/proto/playback_text.h"
#include "gateway/store/keys.h"

enum {
    BATCH = 64,         /* events per read */
    PENDING_PAUSE = 64, /* transitions under way for one client: no more are read, until ... */
    PENDING_RESUME = 32,
    NUMBER_ROOM = 24
};

enum phase {
    SUBSCRIBING,
    FINDING,
    CATCHING,
    LIVE,
    BEHIND /* no room for what was read; `drained` goes on */
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
    struct store_calls calls;
    struct pending *pending; /* owned */
    char *tag;               /* owned: the user as he stands in keys */
    char *pid;               /* owned: with recovery, who comes back; NULL = without */
    uint64_t since_ms;
    uint64_t seq; /* of the last change of state that the client knows; 0 = of none */
    uint16_t tag_len;
    uint8_t phase; /* enum phase; set by enter() only */
    uint8_t reads; /* under way */
    bool recovering; /* the cursors are the client's, not yet known to be good */
    bool full;       /* something found no room in this round of reads */
    bool again;      /* more came than could be held: another round */
    bool awaited;    /* session_settle is due */
    bool paused;
};

static struct playback *playback_of(struct sio_socket *socket)
{
    return (struct playback *)socket;
}

static struct follow *follow_of(struct hub_sub *sub)
{
    return (struct follow *)((char *)sub - offsetof(struct follow, sub));
}

static struct str tag_of(const struct playback *playback)
{
    return str_from(playback->tag, playback->tag_len);
}

static const struct services *services_of(const struct playback *playback)
{
    return playback->socket.session->services;
}

static struct store *store_of(const struct playback *playback)
{
    return services_of(playback)->store;
}

static bool is_open(const struct playback *playback)
{
    return playback->socket.state != SIO_GONE;
}

static void enter(struct playback *playback, enum phase phase)
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

static struct str number_text(char room[NUMBER_ROOM], uint64_t number)
{
    return str_from(room,
                    (size_t)snprintf(room, NUMBER_ROOM, "%llu", (unsigned long long)number));
}

static uint64_t lease_ms(const struct playback *playback)
{
    const struct config *config = services_of(playback)->config;
    return config->ping_interval_ms + config->ping_timeout_ms;
}

/* The device as it stands in the user's list: by connection, so that the end of an old one does
 * not take away the one that recovered. */
static void add_entry(struct buf *to, const struct playback *playback)
{
    const struct session *session = playback->socket.session;

    buf_addf(to, "%.*s %llu %llu playback %s", STR_ARG(session_id(session)),
             (unsigned long long)playback->since_ms, (unsigned long long)lease_ms(playback),
             session->transport->metric == METRICS_TRANSPORT_WEBSOCKET ? "websocket"
                                                                       : "polling");
}

/* ---- telling ---- */

/* A client that does not keep up with what happens is let go, and recovers; one that catches up
 * gets the rest when there is room, and a single request with the next one. */
static void no_room(struct playback *playback)
{
    struct session *session = playback->socket.session;

    playback->full = true;
    if (playback->phase != LIVE) {
        return;
    }
    if (session->brief) {
        enter(playback, BEHIND);
        return;
    }
    services_of(playback)->metrics->slow_consumers++;
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

static void catch_up(struct playback *playback);

/* Whether a numbered publication is the next one; a gap is healed by reading. */
static bool is_next(struct follow *follow, struct msg *msg, uint64_t known)
{
    if (msg->seq <= known) {
        return false;
    }
    if (known != 0 && msg->prev > known) {
        held_add(&follow->held, msg);
        catch_up(follow->playback);
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

static void deliver(struct follow *follow, struct msg *msg)
{
    static const struct {
        char kind;
        void (*take)(struct follow *follow, struct msg *msg);
    } kinds[] = {
        {'e', take_event}, {'u', take_state}, {'p', take_state}, {'r', take_state},
        {'s', take_state}, {'n', take_state}, {'c', take_state},
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
    } else if (playback->phase == LIVE) {
        deliver(follow, msg);
    } else if (playback->phase == FINDING || playback->phase == CATCHING) {
        held_add(&follow->held, msg);
    }
}

static void deliver_held(struct follow *follow)
{
    struct held held = follow->held;

    follow->held = (struct held){NULL, 0, false};
    for (unsigned i = 0; i < held.count && is_open(follow->playback); i++) {
        on_published(&follow->sub, held.msgs[i]);
    }
    held_clear(&held);
}

/* ---- reading ---- */

static void failed(struct playback *playback)
{
    held_clear(&playback->mine.held);
    held_clear(&playback->all.held);
    if (playback->socket.state == SIO_CONNECTED && !playback->socket.session->brief &&
        !store_is_up(store_of(playback))) {
        enter(playback, SUBSCRIBING); /* the channels come back, and all is read again */
        return;
    }
    session_close(playback->socket.session, REASON_UNAVAILABLE);
}

/* One read of a round is done; the last one ends the round. */
static void round_done(struct playback *playback)
{
    bool again = playback->mine.held.overtaken || playback->all.held.overtaken;

    if (--playback->reads > 0) {
        return;
    }
    if (playback->full) {
        enter(playback, BEHIND);
        held_clear(&playback->mine.held);
        held_clear(&playback->all.held);
    } else if (again) {
        catch_up(playback);
        return;
    } else {
        enter(playback, LIVE);
        deliver_held(&playback->mine);
        if (is_open(playback)) {
            deliver_held(&playback->all);
        }
    }
    if (is_open(playback) && playback->reads == 0) {
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
    char room[NUMBER_ROOM];

    if (from != NULL) {
        cursor_add(&cursor, from);
    }
    playback->reads++;
    store_call(store_of(playback), SCRIPT_events_read,
               STRS(keys_name(&events, KEY_EVENTS, mine ? tag_of(playback) : STR("*"))),
               STRS(buf_str(&cursor), number_text(room, limit)), &playback->calls, done,
               follow);
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
        if (!is_open(follow->playback) ||
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
        store_forget(&playback->calls);
        playback->reads = 0;
        failed(playback);
        return;
    }
    if (take_entries(follow, reply) && is_open(playback)) {
        follow->cursor = end;
        if (reply_int(reply, READ_MORE) != 0) {
            call_read(follow, &follow->cursor, BATCH, on_entries);
        }
    }
    if (is_open(playback)) {
        round_done(playback);
    }
}

/* What is kept of a state that is gone. */
#define NO_STATE "\"isPlaying\":false,\"currentTime\":0,\"duration\":0,\"mediaId\":null}"

static void on_state(void *context, enum err err, const struct redisReply *reply)
{
    struct playback *playback = context;
    struct str media = reply_str(reply, PLAYBACK_JOIN_MEDIA);
    uint64_t seq = (uint64_t)reply_int(reply, PLAYBACK_JOIN_SEQ);
    struct buf state = {0};

    if (err != ERR_OK || reply_outcome(reply) != OUTCOME_APPLIED) {
        store_forget(&playback->calls);
        playback->reads = 0;
        failed(playback);
        return;
    }
    if (media.at != NULL && seq != playback->seq) {
        buf_addf(&state, "\"isPlaying\":%s,\"currentTime\":%.*s,%.*s}",
                 reply_int(reply, PLAYBACK_JOIN_PAUSED) != 0 ? "false" : "true",
                 STR_ARG(reply_str(reply, PLAYBACK_JOIN_POSITION)), STR_ARG(media));
        tell_state(playback, seq, buf_str(&state), NULL);
    } else if (media.at == NULL && playback->seq != 0) {
        tell_state(playback, 0, STR(NO_STATE), NULL);
    }
    buf_finish(&state);
    if (is_open(playback)) {
        round_done(playback);
    }
}

static void call_state(struct playback *playback)
{
    struct key_name state, devices, channel;
    struct buf entry = {0};
    char lease[NUMBER_ROOM];

    add_entry(&entry, playback);
    playback->reads++;
    store_call(store_of(playback), SCRIPT_playback_join,
               STRS(keys_name(&state, KEY_PLAYER, tag_of(playback)),
                    keys_name(&devices, KEY_DEVICES, tag_of(playback)),
                    keys_name(&channel, KEY_USER, tag_of(playback))),
               STRS(buf_str(&entry), number_text(lease, lease_ms(playback)), STR("0")),
               &playback->calls, on_state, playback);
    buf_finish(&entry);
}

static void catch_up(struct playback *playback)
{
    enter(playback, CATCHING);
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
    if (recovered) {
        catch_up(playback);
        return;
    }
    playback->seq = 0;
    enter(playback, CATCHING);
    call_state(playback);
}

static void on_found(void *context, enum err err, const struct redisReply *reply)
{
    struct follow *follow = context;
    struct playback *playback = follow->playback;
    struct cursor end;

    if (err != ERR_OK || cursor_parse(reply_str(reply, READ_END), &end) != ERR_OK) {
        store_forget(&playback->calls);
        playback->reads = 0;
        failed(playback);
        return;
    }
    if (playback->recovering && reply_int(reply, READ_SERVED) == 0) {
        /* A plain new session, never a part: both streams are followed from their ends. */
        playback->recovering = false;
        store_forget(&playback->calls);
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

static void find(struct playback *playback)
{
    bool recovering = playback->recovering;

    enter(playback, FINDING);
    call_read(&playback->mine, recovering ? &playback->mine.cursor : NULL, 0, on_found);
    call_read(&playback->all, recovering ? &playback->all.cursor : NULL, 0, on_found);
}

/* Also called again when Redis was away. */
static void on_ready(struct hub_sub *sub)
{
    struct playback *playback = follow_of(sub)->playback;

    if (!hub_is_live(&playback->mine.sub) || !hub_is_live(&playback->all.sub)) {
        return;
    }
    store_forget(&playback->calls);
    playback->reads = 0;
    if (playback->socket.state == SIO_CONNECTING) {
        find(playback);
    } else {
        catch_up(playback);
    }
}

static const struct hub_listener listener = {on_ready, on_published};

static void listen(struct playback *playback)
{
    struct hub *hub = services_of(playback)->hub;
    struct key_name mine, all;
    bool live;

    await(playback);
    live = hub_join(hub, &playback->mine.sub, &listener,
                    keys_name(&mine, KEY_USER, tag_of(playback)));
    live = hub_join(hub, &playback->all.sub, &listener, keys_name(&all, KEY_ALL, STR("*"))) &&
           live;
    if (live) {
        on_ready(&playback->mine.sub);
    }
}

static void set_up(struct playback *playback)
{
    struct buf tag = {0};

    keys_tag(str_from(playback->socket.identity.user, playback->socket.identity.user_len),
             &tag);
    playback->tag_len = (uint16_t)tag.len;
    playback->tag = mem_copy(tag.at, tag.len);
    playback->mine.playback = playback->all.playback = playback;
    buf_finish(&tag);
    enter(playback, SUBSCRIBING);
}

/* "MINE.ALL.SEQ"; the later of two places counts. */
static bool take_place(struct playback *playback, struct str text)
{
    struct str mine, all, rest;
    struct cursor of_mine, of_all;
    unsigned long long seq;

    str_cut(text, '.', &mine, &rest);
    str_cut(rest, '.', &all, &rest);
    if (cursor_parse(mine, &of_mine) != ERR_OK || cursor_parse(all, &of_all) != ERR_OK ||
        !str_to_u64(rest, UINT64_MAX / 2, &seq)) {
        return false;
    }
    if (of_mine.at > playback->mine.cursor.at) {
        playback->mine.cursor = of_mine;
    }
    if (of_all.at > playback->all.cursor.at) {
        playback->all.cursor = of_all;
    }
    if (seq > playback->seq) {
        playback->seq = seq;
    }
    return true;
}

static bool is_id(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return text.len == SIO_ID_LENGTH;
}

/* Nothing is remembered of a client that comes back: who he is says his token, where he was say
 * these two, which are checked for form only. */
static bool take_recovery(struct playback *playback, const cJSON *auth)
{
    const char *pid =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(auth, "pid"));
    const cJSON *offset = cJSON_GetObjectItemCaseSensitive(auth, "offset");
    struct str id, place;

    if (pid == NULL || !str_cut(str_of(pid), '.', &id, &place) || !is_id(id) ||
        !take_place(playback, place)) {
        return false;
    }
    if (offset != NULL && (!cJSON_IsString(offset) ||
                           !take_place(playback, str_of(cJSON_GetStringValue(offset))))) {
        return false;
    }
    mem_free(playback->pid);
    playback->pid = mem_copy(pid, strlen(pid));
    return true;
}

static void playback_connect(struct sio_socket *socket, const cJSON *auth)
{
    struct playback *playback = playback_of(socket);

    set_up(playback);
    playback->since_ms = store_now_us(store_of(playback)) / 1000;
    if (sio_recovery_wanted(socket, auth)) {
        playback->pid = mem_copy("", 0);
        playback->recovering = take_recovery(playback, auth);
    }
    if (!playback->recovering) {
        playback->seq = 0;
    }
    if (socket->session->deaf) {
        await(playback);
        find(playback);
    } else {
        listen(playback);
    }
}

/* ---- what the client says ---- */

static struct pending *begin(struct playback *playback, const struct sio_event *event)
{
    struct pending *pending = mem_zero(sizeof(*pending));

    pending->playback = playback;
    pending->wants_ack = event->wants_ack;
    pending->ack = event->ack;
    pending->next = playback->pending;
    if (pending->next != NULL) {
        pending->next->prev = pending;
    }
    playback->pending = pending;
    session_begin(playback->socket.session);
    if (!playback->paused && playback->calls.count >= PENDING_PAUSE) {
        playback->paused = true;
        session_pause(playback->socket.session, true);
    }
    return pending;
}

static void unlink_pending(struct playback *playback, struct pending *pending)
{
    if (pending->prev != NULL) {
        pending->prev->next = pending->next;
    } else {
        playback->pending = pending->next;
    }
    if (pending->next != NULL) {
        pending->next->prev = pending->prev;
    }
}

/* code == NULL: all is well. */
static void answer(struct playback *playback, const struct sio_event *event, const char *code,
                   const char *message)
{
    if (code != NULL) {
        sio_emit_error(&playback->socket, code, message);
    }
    if (is_open(playback)) {
        sio_ack_outcome(&playback->socket, event, code, message);
    }
}

static void refuse(struct playback *playback, const struct sio_event *event, const char *code,
                   const char *message)
{
    services_of(playback)->metrics->rejected[METRICS_REJECTION_INVALID]++;
    answer(playback, event, code, message);
}

static void on_applied(void *context, enum err err, const struct redisReply *reply)
{
    struct pending *pending = context;
    struct playback *playback = pending->playback;
    struct session *session = playback->socket.session;
    struct sio_event event = {.wants_ack = pending->wants_ack, .ack = pending->ack};

    unlink_pending(playback, pending);
    mem_free(pending);
    if (playback->paused && playback->calls.count <= PENDING_RESUME) {
        playback->paused = false;
        session_pause(session, false);
    }
    if (err != ERR_OK) {
        answer(playback, &event, err_word(ERR_UNAVAILABLE),
               "the state can't be reached: not known to be applied");
    } else if (reply_outcome(reply) == OUTCOME_NO_STATE) {
        refuse(playback, &event, "no_state", "mediaId: is needed: there is no state yet");
    } else {
        answer(playback, &event, NULL, NULL);
    }
    session_settle(session);
}

static void update(struct playback *playback, const struct sio_event *event, const cJSON *json)
{
    struct key_name state, channel;
    struct playback_update wanted;
    char why[JSON_WHY_MAX];

    if (playback_read_state(json, &wanted, why) != ERR_OK) {
        refuse(playback, event, err_word(ERR_INVALID), why);
    } else {
        struct str origin = wanted.parts[PLAYBACK_SOCKET];
        struct pending *pending = begin(playback, event);

        store_call(store_of(playback), SCRIPT_playback_update,
                   STRS(keys_name(&state, KEY_PLAYER, tag_of(playback)),
                        keys_name(&channel, KEY_USER, tag_of(playback))),
                   STRS(is_id(origin) ? origin : STR("-"), wanted.parts[PLAYBACK_PLAYING],
                        wanted.parts[PLAYBACK_POSITION], wanted.parts[PLAYBACK_TRACK],
                        wanted.parts[PLAYBACK_DURATION], wanted.parts[PLAYBACK_TITLE],
                        wanted.parts[PLAYBACK_ARTIST], wanted.parts[PLAYBACK_ALBUM],
                        wanted.parts[PLAYBACK_TYPE]),
                   &playback->calls, on_applied, pending);
    }
    playback_finish(&wanted);
}

static void command(struct playback *playback, const struct sio_event *event,
                    const cJSON *json)
{
    struct key_name state, events, channel, devices;
    struct playback_command wanted;
    struct buf body = {0};
    char why[JSON_WHY_MAX];

    if (playback_read_command(json, &wanted, why) != ERR_OK) {
        refuse(playback, event, err_word(ERR_INVALID), why);
        return;
    }
    playback_write_command(&body, &wanted);
    store_call(store_of(playback), SCRIPT_playback_command,
               STRS(keys_name(&state, KEY_PLAYER, tag_of(playback)),
                    keys_name(&events, KEY_EVENTS, tag_of(playback)),
                    keys_name(&channel, KEY_USER, tag_of(playback)),
                    keys_name(&devices, KEY_DEVICES, tag_of(playback))),
               STRS(wanted.name, wanted.value, buf_str(&body), STR("-")), &playback->calls,
               on_applied, begin(playback, event));
    buf_finish(&body);
}

static void pong(struct playback *playback, const struct sio_event *event, const cJSON *json)
{
    (void)json;
    sio_emit(&playback->socket, STR("\"pong\""));
    if (is_open(playback)) {
        sio_ack_outcome(&playback->socket, event, NULL, NULL);
    }
}

static const struct {
    struct str name;
    void (*take)(struct playback *playback, const struct sio_event *event, const cJSON *json);
} verbs[] = {
    {{"playback_state_update", 21}, update},
    {{"carplay_command", 15}, command},
    {{"ping", 4}, pong},
};

static void playback_event(struct sio_socket *socket, const struct sio_event *event)
{
    struct playback *playback = playback_of(socket);
    struct str args = event->args, first = {NULL, 0};
    const char *why = NULL;
    cJSON *json = NULL;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (!str_equal(verbs[i].name, event->name)) {
            continue;
        }
        if (json_next_item(&args, &first)) {
            json = json_parse(first, &why);
        }
        verbs[i].take(playback, event, json);
        cJSON_Delete(json);
        return;
    }
    refuse(playback, event, "unknown_event", "this namespace knows no event of that name");
}

static void playback_limited(struct sio_socket *socket)
{
    sio_emit_error(socket, err_word(ERR_RATE_LIMITED), "messages come too fast");
}

/* ---- the socket's life ---- */

static void call_device(struct playback *playback, enum script script, struct str last)
{
    struct key_name devices;
    struct buf entry = {0};
    char lease[NUMBER_ROOM];

    add_entry(&entry, playback);
    store_call(store_of(playback), script,
               STRS(keys_name(&devices, KEY_DEVICES, tag_of(playback))),
               script == SCRIPT_device_renew
                   ? STRS(buf_str(&entry), number_text(lease, lease_ms(playback)), last)
                   : STRS(buf_str(&entry), last),
               NULL, NULL, NULL);
    buf_finish(&entry);
}

static void playback_alive(struct sio_socket *socket)
{
    call_device(playback_of(socket), SCRIPT_device_renew, STR("0"));
}

static void playback_drained(struct sio_socket *socket)
{
    struct playback *playback = playback_of(socket);

    if (playback->phase == BEHIND) {
        catch_up(playback);
    }
}

/* A device leaves with its socket, but not with the end of a request. */
static void playback_closed(struct sio_socket *socket)
{
    struct playback *playback = playback_of(socket);
    struct session *session = socket->session;
    char age[NUMBER_ROOM];

    hub_leave(services_of(playback)->hub, &playback->mine.sub);
    hub_leave(services_of(playback)->hub, &playback->all.sub);
    store_forget(&playback->calls);
    held_clear(&playback->mine.held);
    held_clear(&playback->all.held);
    while (playback->pending != NULL) {
        struct pending *pending = playback->pending;

        unlink_pending(playback, pending);
        mem_free(pending);
        session_settle(session);
    }
    settle(playback);
    if ((session->state == SESSION_OPEN || !session->brief) && playback->since_ms != 0 &&
        store_is_up(store_of(playback))) {
        call_device(playback, SCRIPT_device_leave, number_text(age, session->silent_ms));
    }
    mem_free(playback->tag);
    mem_free(playback->pid);
    playback->tag = playback->pid = NULL;
}

/* ---- recovery and requests ---- */

static void add_place(struct playback *playback, struct buf *to)
{
    cursor_add(to, &playback->mine.cursor);
    buf_add_char(to, '.');
    cursor_add(to, &playback->all.cursor);
    buf_add_char(to, '.');
    buf_add_u64(to, playback->seq);
}

static void playback_offset(struct sio_socket *socket, struct buf *to)
{
    if (playback_of(socket)->pid != NULL) {
        add_place(playback_of(socket), to);
    }
}

static void playback_marks(struct sio_socket *socket, struct buf *to)
{
    add_place(playback_of(socket), to);
}

static void playback_save(struct sio_socket *socket, struct buf *to)
{
    struct playback *playback = playback_of(socket);
    struct buf place = {0};

    add_place(playback, &place);
    pack_add_u64(to, playback->since_ms);
    pack_add_u64(to, playback->pid != NULL);
    pack_add_str(to, str_of(playback->pid));
    pack_add_str(to, buf_str(&place));
    buf_finish(&place);
}

static bool playback_load(struct sio_socket *socket, struct str saved, struct str marks)
{
    struct playback *playback = playback_of(socket);
    struct str pid, place;
    uint64_t recovers;

    set_up(playback);
    if (pack_take_u64(&saved, &playback->since_ms) != ERR_OK ||
        pack_take_u64(&saved, &recovers) != ERR_OK || pack_take_str(&saved, &pid) != ERR_OK ||
        pack_take_str(&saved, &place) != ERR_OK || pack_end(saved) != ERR_OK) {
        return false;
    }
    playback->pid = recovers != 0 ? mem_copy(pid.at, pid.len) : NULL;
    if (!take_place(playback, marks.len > 0 ? marks : place)) {
        return false;
    }
    if (socket->session->deaf) {
        enter(playback, LIVE);
        playback_alive(socket);
    } else {
        listen(playback);
    }
    return true;
}

const struct sio_space playback_space = {
    .name = {"/", 1},
    .proto = "playback",
    .size = sizeof(struct playback),
    .connect = playback_connect,
    .event = playback_event,
    .limited = playback_limited,
    .alive = playback_alive,
    .drained = playback_drained,
    .closed = playback_closed,
    .offset = playback_offset,
    .save = playback_save,
    .marks = playback_marks,
    .load = playback_load,
};
