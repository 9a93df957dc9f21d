/* Membership of one connection in one room: subscribe, read, stream, as a player does it.
 *
 * Publications that come while the room is being read wait (`held`); the number that the read
 * answers says which of them its count and history contain already. A gap in the numbers, a
 * Redis that was away, a member that was taken for dead because its process stood still: all
 * are healed by the same read. What was missed is told one by one, when all of it is still kept
 * (else only its messages); then comes a welcome as on entry, which says how everything stands.
 */
#include "gateway/proto/room.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/proto/room_local.h"
#include "gateway/store/keys.h"

enum {
    NUMBER_ROOM = 24,
    WELCOME_RESERVE = 1024 /* of a connection's queue, for what else is said at that moment */
};

/* Where the parts of room_join's answer stand. */
enum join_reply {
    JOIN_SEQ = 1,
    JOIN_MEMBERS,
    JOIN_NEXT_END,
    JOIN_CHANGES
};

static struct room_member *member_of_sub(struct hub_sub *sub)
{
    return (struct room_member *)((char *)sub - offsetof(struct room_member, sub));
}

static struct str client_of(const struct room_member *member)
{
    return str_from(member->client, IDENT_UUID_LENGTH);
}

static void enter(struct room_member *member, enum room_phase phase)
{
    member->phase = (uint8_t)phase;
}

static struct str number_text(char room[NUMBER_ROOM], uint64_t number)
{
    return str_from(room,
                    (size_t)snprintf(room, NUMBER_ROOM, "%llu", (unsigned long long)number));
}

static struct str lease_text(const struct room_member *member, char room[NUMBER_ROOM])
{
    const struct config *config = member->services->config;

    return number_text(room, config->ping_interval_ms + config->ping_timeout_ms);
}

bool room_is_member(const struct room_member *member)
{
    return member->room != NULL;
}

struct str room_name(const struct room_member *member)
{
    return room_local_name(member->room);
}

/* ---- reading ---- */

static void on_read(void *context, enum err err, const struct redisReply *reply);

static void read_room(struct room_member *member)
{
    struct room_keys keys;
    char lease[NUMBER_ROOM], known[NUMBER_ROOM];
    bool reaps = member->seq == 0 && !rooms_are_patient(member->services->rooms);

    enter(member, ROOM_READING);
    if (member->held.overtaken) {
        held_clear(&member->held);
    }
    store_call(member->services->store, SCRIPT_room_join,
               room_all_keys(room_name(member), &keys),
               STRS(room_name(member), client_of(member), lease_text(member, lease),
                    reaps ? STR("1") : STR("0"),
                    member->brief && member->seq != 0 ? STR("0") : STR("1"),
                    number_text(known, member->seq)),
               &member->calls, on_read, member);
}

static void stop_listening(struct room_member *member)
{
    enter(member, ROOM_OUT);
    hub_leave(member->services->hub, &member->sub);
    held_clear(&member->held);
}

static void forget(struct room_member *member)
{
    stop_listening(member);
    store_forget(&member->calls);
    room_local_leave(member->services->rooms, member->room);
    member->room = NULL;
}

static void read_failed(struct room_member *member, enum err err)
{
    held_clear(&member->held);
    if (member->seq != 0 && !member->brief && hub_is_away(&member->sub)) {
        enter(member, ROOM_SUBSCRIBING); /* the channel comes back, and reads again */
        return;
    }
    forget(member);
    member->user->lost(member, err);
}

/* What room_join answers of a room's changes, in their order. */
struct past {
    struct chat_change *changes; /* owned; their texts are the answer's */
    size_t count;
    size_t missed;       /* the first that the member does not know */
    size_t missed_bytes; /* of it and those behind */
};

static int by_number(const void *a, const void *b)
{
    uint64_t first = ((const struct chat_change *)a)->seq;
    uint64_t second = ((const struct chat_change *)b)->seq;

    return first < second ? -1 : first > second;
}

static void read_past(const struct redisReply *reply, uint64_t known, struct past *past)
{
    size_t kept = 0;

    while (reply_str(reply, JOIN_CHANGES + kept).at != NULL) {
        kept++;
    }
    *past = (struct past){.changes = mem_zero((kept + 1) * sizeof(past->changes[0]))};
    for (size_t i = 0; i < kept; i++) {
        past->count +=
            chat_read_change(reply_str(reply, JOIN_CHANGES + i), &past->changes[past->count]);
    }
    qsort(past->changes, past->count, sizeof(past->changes[0]), by_number);
    for (size_t i = past->count; i > 0 && past->changes[i - 1].seq > known; i--) {
        past->missed_bytes += past->changes[i - 1].frame.len;
        past->missed = past->count - i + 1;
    }
    past->missed = past->count - past->missed;
}

