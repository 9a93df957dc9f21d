/* Socket.IO v5 on a session that an engine carries: packets in, namespaces found, packets out.
 *
 * A packet that comes while a CONNECT waits for Redis waits too (`held`), so that hasty clients
 * are served in their order. A packet that breaks the protocol ends the whole connection, as
 * the official server does it. */
#include "gateway/proto/socketio_core.h"

#include <string.h>

#include "common/codec.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/pack.h"
#include "gateway/session_leash.h"

enum {
    HELD_MAX = 65536 /* bytes that may wait for a CONNECT */
};

static const struct sio_space *const *spaces_of(const struct socketio *io)
{
    return ((const struct socketio_proto *)(const void *)io->session.proto)->spaces;
}

static const struct config *config_of(const struct socketio *io)
{
    return io->session.services->config;
}

static int64_t wall_ms(void)
{
    uv_timeval64_t now;

    uv_gettimeofday(&now);
    return now.tv_sec * 1000 + now.tv_usec / 1000;
}

static uint64_t redis_ms(const struct socketio *io)
{
    return store_now_us(io->session.services->store) / 1000;
}

/* ---- identities ---- */

static void set_identity(struct sio_identity *identity, const struct claims *claims)
{
    identity->user = mem_copy(claims->user, claims->user_len);
    identity->user_len = claims->user_len;
    identity->expires_ms = claims->expires_ms;
}

static void copy_identity(struct sio_identity *to, const struct sio_identity *from)
{
    *to = *from;
    to->user = from->user != NULL ? mem_copy(from->user, from->user_len) : NULL;
}

static void finish_identity(struct sio_identity *identity)
{
    mem_free(identity->user);
    identity->user = NULL;
}

/* Who the socket is: the token of its CONNECT, else that of the handshake. False with `*why`
 * set when neither lets it in. */
static bool identify(struct socketio *io, struct sio_socket *socket, const cJSON *auth,
                     const char **why)
{
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(auth, "token");
    struct claims claims = {.expires_ms = INT64_MAX};

    if (socket->space->proto == NULL) {
        return true;
    }
    if (token == NULL || cJSON_IsNull(token)) {
        *why = io->refusal;
        copy_identity(&socket->identity, &io->handshake);
        if (io->refusal == NULL && io->handshake.user == NULL && socket->space->proto != NULL &&
            !config_allows_anonymous(config_of(io), socket->space->proto)) {
            *why = "a token is needed";
        }
        return *why == NULL;
    }
    if (!cJSON_IsString(token)) {
        *why = "the token is not a text";
        return false;
    }
    if (auth_verify(io->session.services->auth, str_of(cJSON_GetStringValue(token)), wall_ms(),
                    &claims, why) != ERR_OK) {
        return false;
    }
    set_identity(&socket->identity, &claims);
    return true;
}

static void read_handshake(struct socketio *io, const struct request *request)
{
    struct buf token = {0};
    struct claims claims = {.expires_ms = INT64_MAX};
    const char *why = NULL;
    bool subprotocol;

    io->handshake.expires_ms = INT64_MAX;
    if (auth_find(io->session.services->auth, request, &token, &subprotocol)) {
        if (auth_verify(io->session.services->auth, buf_str(&token), wall_ms(), &claims,
                        &why) == ERR_OK) {
            set_identity(&io->handshake, &claims);
        } else {
            io->refusal = mem_copy(why, strlen(why));
        }
    }
    buf_finish(&token);
}

/* ---- time ---- */

/* The earliest of all that may come: what is held, the end of a token, the first CONNECT. */
void socketio_schedule(struct socketio *io)
{
    int64_t now = wall_ms();
    int64_t due = INT64_MAX;

    for (struct sio_socket *socket = io->sockets; socket != NULL; socket = socket->next) {
        if (socket->identity.expires_ms < due) {
            due = socket->identity.expires_ms;
        }
    }
    due = due == INT64_MAX || due > now ? due - now : 0;
    if (io->connect_by_ms != 0) {
        int64_t left = (int64_t)(io->connect_by_ms - redis_ms(io));

        due = left < due ? left : due;
    }
    if (io->held.len > 0) {
        due = 0;
    }
    if (due < INT64_MAX / 2) {
        session_wake(&io->session, due > 0 ? (uint64_t)due : 0);
    }
}

/* ---- sockets ---- */

