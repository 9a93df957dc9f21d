/* A Socket.IO session as bytes: how it outlives the request that it was loaded for.
 *
 * Two pieces, because two requests may be under way at once: what the client made of it (saved
 * by the one that brings packets), and what it was told (by the one that fetches). */
#include <string.h>

#include "common/mem.h"
#include "common/pack.h"
#include "gateway/proto/socketio_core.h"
#include "gateway/session_place.h"

void socketio_remember_user(struct session *session, struct sio_identity *identity)
{
    if (session->user == NULL) {
        session->user = identity->user;
        session->user_len = identity->user_len;
        identity->user = NULL;
    }
}

/* The user of whichever socket has one; else the handshake's. */
struct str socketio_user(const struct session *session)
{
    const struct socketio *io = (const struct socketio *)(const void *)session;

    for (const struct sio_socket *socket = io->sockets; socket != NULL; socket = socket->next) {
        if (socket->identity.user != NULL) {
            return str_from(socket->identity.user, socket->identity.user_len);
        }
    }
    return session->user != NULL ? session_user(session)
                                 : str_from(io->handshake.user, io->handshake.user_len);
}

static void save_identity(struct buf *to, const struct sio_identity *identity)
{
    pack_add_u64(to, identity->user != NULL);
    pack_add_str(to, str_from(identity->user, identity->user_len));
    pack_add_u64(to, (uint64_t)identity->expires_ms);
}

static bool load_identity(struct str *from, struct sio_identity *identity)
{
    struct str user;
    uint64_t known, expires;

    if (pack_take_u64(from, &known) != ERR_OK || pack_take_str(from, &user) != ERR_OK ||
        pack_take_u64(from, &expires) != ERR_OK || (known == 0 && user.len > 0)) {
        return false;
    }
    identity->user = known != 0 ? mem_copy(user.at, user.len) : NULL;
    identity->user_len = user.len;
    identity->expires_ms = (int64_t)expires;
    return true;
}

static void save_partial(struct buf *to, const struct partial *partial)
{
    pack_add_u64(to, partial != NULL ? partial->due : 0);
    if (partial == NULL) {
        return;
    }
    pack_add_str(to, buf_str(&partial->text));
    pack_add_str(to, buf_str(&partial->attachments));
    pack_add_u64(to, partial->have);
    for (unsigned i = 0; i < partial->have; i++) {
        pack_add_u64(to, partial->ends[i]);
    }
}

static bool load_partial(struct str *from, struct socketio *io)
{
    struct str text, attachments;
    uint64_t due, have, end, start = 0;

    if (pack_take_u64(from, &due) != ERR_OK || due > SIO_ATTACHMENTS_MAX) {
        return false;
    }
    if (due == 0) {
        return true;
    }
    if (pack_take_str(from, &text) != ERR_OK || pack_take_str(from, &attachments) != ERR_OK ||
        pack_take_u64(from, &have) != ERR_OK || have >= due) {
        return false;
    }
    socketio_begin_partial(io, text, (unsigned)due);
    buf_add(&io->partial->attachments, attachments);
    while (io->partial->have < have) {
        if (pack_take_u64(from, &end) != ERR_OK || end < start || end > attachments.len) {
            return false;
        }
        io->partial->ends[io->partial->have++] = (size_t)end;
        start = end;
    }
    return start == attachments.len;
}

void socketio_save(struct session *session, struct buf *to)
{
    struct socketio *io = socketio_of(session);
    struct buf blob = {0};

    pack_add_u64(to, io->connect_by_ms);
    pack_add_u64(to, io->recovery);
    pack_add_u64(to, io->refusal != NULL);
    pack_add_str(to, str_of(io->refusal));
    save_identity(to, &io->handshake);
    save_partial(to, io->partial);
    for (struct sio_socket *socket = io->sockets; socket != NULL; socket = socket->next) {
        if (socket->state != SIO_CONNECTED) {
            continue;
        }
        pack_add_str(to, socket->space->name);
        pack_add_str(to, str_from(socket->id, SIO_ID_LENGTH));
        save_identity(to, &socket->identity);
        buf_clear(&blob);
        socket->space->save(socket, &blob);
        pack_add_str(to, buf_str(&blob));
    }
    buf_finish(&blob);
}

