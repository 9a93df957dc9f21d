/* Chat rooms as namespace `/rooms` of Socket.IO: the same rooms and members as on /ws; one
 * socket may be in several rooms at once, as a member of its own in each.
 *
 * What a hasty client says while it is still entering a room waits (`held`), so that everything
 * is done in its order. The socket of a single request enters a room without listening (a
 * POST), or catches up with its rooms from where it was told last and then listens (a GET). */
#include "gateway/proto/chat_space.h"

#include <string.h>

#include "common/json_text.h"
#include "common/mem.h"
#include "common/pack.h"
#include "gateway/proto/chat_core.h"

enum {
    HELD_BYTES_MAX = 65536,
    PENDING_PAUSE = 64, /* transitions under way for one client: no more are read, until ... */
    PENDING_RESUME = 32
};

/* A transition under way, and the acknowledgement that waits for it. */
struct chat_pending {
    struct chat_pending *next;
    struct chat_rooms *chat;
    struct place *place;
    char client[IDENT_UUID_LENGTH]; /* whose place it was then */
    struct sio_event event;         /* only wants_ack and ack */
};

static struct chat_rooms *chat_of(struct sio_socket *socket)
{
    return (struct chat_rooms *)socket;
}

/* ---- what the client is told ---- */

/* code == NULL: all is well. */
void chat_answer(struct chat_rooms *chat, const struct sio_event *event, const char *code,
                 const char *message)
{
    struct buf body = {0};

    if (code != NULL && chat_is_open(chat)) {
        buf_add_text(&body, "\"error\",");
        chat_write_error(&body, code, message);
        sio_emit(&chat->socket, buf_str(&body)); /* the acknowledgement fails as well */
        buf_finish(&body);
    }
    if (chat_is_open(chat)) {
        sio_ack_outcome(&chat->socket, event, code, message);
    }
}

static void refuse(struct chat_rooms *chat, const struct sio_event *event, const char *code,
                   const char *message)
{
    chat_session(chat)->services->metrics->rejected[METRICS_REJECTION_INVALID]++;
    chat_answer(chat, event, code, message);
}

/* ---- transitions under way ---- */

static struct chat_pending *begin(struct chat_rooms *chat, struct place *place,
                                  const struct sio_event *event)
{
    struct chat_pending *pending = mem_zero(sizeof(*pending));

    pending->chat = chat;
    pending->place = place;
    memcpy(pending->client, place->member.client, IDENT_UUID_LENGTH);
    pending->event = *event;
    pending->next = chat->pending;
    chat->pending = pending;
    session_begin(chat_session(chat));
    if (!chat->paused && chat->calls.count >= PENDING_PAUSE) {
        chat->paused = true;
        session_pause(chat_session(chat), true);
    }
    return pending;
}

static void finish_pending(struct chat_pending *pending)
{
    struct chat_pending **at = &pending->chat->pending;
    struct session *session = chat_session(pending->chat);

    while (*at != pending) {
        at = &(*at)->next;
    }
    *at = pending->next;
    mem_free(pending);
    session_settle(session);
}

/* code == NULL: all is well. Whoever is told may not have had room for it, and be gone. */
static void finish(struct chat_pending *pending, const char *code)
{
    struct chat_rooms *chat = pending->chat;

    if (chat->paused && chat->calls.count <= PENDING_RESUME) {
        chat->paused = false;
        session_pause(chat_session(chat), false);
    }
    chat_answer(chat, &pending->event, code, "not known to be done: try again");
    if (chat_is_open(chat)) {
        finish_pending(pending);
    }
}

/* A member that was taken for dead enters again; where a single request finds that, the client
 * has to. */
static void on_said(void *context, enum err err, const struct redisReply *reply)
{
    struct chat_pending *pending = context;
    struct room_member *member = &pending->place->member;
    bool unknown = err == ERR_OK && reply_outcome(reply) == OUTCOME_NO_STATE;
    bool said = err == ERR_OK && reply_outcome(reply) == OUTCOME_APPLIED;
    bool there = room_is_member(member) &&
                 memcmp(member->client, pending->client, IDENT_UUID_LENGTH) == 0;

    if (unknown && there && member->brief) {
        room_drop(member);
        chat_remove_place(pending->place);
    } else if (unknown && there) {
        room_return(member);
    }
    finish(pending, said ? NULL : err_word(ERR_UNAVAILABLE));
}