const struct sio_space *socketio_find_space(const struct socketio *io, struct str name)
{
    const struct sio_space *const *space = spaces_of(io);

    while (*space != NULL && !str_equal((*space)->name, name)) {
        space++;
    }
    return *space;
}

struct sio_socket *socketio_find_socket(struct socketio *io, struct str space)
{
    struct sio_socket *socket = io->sockets;

    while (socket != NULL && !str_equal(socket->space->name, space)) {
        socket = socket->next;
    }
    return socket;
}

/* The only writer of `state`: packets wait while a socket is connecting. */
void socketio_enter(struct sio_socket *socket, enum sio_state state)
{
    socket->session->holding -= socket->state == SIO_CONNECTING;
    socket->session->holding += state == SIO_CONNECTING;
    socket->state = state;
    if (state == SIO_CONNECTED && !socket->space->follows_user) {
        session_follow(socket->session,
                       str_from(socket->identity.user, socket->identity.user_len));
    }
}

struct sio_socket *socketio_create_socket(struct socketio *io, const struct sio_space *space)
{
    struct sio_socket *socket = mem_zero(space->size);
    char id[SIO_ID_LENGTH + 1];

    codec_random_id(id, SIO_ID_LENGTH);
    memcpy(socket->id, id, SIO_ID_LENGTH);
    socket->session = &io->session;
    socket->space = space;
    io->session.holding++; /* it is CONNECTING */
    socket->identity.expires_ms = INT64_MAX;
    socket->next = io->sockets;
    io->sockets = socket;
    return socket;
}

/* The one end of a socket. */
void socketio_destroy_socket(struct sio_socket *socket)
{
    struct socketio *io = socketio_of(socket->session);
    struct sio_socket **at = &io->sockets;

    while (*at != socket) {
        at = &(*at)->next;
    }
    *at = socket->next;
    sio_entry_leave(socket);
    if (socket->space->finish != NULL) {
        socket->space->finish(socket);
    }
    socketio_remember_user(socket->session, &socket->identity);
    finish_identity(&socket->identity);
    mem_free(socket);
}

/* ---- packets in ---- */

static void break_off(struct socketio *io)
{
    session_close(&io->session, REASON_PROTOCOL);
}

bool sio_recovery_wanted(const struct sio_socket *socket, const cJSON *auth)
{
    const struct socketio *io = (const struct socketio *)socket->session;
    uint64_t mode = config_of(io)->recovery;

    if (mode == CONFIG_RECOVERY_ASK) {
        return io->recovery || cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(auth, "recovery"));
    }
    return mode == CONFIG_RECOVERY_ON;
}

/* As the references' servers say it: connected, `error`, disconnected; or, when configured, a
 * refused CONNECT. */
static void turn_away(struct sio_socket *socket, const char *why)
{
    struct socketio *io = socketio_of(socket->session);
    struct buf json = {0};

    io->session.services->metrics->rejected[METRICS_REJECTION_UNAUTHORIZED]++;
    socketio_enter(socket, SIO_GONE); /* the namespace never heard of it */
    if (config_of(io)->auth_failure == CONFIG_AUTH_FAILURE_CONNECT_ERROR) {
        sio_refuse(socket, "unauthorized", why);
        return;
    }
    buf_addf(&json, "{\"sid\":\"%.*s\"}", SIO_ID_LENGTH, socket->id);
    sio_say(socket, SIO_CONNECT, buf_str(&json));
    buf_clear(&json);
    buf_add_text(&json, "[\"error\",");
    sio_add_error(&json, "unauthorized", why);
    buf_add_char(&json, ']');
    sio_say(socket, SIO_EVENT, buf_str(&json));
    buf_finish(&json);
    sio_disconnect(socket);
}

static void refuse_space(struct socketio *io, struct str name)
{
    struct buf text = {0};

    sio_add_head(&text, SIO_CONNECT_ERROR, 0, name, false, 0);
    buf_add_text(&text, "{\"message\":\"Invalid namespace\"}");
    if (!session_say(&io->session, buf_str(&text))) {
        session_close(&io->session, REASON_SLOW);
    }
    buf_finish(&text);
}

