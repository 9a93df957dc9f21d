/* Chat rooms over WebSocket: one connection is one member of one room.
 *
 * A message becomes one transition in Redis, and comes back through the room's channel like
 * everybody else's: so all see the same order, the sender too. Who does not read fast enough is
 * sent away (1013) and may come back to the history. */
#include "gateway/proto/chat.h"

#include <stddef.h>

#include "common/codec.h"
#include "common/ident.h"
#include "gateway/proto/proto.h"
#include "gateway/proto/room.h"
#include "gateway/session_leash.h"

enum {
    PENDING_PAUSE = 64, /* messages under way from one client: no more are read, until ... */
    PENDING_RESUME = 32
};

struct chat {
    struct session session; /* first: the session layer knows only this part */
    struct room_member member;
    struct store_calls calls;
    bool paused;
};

static struct chat *chat_of(struct session *session)
{
    return (struct chat *)session;
}

static struct chat *chat_of_member(struct room_member *member)
{
    return (struct chat *)((char *)member - offsetof(struct chat, member));
}

/* ---- what a client is told ---- */

static void too_slow(struct chat *chat)
{
    chat->session.services->metrics->slow_consumers++;
    session_close(&chat->session, REASON_SLOW);
}

static bool say(struct chat *chat, struct str text)
{
    bool said = session_say(&chat->session, text);

    if (!said) {
        too_slow(chat);
    }
    return said;
}

static void say_error(struct chat *chat, const char *code, const char *message)
{
    struct buf text = {0};

    chat_write_error(&text, code, message);
    say(chat, buf_str(&text));
    buf_finish(&text);
}

/* ---- what the room tells ---- */

static bool on_tell(struct room_member *member, enum room_event event, struct str frame)
{
    struct chat *chat = chat_of_member(member);

    (void)event;
    session_accept(&chat->session);
    return say(chat, frame);
}

static bool on_pass(struct room_member *member, enum room_event event, struct msg *msg)
{
    struct chat *chat = chat_of_member(member);

    (void)event;
    if (!session_send(&chat->session, msg)) {
        too_slow(chat);
        return false;
    }
    return true;
}

static void on_ready(struct room_member *member)
{
    (void)member; /* the welcome said it */
}

static void on_lost(struct room_member *member, enum err err)
{
    (void)err;
    session_close(&chat_of_member(member)->session, REASON_UNAVAILABLE);
}

static const struct room_user user = {on_tell, on_pass, on_ready, on_lost};

/* ---- what a client says ---- */

static void on_said(void *context, enum err err, const struct redisReply *reply)
{
    struct chat *chat = context;

    if (chat->paused && chat->calls.count <= PENDING_RESUME) {
        chat->paused = false;
        session_pause(&chat->session, false);
    }
    if (err != ERR_OK) {
        say_error(chat, "unavailable", "the message is not known to be sent: try again");
    } else if (reply_outcome(reply) != OUTCOME_APPLIED) {
        say_error(chat, "unavailable", "the room had lost this member: try again");
        room_return(&chat->member);
    }
}

static void chat_message(struct session *session, struct str text)
{
    struct chat *chat = chat_of(session);
    struct chat_command command;
    char why[JSON_WHY_MAX];

    if (chat_parse(text, &command, why) != ERR_OK) {
        session->services->metrics->rejected[METRICS_REJECTION_INVALID]++;
        say_error(chat, "invalid_format", why);
    } else if (command.verb == CHAT_LEAVE) {
        session_close(session, REASON_LEFT);
    } else {
        room_say(&chat->member, &command.message, &chat->calls, on_said, chat);
        if (!chat->paused && chat->calls.count >= PENDING_PAUSE) {
            chat->paused = true;
            session_pause(session, true);
        }
    }
    chat_finish(&command);
}

static void chat_limited(struct session *session)
{
    say_error(chat_of(session), "rate_limited", "messages come too fast");
}

/* ---- the session's life ---- */

/* The room that the request names, or a new one; ERR_INVALID when it is none. */
static enum err find_room(const struct request *request, struct buf *room)
{
    char id[IDENT_UUID_LENGTH + 1];
    struct str wanted = request_query(request, STR("room"));

    if (wanted.len == 0) {
        ident_make_uuid(id);
        buf_add(room, str_from(id, IDENT_UUID_LENGTH));
        return ERR_OK;
    }
    if (codec_unpercent(wanted, true, room) != ERR_OK) {
        return ERR_INVALID;
    }
    return ident_is_name(buf_str(room)) ? ERR_OK : ERR_INVALID;
}

static void chat_open(struct session *session, const struct request *request)
{
    struct room_member *member = &chat_of(session)->member;
    struct buf room = {0};

    if (find_room(request, &room) != ERR_OK) {
        session_refuse(session, ERR_BAD_REQUEST,
                       "room: must be 1 to 64 letters, digits, _ and -");
    } else {
        session_follow(session, session_user(session));
        room_attach(member, session->services, &user, buf_str(&room), str_from("", 0), 0);
        room_listen(member);
    }
    buf_finish(&room);
}

static void chat_alive(struct session *session)
{
    room_renew(&chat_of(session)->member);
}

static void chat_drained(struct session *session)
{
    (void)session; /* who has no room is closed at once */
}

static void chat_closed(struct session *session)
{
    struct chat *chat = chat_of(session);

    store_forget(&chat->calls);
    room_leave(&chat->member, NULL, NULL, NULL);
}

const struct proto chat_proto = {
    .name = "chat",
    .paths = (const char *const[]){"/ws", NULL},
    .metric = METRICS_PROTOCOL_CHAT,
    .size = sizeof(struct chat),
    .open = chat_open,
    .message = chat_message,
    .limited = chat_limited,
    .alive = chat_alive,
    .drained = chat_drained,
    .closed = chat_closed,
};
