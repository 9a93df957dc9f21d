/* The rooms of a socket of the namespace `/rooms`: entered, heard, left, and kept between the
 * requests of a polling client. */
#include <stddef.h>
#include <string.h>

#include "common/mem.h"
#include "common/pack.h"
#include "gateway/proto/chat_core.h"

static struct place *place_of(struct room_member *member)
{
    return (struct place *)member;
}

/* ---- what the carrier waits for ---- */

static void await(struct place *place)
{
    if (!place->awaited) {
        place->awaited = true;
        session_begin(chat_session(place->chat));
    }
}

static void settle(struct place *place)
{
    if (place->awaited) {
        place->awaited = false;
        session_settle(chat_session(place->chat));
    }
}

/* ---- the list ---- */

struct place *chat_find_place(const struct chat_rooms *chat, struct str room)
{
    for (unsigned i = 0; i < chat->count; i++) {
        if (str_equal(room_name(&chat->places[i]->member), room)) {
            return chat->places[i];
        }
    }
    return NULL;
}

bool chat_is_joining(const struct chat_rooms *chat)
{
    for (unsigned i = 0; i < chat->count; i++) {
        if (chat->places[i]->joining) {
            return true;
        }
    }
    return false;
}

/* Those behind it move up; it is the first of the spare ones then. */
static void take_out(struct place *place)
{
    struct chat_rooms *chat = place->chat;
    unsigned at = 0;

    while (chat->places[at] != place) {
        at++;
    }
    chat->count--;
    memmove(&chat->places[at], &chat->places[at + 1],
            (chat->count - at) * sizeof(chat->places[0]));
    chat->places[chat->count] = place;
    place->joining = false;
}

void chat_remove_place(struct place *place)
{
    take_out(place);
    settle(place);
}

/* ---- what a room tells ---- */

static const struct str heads[] = {
    [ROOM_WELCOME] = {"\"welcome\",", 10},
    [ROOM_MESSAGE] = {"\"message\",", 10},
    [ROOM_JOINED] = {"\"joined\",", 9},
    [ROOM_LEFT] = {"\"left\",", 7},
};

/* Who does not keep up is let go; a single request gets the rest with the next one. */
static bool sent(struct chat_rooms *chat, bool done)
{
    if (!done && !chat_session(chat)->brief) {
        chat_session(chat)->services->metrics->slow_consumers++;
        session_close(chat_session(chat), REASON_SLOW);
    }
    return done;
}

static bool on_tell(struct room_member *member, enum room_event event, struct str frame)
{
    struct chat_rooms *chat = place_of(member)->chat;
    struct buf body = {0};
    bool done;

    buf_add(&body, heads[event]);
    buf_add(&body, frame);
    done = sent(chat, sio_emit(&chat->socket, buf_str(&body)));
    buf_finish(&body);
    return done;
}

static bool on_pass(struct room_member *member, enum room_event event, struct msg *msg)
{
    struct chat_rooms *chat = place_of(member)->chat;

    return sent(chat, sio_emit_shared(&chat->socket, msg, heads[event], msg_payload(msg)));
}

/* The join is answered, and what waited for it goes on; the carrier hears of it last. `place`
 * may be another room's afterwards. */
static void joined(struct place *place, const char *code, const char *message)
{
    struct chat_rooms *chat = place->chat;
    struct session *session = chat_session(chat);
    struct sio_event event = place->join;
    bool awaited = place->awaited;

    place->joining = place->awaited = false;
    if (code != NULL) {
        take_out(place);
    }
    chat_answer(chat, &event, code, message);
    chat_release(chat);
    if (awaited) {
        session_settle(session);
    }
}

static void on_ready(struct room_member *member)
{
    struct place *place = place_of(member);

    if (place->joining) {
        joined(place, NULL, NULL);
    } else {
        settle(place);
    }
}