static void on_connect(struct socketio *io, const struct sio_packet *packet)
{
    const struct sio_space *space = socketio_find_space(io, packet->space);
    struct sio_socket *socket;
    const char *why = NULL;
    cJSON *auth = NULL;

    if (space == NULL) {
        refuse_space(io, packet->space);
        return;
    }
    if (socketio_find_socket(io, packet->space) != NULL) {
        break_off(io);
        return;
    }
    if (packet->data.len > 0) {
        auth = json_parse(packet->data, &why);
    }
    socket = socketio_create_socket(io, space);
    if (identify(io, socket, auth, &why)) {
        sio_entry_ask(socket, auth);
    } else {
        turn_away(socket, why);
        cJSON_Delete(auth);
    }
}

static void on_event(struct socketio *io, const struct sio_packet *packet,
                     const struct str *attachments)
{
    struct sio_socket *socket = socketio_find_socket(io, packet->space);

    if (socket == NULL) {
        break_off(io);
        return;
    }
    if (packet->type == SIO_EVENT || packet->type == SIO_BINARY_EVENT) {
        struct sio_event event = {.name = packet->name,
                                  .args = packet->args,
                                  .wants_ack = packet->has_id,
                                  .ack = packet->id,
                                  .attachments = attachments,
                                  .attachment_count = packet->attachments};

        socket->space->event(socket, &event);
    } /* else an acknowledgement: nothing that we emit waits for one */
}

static void on_disconnect(struct socketio *io, const struct sio_packet *packet)
{
    struct sio_socket *socket = socketio_find_socket(io, packet->space);

    if (socket != NULL) {
        socketio_destroy_socket(socket);
    }
}

void socketio_begin_partial(struct socketio *io, struct str text, unsigned due)
{
    io->partial = mem_zero(sizeof(*io->partial));
    io->partial->due = due;
    buf_add(&io->partial->text, text);
}

static void drop_partial(struct socketio *io)
{
    if (io->partial != NULL) {
        buf_finish(&io->partial->text);
        buf_finish(&io->partial->attachments);
        mem_free(io->partial);
        io->partial = NULL;
    }
}

static void dispatch(struct socketio *io, const struct sio_packet *packet, struct str text)
{
    switch (packet->type) {
    case SIO_CONNECT:
        on_connect(io, packet);
        break;
    case SIO_DISCONNECT:
        on_disconnect(io, packet);
        break;
    default:
        if (packet->attachments > 0) {
            socketio_begin_partial(io, text, packet->attachments);
        } else {
            on_event(io, packet, NULL);
        }
        break;
    }
}

static void take_text(struct socketio *io, struct str text)
{
    struct buf scratch = {0};
    struct sio_packet packet;
    const char *why;

    if (io->partial != NULL || sio_packet_parse(text, &scratch, &packet, &why) != ERR_OK) {
        break_off(io);
    } else {
        dispatch(io, &packet, text);
    }
    buf_finish(&scratch);
}

/* All attachments are there: the packet counts as it stood when it came. */
static void complete(struct socketio *io)
{
    struct partial *partial = io->partial;
    struct str attachments[SIO_ATTACHMENTS_MAX];
    struct buf scratch = {0};
    struct sio_packet packet;
    const char *why;
    size_t start = 0;

    for (unsigned i = 0; i < partial->due; i++) {
        attachments[i] = str_from(partial->attachments.at + start, partial->ends[i] - start);
        start = partial->ends[i];
    }
    io->partial = NULL;
    if (sio_packet_parse(buf_str(&partial->text), &scratch, &packet, &why) == ERR_OK &&
        packet.attachments == partial->due) {
        on_event(io, &packet, attachments);
    }
    buf_finish(&scratch);
    buf_finish(&partial->text);
    buf_finish(&partial->attachments);
    mem_free(partial);
}

static void take_binary(struct socketio *io, struct str bytes)
{
    struct partial *partial = io->partial;

    if (partial == NULL) {
        break_off(io);
        return;
    }
    if (partial->text.len + partial->attachments.len + bytes.len > config_of(io)->max_message) {
        session_close(&io->session, REASON_TOO_BIG);
        return;
    }
    buf_add(&partial->attachments, bytes);
    partial->ends[partial->have++] = partial->attachments.len;
    if (partial->have == partial->due) {
        complete(io);
    }
}

static void hold(struct socketio *io, struct str bytes, bool text)
{
    if (io->held.len + bytes.len > HELD_MAX) {
        session_close(&io->session, REASON_RATE);
        return;
    }
    pack_add_u64(&io->held, text);
    pack_add_str(&io->held, bytes);
}