void socketio_marks(struct session *session, struct buf *to)
{
    struct sio_socket *socket = socketio_of(session)->sockets;
    struct buf blob = {0};

    for (; socket != NULL; socket = socket->next) {
        if (socket->state == SIO_CONNECTED) {
            pack_add_str(to, str_from(socket->id, SIO_ID_LENGTH));
            buf_clear(&blob);
            socket->space->marks(socket, &blob);
            pack_add_str(to, buf_str(&blob));
        }
    }
    buf_finish(&blob);
}

/* The marks of a socket; empty when it was told nothing since its CONNECT. */
static struct str find_marks(struct str marks, struct str id)
{
    struct str whose, blob;

    while (pack_take_str(&marks, &whose) == ERR_OK && pack_take_str(&marks, &blob) == ERR_OK) {
        if (str_equal(whose, id)) {
            return blob;
        }
    }
    return str_from("", 0);
}

static bool load_socket(struct socketio *io, struct str *from, struct str marks)
{
    struct str name, id, blob;
    const struct sio_space *space;
    struct sio_socket *socket;

    if (pack_take_str(from, &name) != ERR_OK || pack_take_str(from, &id) != ERR_OK ||
        id.len != SIO_ID_LENGTH) {
        return false;
    }
    space = socketio_find_space(io, name);
    if (space == NULL || socketio_find_socket(io, name) != NULL) {
        return false;
    }
    socket = socketio_create_socket(io, space);
    memcpy(socket->id, id.at, SIO_ID_LENGTH);
    socketio_enter(socket, SIO_GONE); /* until it is whole */
    if (!load_identity(from, &socket->identity) || pack_take_str(from, &blob) != ERR_OK) {
        return false;
    }
    socketio_enter(socket, SIO_CONNECTED);
    session_keep_place(socket->session, LIMITS_USER,
                       str_from(socket->identity.user, socket->identity.user_len));
    return space->load(socket, blob, find_marks(marks, id));
}

/* Back to the order in which they were saved: what did not change is saved the same. */
static void turn_sockets(struct socketio *io)
{
    struct sio_socket *rest = io->sockets;

    io->sockets = NULL;
    while (rest != NULL) {
        struct sio_socket *next = rest->next;

        rest->next = io->sockets;
        io->sockets = rest;
        rest = next;
    }
}

bool socketio_load(struct session *session, struct str saved, struct str marks)
{
    struct socketio *io = socketio_of(session);
    uint64_t recovery, refused;
    struct str refusal;

    if (pack_take_u64(&saved, &io->connect_by_ms) != ERR_OK ||
        pack_take_u64(&saved, &recovery) != ERR_OK ||
        pack_take_u64(&saved, &refused) != ERR_OK ||
        pack_take_str(&saved, &refusal) != ERR_OK || !load_identity(&saved, &io->handshake) ||
        !load_partial(&saved, io)) {
        return false;
    }
    io->recovery = recovery != 0;
    io->refusal = refused != 0 ? mem_copy(refusal.at, refusal.len) : NULL;
    while (saved.len > 0) {
        if (!load_socket(io, &saved, marks)) {
            return false;
        }
    }
    turn_sockets(io);
    socketio_schedule(io);
    return true;
}

/* What a deaf socket says can't know yet how far its client will be when it is told: there
 * stands a mark, its namespace between two control characters, that no JSON has. */
void socketio_stamp(struct session *session, struct str text, struct buf *to)
{
    struct str head, name;

    while (str_cut(text, SIO_MARK, &head, &text)) {
        struct sio_socket *socket;

        buf_add(to, head);
        str_cut(text, SIO_MARK, &name, &text);
        socket = socketio_find_socket(socketio_of(session), name);
        if (socket != NULL && socket->space->offset != NULL) {
            socket->space->offset(socket, to);
        }
    }
    buf_add(to, head);
}
