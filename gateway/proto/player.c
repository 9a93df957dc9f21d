/* Player: every device of a user in step. A command becomes one transition in Redis; what the
 * transition publishes goes to all other devices, byte for byte.
 *
 *     SUBSCRIBING --channel live--> READING --player_join answered--> LIVE
 *          ^                          ^  ^----gap, room again-----------+
 *          +-----Redis was away-------+---------------------------------+
 *
 * Subscribe, then read, then stream: publications that come while the state is being read wait
 * (`held`); the state's number says which of them it contains already. The same way heals
 * everything: a gap in the numbers, a slow client that lost frames, Redis that was away. */
#include "gateway/proto/player.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/hub/held.h"
#include "gateway/proto/proto.h"
#include "gateway/store/keys.h"

enum {
    PENDING_PAUSE = 64, /* transitions under way for one client: no more are read, until ... */
    PENDING_RESUME = 32,
    DEVICE_ROOM = MSG_ORIGIN_LENGTH + 2 * PLAYER_ARG_ROOM + 24
};

enum phase {
    SUBSCRIBING,
    READING,
    LIVE
};

struct player {
    struct session session; /* first: the session layer knows only this part */
    struct hub_sub sub;
    struct store_calls calls;
    struct held held;
    uint64_t seq;      /* of the last change that this client knows; 0 = it knows of no state */
    uint64_t since_ms; /* Redis's time of the first join; 0 = none was sent */
    char *tag;         /* owned: the user as he stands in keys */
    uint16_t tag_len;
    uint8_t phase; /* enum phase; set by enter() only */
    bool extended;
    bool behind; /* frames were dropped: the next read must be sent */
    bool paused;
};

static struct player *player_of(struct session *session)
{
    return (struct player *)session;
}

static struct player *player_of_sub(struct hub_sub *sub)
{
    return (struct player *)((char *)sub - offsetof(struct player, sub));
}

static struct str tag_of(const struct player *player)
{
    return str_from(player->tag, player->tag_len);
}

static struct store *store_of(const struct player *player)
{
    return player->session.services->store;
}

static void enter(struct player *player, enum phase phase)
{
    player->phase = (uint8_t)phase;
}

/* ---- what a client is told ---- */

/* No room: nothing but the newest state matters to a client that does not keep up. */
static void fall_behind(struct player *player)
{
    if (!player->behind) {
        player->behind = true;
        session_trim(&player->session);
    }
}

static void tell(struct player *player, struct str text)
{
    if (!session_say(&player->session, text)) {
        fall_behind(player);
    }
}

static void tell_invalid(struct player *player, const char *why)
{
    struct buf text = {0};

    player_write_invalid(&text, why);
    tell(player, buf_str(&text));
    buf_finish(&text);
}

static void refuse(struct player *player, const char *why)
{
    player->session.services->metrics->rejected[METRICS_REJECTION_INVALID]++;
    tell_invalid(player, why);
}

/* False: it does not fit even into an emptied queue, and the session is closed. */
static bool tell_state(struct player *player, const struct redisReply *reply)
{
    struct buf text = {0};
    bool sent;

    player_write_state(&text, reply, player->extended);
    sent = session_say(&player->session, buf_str(&text));
    buf_finish(&text);
    if (!sent) {
        session_close(&player->session, REASON_SLOW);
    }
    return sent;
}

/* ---- reading the state ---- */

static void on_read(void *context, enum err err, const struct redisReply *reply);

static struct str number_text(char room[PLAYER_ARG_ROOM], uint64_t number)
{
    return str_from(
        room, (size_t)snprintf(room, PLAYER_ARG_ROOM, "%llu", (unsigned long long)number));
}

/* How long a device is alive after it was heard. */
static uint64_t lease_ms(const struct player *player)
{
    const struct config *config = player->session.services->config;
    return config->ping_interval_ms + config->ping_timeout_ms;
}

/* This device as Redis keeps it; the script reads the lease from it (lib/ghost.lua). */
static struct str device_text(const struct player *player, char room[DEVICE_ROOM])
{
    return str_from(room, (size_t)snprintf(room, DEVICE_ROOM, "%.*s %llu %llu player websocket",
                                           STR_ARG(session_id(&player->session)),
                                           (unsigned long long)player->since_ms,
                                           (unsigned long long)lease_ms(player)));
}