/* A single request may find that another one has left the room meanwhile. */
static void on_lost(struct room_member *member, enum err err)
{
    struct place *place = place_of(member);
    struct session *session = chat_session(place->chat);

    if (place->joining) {
        joined(place, err_word(ERR_UNAVAILABLE), "the room can't be reached");
        return;
    }
    chat_remove_place(place);
    if (err == ERR_UNAVAILABLE) {
        session_close(session, REASON_UNAVAILABLE);
    }
}

static const struct room_user user = {on_tell, on_pass, on_ready, on_lost};

/* ---- coming and going ---- */

static struct place *add_place(struct chat_rooms *chat, struct str room, struct str client,
                               uint64_t seq)
{
    struct place *place = chat->places[chat->count];

    if (place == NULL) {
        place = chat->places[chat->count] = mem_zero(sizeof(*place));
        place->chat = chat;
    }
    chat->count++;
    room_attach(&place->member, chat_session(chat)->services, &user, room, client, seq);
    place->member.brief = chat_session(chat)->brief;
    return place;
}

static void follow(struct place *place)
{
    await(place);
    if (chat_session(place->chat)->deaf) {
        room_visit(&place->member);
    } else {
        room_listen(&place->member);
    }
}

void chat_enter(struct chat_rooms *chat, struct str room, const struct sio_event *event)
{
    struct place *place = add_place(chat, room, str_from("", 0), 0);

    place->joining = true;
    place->join = *event;
    follow(place);
}

void chat_leave_all(struct chat_rooms *chat, bool for_good)
{
    for (unsigned i = 0; i < chat->count; i++) {
        if (for_good) {
            room_leave(&chat->places[i]->member, NULL, NULL, NULL);
        } else {
            room_drop(&chat->places[i]->member);
        }
        settle(chat->places[i]);
    }
}

void chat_free_places(struct chat_rooms *chat)
{
    for (unsigned i = 0; i < CHAT_ROOMS_MAX; i++) {
        mem_free(chat->places[i]);
        chat->places[i] = NULL;
    }
}

/* ---- between requests ---- */

void chat_save(struct sio_socket *socket, struct buf *to)
{
    const struct chat_rooms *chat = (const struct chat_rooms *)socket;

    for (unsigned i = 0; i < chat->count; i++) {
        const struct room_member *member = &chat->places[i]->member;

        pack_add_str(to, room_name(member));
        pack_add_str(to, str_from(member->client, IDENT_UUID_LENGTH));
        pack_add_u64(to, member->seq);
    }
}

/* By client: a room that was left and joined again has another. */
void chat_marks(struct sio_socket *socket, struct buf *to)
{
    const struct chat_rooms *chat = (const struct chat_rooms *)socket;

    for (unsigned i = 0; i < chat->count; i++) {
        const struct room_member *member = &chat->places[i]->member;

        pack_add_str(to, str_from(member->client, IDENT_UUID_LENGTH));
        pack_add_u64(to, member->seq);
    }
}

static uint64_t find_mark(struct str marks, struct str client)
{
    struct str whose;
    uint64_t seq;

    while (pack_take_str(&marks, &whose) == ERR_OK && pack_take_u64(&marks, &seq) == ERR_OK) {
        if (str_equal(whose, client)) {
            return seq;
        }
    }
    return 0;
}

static bool load_place(struct chat_rooms *chat, struct str *saved, struct str marks)
{
    struct str room, client;
    uint64_t seq, mark;
    struct place *place;

    if (pack_take_str(saved, &room) != ERR_OK || pack_take_str(saved, &client) != ERR_OK ||
        pack_take_u64(saved, &seq) != ERR_OK || chat->count == CHAT_ROOMS_MAX ||
        !ident_is_name(room) || client.len != IDENT_UUID_LENGTH) {
        return false;
    }
    mark = find_mark(marks, client);
    place = add_place(chat, room, client, mark > seq ? mark : seq);
    if (chat_session(chat)->deaf) {
        room_renew(&place->member);
    } else {
        follow(place);
    }
    return true;
}

bool chat_load_places(struct chat_rooms *chat, struct str saved, struct str marks)
{
    while (saved.len > 0) {
        if (!load_place(chat, &saved, marks)) {
            return false;
        }
    }
    return true;
}