static void take(struct socketio *io, struct str bytes, bool text)
{
    if (io->session.holding > 0 || io->held.len > 0) {
        hold(io, bytes, text);
    } else if (text) {
        take_text(io, bytes);
    } else {
        take_binary(io, bytes);
    }
}

/* What waited for a CONNECT goes on in its order. */
static void release(struct socketio *io)
{
    struct buf held = io->held;
    struct str rest = buf_str(&held), bytes;
    uint64_t text;

    if (held.len == 0 || io->session.holding > 0) {
        return;
    }
    io->held = (struct buf){0};
    while (io->session.state == SESSION_OPEN && pack_take_u64(&rest, &text) == ERR_OK &&
           pack_take_str(&rest, &bytes) == ERR_OK) {
        take(io, bytes, text != 0);
    }
    buf_finish(&held);
}

/* ---- the session's life ---- */

void socketio_open(struct session *session, const struct request *request)
{
    struct socketio *io = socketio_of(session);

    read_handshake(io, request);
    io->recovery = str_equal(request_query(request, STR("recovery")), STR("1"));
    io->connect_by_ms = redis_ms(io) + config_of(io)->connect_timeout_ms;
    session_accept(session);
    socketio_schedule(io);
}

void socketio_message(struct session *session, struct str text)
{
    take(socketio_of(session), text, true);
}

void socketio_binary(struct session *session, struct str bytes)
{
    take(socketio_of(session), bytes, false);
}

void socketio_woken(struct session *session)
{
    struct socketio *io = socketio_of(session);
    int64_t now = wall_ms();

    for (struct sio_socket *socket = io->sockets; socket != NULL; socket = socket->next) {
        if (socket->identity.expires_ms <= now) {
            session_close(session, REASON_TOKEN_EXPIRED);
            return;
        }
    }
    if (io->connect_by_ms != 0 && redis_ms(io) >= io->connect_by_ms) {
        session_close(session, REASON_TIMEOUT);
        return;
    }
    release(io);
    if (session->state == SESSION_OPEN && (io->held.len == 0 || io->session.holding == 0)) {
        socketio_schedule(io);
    }
}

void socketio_limited(struct session *session)
{
    struct sio_socket *socket = socketio_of(session)->sockets;

    while (socket != NULL && socket->state != SIO_CONNECTED) {
        socket = socket->next;
    }
    if (socket != NULL) {
        socket->space->limited(socket);
    }
}

void socketio_alive(struct session *session)
{
    struct sio_socket *socket = socketio_of(session)->sockets;

    for (; socket != NULL; socket = socket->next) {
        if (socket->state == SIO_CONNECTED) {
            socket->space->alive(socket);
        }
    }
}

void socketio_drained(struct session *session)
{
    struct sio_socket *socket = socketio_of(session)->sockets;

    for (; socket != NULL; socket = socket->next) {
        if (socket->state == SIO_CONNECTED) {
            socket->space->drained(socket);
        }
    }
}

/* Official clients come back by themselves unless they were told DISCONNECT. */
void socketio_farewell(struct session *session, enum reason reason)
{
    struct sio_socket *socket = socketio_of(session)->sockets;

    if (reason != REASON_TOKEN_EXPIRED && reason != REASON_DISCONNECTED) {
        return;
    }
    socketio_of(session)->leaving = true;
    for (; socket != NULL; socket = socket->next) {
        if (reason == REASON_TOKEN_EXPIRED) {
            sio_emit_error(socket, "unauthorized", "the token has expired");
        }
        sio_say(socket, SIO_DISCONNECT, str_from("", 0));
    }
}

/* Whoever closes the session from inside a namespace still holds its socket: the memory stays
 * until the session's goes. */
void socketio_closed(struct session *session)
{
    struct socketio *io = socketio_of(session);

    for (struct sio_socket *socket = io->sockets; socket != NULL; socket = socket->next) {
        sio_entry_leave(socket);
    }
}

void socketio_finish(struct session *session)
{
    struct socketio *io = socketio_of(session);

    while (io->sockets != NULL) {
        socketio_destroy_socket(io->sockets);
    }
    drop_partial(io);
    buf_finish(&io->held);
    finish_identity(&io->handshake);
    mem_free(io->refusal);
}
