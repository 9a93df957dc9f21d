/* A Socket.IO socket between its identity and its namespace: the limit of its user's
 * connections may have to be asked in Redis first. The namespace does not hear of it before. */
#include "common/mem.h"
#include "gateway/proto/socketio_core.h"
#include "gateway/session_place.h"

struct sio_entry {
    struct place_wait wait;
    struct sio_socket *socket; /* borrowed: it owns us */
    cJSON *auth;               /* owned */
};

static void destroy(struct sio_entry *entry)
{
    session_cancel_place(&entry->wait);
    cJSON_Delete(entry->auth);
    mem_free(entry);
}

static void refuse(struct sio_socket *socket, enum err err, const char *why)
{
    socketio_enter(socket, SIO_GONE); /* the namespace never heard of it */
    socket->session->services->metrics->rejected[METRICS_REJECTION_TOO_MANY]++;
    sio_refuse(socket, err_word(err), why);
}

static void answer(struct sio_socket *socket, enum err err)
{
    struct sio_entry *entry = socket->entry;

    socket->entry = NULL;
    if (err == ERR_OK) {
        socket->space->connect(socket, entry->auth);
    } else if (err == ERR_TOO_MANY) {
        refuse(socket, err, "this user has too many connections");
    } else {
        socketio_enter(socket, SIO_GONE);
        session_close(socket->session, REASON_UNAVAILABLE);
    }
    destroy(entry);
}

static void on_answered(void *owner, enum err err)
{
    struct sio_entry *entry = owner;
    struct session *session = entry->socket->session;

    answer(entry->socket, err);
    session_settle(session);
}

void sio_entry_ask(struct sio_socket *socket, cJSON *auth)
{
    struct sio_entry *entry = mem_zero(sizeof(*entry));
    struct str user = str_from(socket->identity.user, socket->identity.user_len);

    entry->socket = socket;
    entry->auth = auth;
    socket->entry = entry;
    switch (session_take_place(socket->session, LIMITS_USER, user, &entry->wait, on_answered,
                               entry)) {
    case LIMITS_YES:
        answer(socket, ERR_OK);
        break;
    case LIMITS_NO:
        answer(socket, ERR_TOO_MANY);
        break;
    case LIMITS_LATER:
        session_begin(socket->session);
        break;
    }
}

void sio_entry_leave(struct sio_socket *socket)
{
    struct sio_entry *entry = socket->entry;
    bool known = socket->state != SIO_GONE && entry == NULL;

    socketio_enter(socket, SIO_GONE);
    if (known) {
        socket->space->closed(socket);
    }
    if (entry != NULL) {
        socket->entry = NULL;
        destroy(entry);
    }
}