static void on_left(void *context, enum err err, const struct redisReply *reply)
{
    (void)reply; /* no_state is as good */
    finish(context, err == ERR_OK ? NULL : err_word(ERR_UNAVAILABLE));
}

/* ---- what the client says ---- */

/* Redis can't be asked; answers. */
static bool is_away(struct chat_rooms *chat, const struct sio_event *event)
{
    bool away = !store_is_up(chat_session(chat)->services->store);

    if (away) {
        chat_answer(chat, event, err_word(ERR_UNAVAILABLE), "the room can't be reached");
    }
    return away;
}

/* The room that an event names; empty: none. False: refused. */
static bool read_room(struct chat_rooms *chat, const struct sio_event *event, const cJSON *json,
                      struct str *room)
{
    struct json_field field = {.name = "room", .kind = JSON_TEXT};
    char why[JSON_WHY_MAX];

    *room = str_from("", 0);
    if (json == NULL || cJSON_IsNull(json)) {
        return true;
    }
    if (!cJSON_IsObject(json)) {
        refuse(chat, event, "invalid_format", "must be a JSON object");
        return false;
    }
    if (json_read(json, &field, 1, why) != ERR_OK) {
        refuse(chat, event, "invalid_format", why);
        return false;
    }
    if (field.there && field.text.len > 0 && !ident_is_name(field.text)) {
        refuse(chat, event, "invalid_format", "room: must be 1 to 64 letters, digits, _ and -");
        return false;
    }
    *room = field.there ? field.text : *room;
    return true;
}

static void join(struct chat_rooms *chat, const struct sio_event *event, const cJSON *json)
{
    char made[IDENT_UUID_LENGTH + 1];
    struct str room;

    if (!read_room(chat, event, json, &room)) {
        return;
    }
    if (room.len == 0) {
        ident_make_uuid(made);
        room = str_from(made, IDENT_UUID_LENGTH);
    }
    if (chat_find_place(chat, room) != NULL) {
        refuse(chat, event, "already_joined", "room: this socket is in it already");
    } else if (chat->count == CHAT_ROOMS_MAX) {
        refuse(chat, event, "too_many_rooms", "a socket may be in 10 rooms: leave one first");
    } else if (is_away(chat, event)) {
        return;
    } else {
        chat_enter(chat, room, event);
    }
}

/* The room that the event is about: the one it names, else the last that was joined. NULL:
 * refused. */
static struct place *choose_place(struct chat_rooms *chat, const struct sio_event *event,
                                  const cJSON *json)
{
    struct place *place = chat->count > 0 ? chat->places[chat->count - 1] : NULL;
    struct str room;

    if (!read_room(chat, event, json, &room)) {
        return NULL;
    }
    if (room.len > 0) {
        place = chat_find_place(chat, room);
    }
    if (place == NULL) {
        refuse(chat, event, "not_joined", "this socket is not in the room");
    }
    return place;
}

static void message(struct chat_rooms *chat, const struct sio_event *event, const cJSON *json)
{
    struct chat_message wanted;
    struct place *place;
    char why[JSON_WHY_MAX];

    if (!cJSON_IsObject(json)) {
        refuse(chat, event, "invalid_format", "must be a JSON object");
        return;
    }
    if (chat_read_message(json, &wanted, why) != ERR_OK) {
        refuse(chat, event, "invalid_format", why);
        return;
    }
    place = choose_place(chat, event, json);
    if (place != NULL) {
        room_say(&place->member, &wanted, &chat->calls, on_said, begin(chat, place, event));
    }
}

static void leave(struct chat_rooms *chat, const struct sio_event *event, const cJSON *json)
{
    struct place *place = choose_place(chat, event, json);

    if (place != NULL && !is_away(chat, event)) {
        room_leave(&place->member, &chat->calls, on_left, begin(chat, place, event));
        chat_remove_place(place);
    }
}

static const struct {
    struct str name;
    void (*take)(struct chat_rooms *chat, const struct sio_event *event, const cJSON *json);
} verbs[] = {
    {{"join", 4}, join},
    {{"message", 7}, message},
    {{"leave", 5}, leave},
};