/* Whether nothing is missing behind `known`: each change names the one before it; one that
 * names none begins the room anew. */
static bool is_whole(const struct past *past, uint64_t known, uint64_t newest)
{
    uint64_t at = known;

    for (size_t i = past->missed; i < past->count; i++) {
        if (past->changes[i].prev > at || past->changes[i].prev == 0) {
            return false;
        }
        at = past->changes[i].seq;
    }
    return at == newest;
}

static bool is_own(const struct room_member *member, struct str origin)
{
    return str_equal(origin, str_from(member->client, MSG_ORIGIN_LENGTH));
}

static const enum room_event *event_of(char kind)
{
    static const struct {
        char kind;
        enum room_event event;
    } kinds[] = {
        {'m', ROOM_MESSAGE},
        {'j', ROOM_JOINED},
        {'l', ROOM_LEFT},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].kind == kind) {
            return &kinds[i].event;
        }
    }
    return NULL;
}

/* False: no room, or not there any more. */
static bool told(struct room_member *member, bool done, uint64_t seq)
{
    if (done && member->phase == ROOM_LIVE) {
        member->seq = seq;
    } else if (member->phase == ROOM_LIVE) {
        stop_listening(member);
    }
    return done && member->phase == ROOM_LIVE;
}

/* Who was away is told what he missed: everything when it is all there, else its messages. */
static bool tell_missed(struct room_member *member, const struct past *past, bool all)
{
    for (size_t i = past->missed; i < past->count; i++) {
        const struct chat_change *change = &past->changes[i];
        const enum room_event *event = event_of(change->kind);

        if (event == NULL || (!all && *event != ROOM_MESSAGE) ||
            is_own(member, change->origin)) {
            continue;
        }
        if (!told(member, member->user->tell(member, *event, change->frame), change->seq)) {
            return false;
        }
    }
    return true;
}

static bool tell_welcome(struct room_member *member, const struct redisReply *reply,
                         const struct past *past, size_t limit)
{
    struct buf text = {0};
    bool done;

    chat_write_welcome(&text,
                       &(struct chat_welcome){.client = client_of(member),
                                              .room = room_name(member),
                                              .members = reply_int(reply, JOIN_MEMBERS),
                                              .changes = past->changes,
                                              .change_count = past->count},
                       limit);
    done = told(member, member->user->tell(member, ROOM_WELCOME, buf_str(&text)),
                (uint64_t)reply_int(reply, JOIN_SEQ));
    buf_finish(&text);
    return done;
}

/* A request is told as much as it has room for, and the next one the rest; a connection that
 * listens only what fits, and else how everything stands now. */
static bool tell_past(struct room_member *member, const struct redisReply *reply,
                      const struct past *past)
{
    size_t queue = member->services->config->max_queue;
    size_t limit = queue > WELCOME_RESERVE ? queue - WELCOME_RESERVE : 0;
    uint64_t known = member->seq, seq = (uint64_t)reply_int(reply, JOIN_SEQ);

    if (known != 0 && (member->brief || past->missed_bytes <= limit / 2)) {
        bool all = is_whole(past, known, seq);

        if (!tell_missed(member, past, all)) {
            return false;
        }
        if (member->brief && all) {
            member->seq = seq;
            return true;
        }
        limit -= past->missed_bytes < limit ? past->missed_bytes : limit;
    }
    return tell_welcome(member, reply, past, limit);
}

static bool tell_read(struct room_member *member, const struct redisReply *reply)
{
    struct past past;
    bool done;

    if (member->seq == (uint64_t)reply_int(reply, JOIN_SEQ)) {
        return true;
    }
    read_past(reply, member->seq, &past);
    done = tell_past(member, reply, &past);
    mem_free(past.changes);
    return done;
}

/* ---- what is published ---- */

static void deliver(struct room_member *member, struct msg *msg)
{
    bool own = is_own(member, str_from(msg->origin, MSG_ORIGIN_LENGTH));
    const enum room_event *event;

    if (msg->kind == MSG_MISSED) {
        read_room(member);
        return;
    }
    if (msg->seq <= member->seq) {
        return;
    }
    if (own && member->brief) { /* another request has left */
        stop_listening(member);
        return;
    }
    if (msg->prev != member->seq || own) { /* own: it was taken for dead, and is not */
        held_add(&member->held, msg);
        read_room(member);
        return;
    }
    event = event_of(msg->kind);
    if (event != NULL) {
        told(member, member->user->pass(member, *event, msg), msg->seq);
    }
}

static void on_published(struct hub_sub *sub, struct msg *msg)
{
    struct room_member *member = member_of_sub(sub);

    if (member->phase == ROOM_LIVE) {
        deliver(member, msg);
    } else if (member->phase == ROOM_READING && msg->kind == MSG_MISSED) {
        held_miss(&member->held);
    } else if (member->phase == ROOM_READING) {
        held_add(&member->held, msg);
    }
}