static void read_state(struct player *player)
{
    struct key_name state, devices, channel;
    char device[DEVICE_ROOM], lease[PLAYER_ARG_ROOM], grace[PLAYER_ARG_ROOM];
    const struct config *config = player->session.services->config;
    /* Whoever is still connected proves that somebody was there: his read lays no ghost. */
    bool known = player->session.state == SESSION_OPEN;

    enter(player, READING);
    player->held.overtaken = false;
    if (player->since_ms == 0) {
        player->since_ms = store_now_us(store_of(player)) / 1000;
    }
    store_call(store_of(player), SCRIPT_player_join,
               STRS(keys_name(&state, KEY_PLAYER, tag_of(player)),
                    keys_name(&devices, KEY_DEVICES, tag_of(player)),
                    keys_name(&channel, KEY_USER, tag_of(player))),
               STRS(device_text(player, device), number_text(lease, lease_ms(player)),
                    number_text(grace, known ? 0 : config->orphan_grace_s * 1000)),
               &player->calls, on_read, player);
}

/* What the channel says besides (events, say) has numbers of its own, or none. */
static bool is_state(const struct msg *msg)
{
    return msg->kind != '\0' && strchr("nprsuc", msg->kind) != NULL;
}

/* A publication in its turn. */
static void deliver(struct player *player, struct msg *msg)
{
    bool cleared = msg->kind == 'c';

    if (msg->seq <= player->seq || (cleared && player->seq == 0)) {
        return;
    }
    if (player->seq != 0 && msg->prev > player->seq) {
        held_add(&player->held, msg);
        read_state(player);
        return;
    }
    player->seq = cleared ? 0 : msg->seq;
    if (msg->len == 0 || player->behind ||
        memcmp(msg->origin, player->session.id, MSG_ORIGIN_LENGTH) == 0) {
        return;
    }
    if (!session_send(&player->session, msg)) {
        fall_behind(player);
    }
}

static void deliver_held(struct player *player)
{
    struct held held = player->held;

    player->held = (struct held){NULL, 0, false};
    for (unsigned i = 0; i < held.count; i++) {
        if (player->phase == LIVE) {
            deliver(player, held.msgs[i]);
        } else {
            held_add(&player->held, held.msgs[i]);
        }
    }
    held_clear(&held);
}

static void read_failed(struct player *player)
{
    enter(player, SUBSCRIBING);
    held_clear(&player->held);
    if (player->session.state == SESSION_OPENING) {
        session_refuse(&player->session, ERR_UNAVAILABLE, "the state can't be reached");
    } else if (!hub_is_away(&player->sub)) {
        session_close(&player->session,
                      REASON_UNAVAILABLE); /* else: the channel comes back, and reads again */
    }
}

static void on_read(void *context, enum err err, const struct redisReply *reply)
{
    struct player *player = context;
    bool opening = player->session.state == SESSION_OPENING;
    uint64_t seq;

    if (err != ERR_OK || reply_outcome(reply) != OUTCOME_APPLIED) {
        read_failed(player);
        return;
    }
    if (player->held.overtaken) {
        held_clear(&player->held);
        read_state(player);
        return;
    }
    enter(player, LIVE);
    seq = (uint64_t)reply_int(reply, PLAYER_JOIN_SEQ);
    if (opening) {
        session_accept(&player->session);
    }
    if (opening || player->behind || seq != player->seq) {
        player->behind = false;
        player->seq = seq;
        if (!tell_state(player, reply)) {
            return;
        }
    }
    deliver_held(player);
}

/* ---- the channel ---- */

static void on_ready(struct hub_sub *sub)
{
    struct player *player = player_of_sub(sub);

    if (player->phase != READING) {
        read_state(player);
    }
}

static void miss(struct player *player)
{
    if (player->phase == LIVE) {
        read_state(player);
    } else if (player->phase == READING) {
        held_miss(&player->held);
    }
}

static void on_published(struct hub_sub *sub, struct msg *msg)
{
    struct player *player = player_of_sub(sub);

    if (msg->kind == 'd') {
        session_close(&player->session, REASON_DISCONNECTED);
        return;
    }
    if (msg->kind == MSG_MISSED) {
        miss(player);
        return;
    }
    if (!is_state(msg)) {
        return;
    }
    if (player->phase == LIVE) {
        deliver(player, msg);
    } else if (player->phase == READING) {
        held_add(&player->held, msg);
    }
}

static const struct hub_listener listener = {on_ready, on_published};

/* ---- commands ---- */

static void resume_reading(struct player *player)
{
    if (player->paused && player->calls.count <= PENDING_RESUME) {
        player->paused = false;
        session_pause(&player->session, false);
    }
}