static void take(struct chat_rooms *chat, const struct sio_event *event)
{
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
        if (why != NULL) {
            refuse(chat, event, "invalid_format", why);
        } else {
            verbs[i].take(chat, event, json);
        }
        cJSON_Delete(json);
        return;
    }
    refuse(chat, event, "unknown_event", "this namespace knows no event of that name");
}

static void hold(struct chat_rooms *chat, const struct sio_event *event)
{
    if (chat->held.len + event->args.len > HELD_BYTES_MAX) {
        session_close(chat_session(chat), REASON_RATE);
        return;
    }
    pack_add_str(&chat->held, event->name);
    pack_add_str(&chat->held, event->args);
    pack_add_u64(&chat->held, event->wants_ack);
    pack_add_u64(&chat->held, event->ack);
}

static void chat_event(struct sio_socket *socket, const struct sio_event *event)
{
    struct chat_rooms *chat = chat_of(socket);
    struct sio_event kept = {.name = event->name,
                             .args = event->args,
                             .wants_ack = event->wants_ack,
                             .ack = event->ack};

    if (event->attachment_count > 0) {
        refuse(chat, event, "invalid_format", "has no place for attachments");
    } else if (chat_is_joining(chat) || chat->held.len > 0) {
        hold(chat, &kept);
    } else {
        take(chat, &kept);
    }
}

/* What waited for a room goes on in its order. */
void chat_release(struct chat_rooms *chat)
{
    struct buf held = chat->held;
    struct str rest = buf_str(&held);
    struct sio_event event = {0};
    uint64_t wants_ack;

    if (held.len == 0 || chat_is_joining(chat) || !chat_is_open(chat)) {
        return;
    }
    chat->held = (struct buf){0};
    while (chat_is_open(chat) && pack_take_str(&rest, &event.name) == ERR_OK &&
           pack_take_str(&rest, &event.args) == ERR_OK &&
           pack_take_u64(&rest, &wants_ack) == ERR_OK &&
           pack_take_u64(&rest, &event.ack) == ERR_OK) {
        event.wants_ack = wants_ack != 0;
        chat_event(&chat->socket, &event);
    }
    buf_finish(&held);
}

static void chat_limited(struct sio_socket *socket)
{
    sio_emit_error(socket, err_word(ERR_RATE_LIMITED), "messages come too fast");
}

/* ---- the socket's life ---- */

static void chat_connect(struct sio_socket *socket, const cJSON *auth)
{
    (void)auth;
    sio_accept(socket, str_from("", 0));
}

static void chat_alive(struct sio_socket *socket)
{
    struct chat_rooms *chat = chat_of(socket);

    for (unsigned i = 0; i < chat->count; i++) {
        room_renew(&chat->places[i]->member);
    }
}

static void chat_drained(struct sio_socket *socket)
{
    (void)socket; /* who has no room is let go at once */
}

/* A member leaves with its socket, but not with the end of a request. */
static void chat_closed(struct sio_socket *socket)
{
    struct chat_rooms *chat = chat_of(socket);
    struct session *session = socket->session;
    bool leaves = session->state == SESSION_OPEN || !session->brief;

    store_forget(&chat->calls);
    chat_leave_all(chat, leaves);
    while (chat->pending != NULL) {
        finish_pending(chat->pending);
    }
    buf_finish(&chat->held);
}

/* Only now: a room may have been telling something when the socket was closed. */
static void chat_finish_socket(struct sio_socket *socket)
{
    chat_free_places(chat_of(socket));
}

static bool chat_load(struct sio_socket *socket, struct str saved, struct str marks)
{
    return chat_load_places(chat_of(socket), saved, marks);
}

const struct sio_space chat_space = {
    .name = {"/rooms", 6},
    .proto = "chat",
    .size = sizeof(struct chat_rooms),
    .connect = chat_connect,
    .event = chat_event,
    .limited = chat_limited,
    .alive = chat_alive,
    .drained = chat_drained,
    .closed = chat_closed,
    .finish = chat_finish_socket,
    .save = chat_save,
    .marks = chat_marks,
    .load = chat_load,
};