static void deliver_held(struct room_member *member)
{
    struct held held = member->held;

    member->held = (struct held){NULL, 0, false};
    for (unsigned i = 0; i < held.count; i++) {
        on_published(&member->sub, held.msgs[i]);
    }
    held_clear(&held);
}

static void on_read(void *context, enum err err, const struct redisReply *reply)
{
    struct room_member *member = context;

    if (err != ERR_OK || reply_outcome(reply) != OUTCOME_APPLIED ||
        reply_int(reply, JOIN_SEQ) <= 0) {
        read_failed(member, err == ERR_OK && reply_outcome(reply) == OUTCOME_NO_STATE
                                ? ERR_NOT_FOUND
                                : ERR_UNAVAILABLE);
        return;
    }
    room_local_note(member->services->rooms, member->room, reply_int(reply, JOIN_NEXT_END));
    if (member->held.overtaken) {
        read_room(member);
        return;
    }
    enter(member, ROOM_LIVE);
    if (tell_read(member, reply)) {
        deliver_held(member);
    }
    if (member->room != NULL && member->phase != ROOM_READING) {
        member->user->ready(member);
    }
}

static void on_ready(struct hub_sub *sub)
{
    struct room_member *member = member_of_sub(sub);

    if (member->phase != ROOM_READING) {
        read_room(member);
    }
}

static const struct hub_listener listener = {on_ready, on_published};

/* ---- the member's life ---- */

void room_attach(struct room_member *member, const struct services *services,
                 const struct room_user *user, struct str room, struct str client, uint64_t seq)
{
    memset(member, 0, sizeof(*member));
    member->user = user;
    member->services = services;
    member->room = room_local_enter(services->rooms, room);
    member->seq = seq;
    if (client.len == IDENT_UUID_LENGTH) {
        memcpy(member->client, client.at, IDENT_UUID_LENGTH);
    } else {
        ident_make_uuid(member->client);
    }
}

void room_listen(struct room_member *member)
{
    struct key_name channel;

    enter(member, ROOM_SUBSCRIBING);
    if (hub_join(member->services->hub, &member->sub, &listener,
                 keys_name(&channel, KEY_ROOM, room_name(member))) ||
        hub_is_away(&member->sub)) { /* then reading says so */
        read_room(member);
    }
}

void room_visit(struct room_member *member)
{
    read_room(member);
}

void room_return(struct room_member *member)
{
    if (member->phase == ROOM_LIVE) {
        read_room(member);
    }
}

void room_say(struct room_member *member, const struct chat_message *message,
              struct store_calls *calls, store_done_fn *done, void *context)
{
    struct room_keys keys;
    struct buf frame = {0};

    chat_write_message(&frame, client_of(member), room_name(member), message);
    store_call(member->services->store, SCRIPT_room_say,
               room_say_keys(room_name(member), str_from(NULL, 0), &keys),
               STRS(client_of(member), buf_str(&frame), str_from("", 0)), calls, done, context);
    buf_finish(&frame);
}

static void on_renewed(void *context, enum err err, const struct redisReply *reply)
{
    struct room_member *member = context;

    if (err != ERR_OK) {
        return;
    }
    if (reply_outcome(reply) == OUTCOME_APPLIED) {
        room_local_note(member->services->rooms, member->room, reply_int(reply, 1));
    } else {
        room_return(member);
    }
}

void room_renew(struct room_member *member)
{
    struct room_keys keys;
    struct strs all;
    char lease[NUMBER_ROOM];

    if (member->room == NULL) {
        return;
    }
    all = room_all_keys(room_name(member), &keys);
    all.count = ROOM_KEY_CHANNEL; /* which is not needed */
    store_call(member->services->store, SCRIPT_room_renew, all,
               STRS(client_of(member), lease_text(member, lease)), &member->calls, on_renewed,
               member);
}

void room_leave(struct room_member *member, struct store_calls *calls, store_done_fn *done,
                void *context)
{
    struct room_keys keys;

    if (member->room == NULL) {
        return;
    }
    /* Who was never read is not in Redis; and while Redis is away, the lease must run out. */
    if (done != NULL || ((member->phase != ROOM_SUBSCRIBING || member->seq != 0) &&
                         store_is_up(member->services->store))) {
        store_call(member->services->store, SCRIPT_room_leave,
                   room_all_keys(room_name(member), &keys),
                   STRS(room_name(member), client_of(member)), calls, done, context);
    }
    forget(member);
}

void room_drop(struct room_member *member)
{
    if (member->room != NULL) {
        forget(member);
    }
}