static void on_applied(void *context, enum err err, const struct redisReply *reply)
{
    struct player *player = context;

    resume_reading(player);
    if (err != ERR_OK) {
        tell(player, STR("{\"type_push_state\":\"unavailable\"}"));
        return;
    }
    switch (reply_outcome(reply)) {
    case OUTCOME_NO_STATE:
        tell(player, STR("{\"type_push_state\":\"no_track_state\"}"));
        break;
    case OUTCOME_REFUSED:
        refuse(player, "from_is and from_is_id are needed: there is no state yet");
        break;
    default:
        break; /* the publication tells the others; the sender knows */
    }
}

/* The arguments that all transitions begin with come first, in the order of their scripts. */
static void apply(struct player *player, const struct player_command *command, struct str text)
{
    struct key_name state, channel;
    struct str keys[2] = {keys_name(&state, KEY_PLAYER, tag_of(player)),
                          keys_name(&channel, KEY_USER, tag_of(player))};
    struct str args[7] = {session_id(&player->session), text, command->at, command->time};
    size_t count = 4;

    if (command->verb == PLAYER_NEW_TRACK) {
        args[count++] = command->track;
        args[count++] = command->from;
        args[count++] = command->from_id;
    } else if (command->verb == PLAYER_SEEK) {
        args[count++] = command->position;
    }
    store_call(store_of(player), command->script, (struct strs){keys, 2},
               (struct strs){args, count}, &player->calls, on_applied, player);
    if (!player->paused && player->calls.count >= PENDING_PAUSE) {
        player->paused = true;
        session_pause(&player->session, true);
    }
}

static void answer_ping(struct player *player, const struct player_command *command)
{
    struct buf text = {0};

    player_write_pong(&text, command->echo, store_now_us(store_of(player)) / 1000);
    tell(player, buf_str(&text));
    buf_finish(&text);
}

static void player_message(struct session *session, struct str text)
{
    struct player *player = player_of(session);
    struct player_command command;
    char why[JSON_WHY_MAX];

    if (player_parse(text, &command, why) != ERR_OK) {
        refuse(player, why);
    } else if (command.verb == PLAYER_PING) {
        answer_ping(player, &command);
    } else {
        apply(player, &command, text);
    }
    player_finish(&command);
}

/* ---- the session's life ---- */

static void player_open(struct session *session, const struct request *request)
{
    struct player *player = player_of(session);
    struct key_name channel;
    struct buf tag = {0};

    player->extended = str_equal(request_query(request, STR("extended")), STR("1"));
    keys_tag(session_user(session), &tag);
    player->tag_len = (uint16_t)tag.len;
    player->tag = mem_copy(tag.at, tag.len);
    buf_finish(&tag);
    enter(player, SUBSCRIBING);
    if (hub_join(session->services->hub, &player->sub, &listener,
                 keys_name(&channel, KEY_USER, tag_of(player))) ||
        hub_is_away(&player->sub)) { /* then reading says so */
        read_state(player);
    }
}

static void player_limited(struct session *session)
{
    tell_invalid(player_of(session), "rate_limited");
}

static void call_device(struct player *player, enum script script, const struct str *args,
                        size_t count)
{
    struct key_name devices;

    store_call(store_of(player), script, STRS(keys_name(&devices, KEY_DEVICES, tag_of(player))),
               (struct strs){args, count}, NULL, NULL, NULL);
}

static void player_alive(struct session *session)
{
    struct player *player = player_of(session);
    char device[DEVICE_ROOM], lease[PLAYER_ARG_ROOM];

    call_device(player, SCRIPT_device_renew,
                (const struct str[]){device_text(player, device),
                                     number_text(lease, lease_ms(player)), STR("0")},
                3);
}

static void player_drained(struct session *session)
{
    struct player *player = player_of(session);

    if (player->behind && player->phase == LIVE) {
        read_state(player);
    }
}

static void player_closed(struct session *session)
{
    struct player *player = player_of(session);
    char device[DEVICE_ROOM], age[PLAYER_ARG_ROOM];

    hub_leave(session->services->hub, &player->sub);
    store_forget(&player->calls);
    held_clear(&player->held);
    if (player->since_ms != 0 && store_is_up(store_of(player))) {
        call_device(player, SCRIPT_device_leave,
                    (const struct str[]){device_text(player, device),
                                         number_text(age, session->silent_ms)},
                    2);
    }
    mem_free(player->tag);
    player->tag = NULL;
}

const struct proto player_proto = {
    .name = "player",
    .paths = (const char *const[]){"/player", NULL},
    .metric = METRICS_PROTOCOL_PLAYER,
    .size = sizeof(struct player),
    .open = player_open,
    .message = player_message,
    .limited = player_limited,
    .alive = player_alive,
    .drained = player_drained,
    .closed = player_closed,
};
