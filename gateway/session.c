/* What a protocol sees of a client: limits, metrics and one orderly end. */
#include "gateway/session.h"

#include <string.h>

#include "common/codec.h"
#include "common/mem.h"
#include "gateway/session_leash.h"
#include "gateway/session_place.h"

enum {
    MESSAGE_COST = 1000, /* of the allowance, which is kept in thousandths */
    COMPLAIN_MS = 1000
};

struct session *session_create(const struct services *services, const struct proto *proto,
                               const struct transport *transport, void *carrier,
                               const struct claims *claims)
{
    struct session *session = mem_zero(proto->size);
    char id[MSG_ORIGIN_LENGTH + 1];

    codec_random_id(id, MSG_ORIGIN_LENGTH);
    memcpy(session->id, id, MSG_ORIGIN_LENGTH);
    session->proto = proto;
    session->transport = transport;
    session->carrier = carrier;
    session->services = services;
    session->allowance = (int64_t)services->config->burst * MESSAGE_COST;
    session->charged_ms = uv_now(services->loop);
    if (claims != NULL) {
        session->user = mem_copy(claims->user, claims->user_len);
        session->user_len = claims->user_len;
    }
    return session;
}

static uint64_t *gauge(const struct session *session)
{
    return &session->services->metrics
                ->connections[session->proto->metric][session->transport->metric];
}

/* The only way to CLOSED. */
static void detach(struct session *session)
{
    enum session_state before = session->state;

    session->state = SESSION_CLOSED;
    if (before == SESSION_OPEN) {
        (*gauge(session))--;
    }
    if (before != SESSION_CLOSED) {
        session_unfollow(session);
        session_give_places(session, !session->brief);
        session->proto->closed(session);
    }
}

void session_adopt(struct session *session, struct str id)
{
    memcpy(session->id, id.at, MSG_ORIGIN_LENGTH);
    session->state = SESSION_OPEN;
    (*gauge(session))++;
}

void session_destroy(struct session *session)
{
    if (session == NULL) {
        return;
    }
    detach(session);
    if (session->proto->finish != NULL) {
        session->proto->finish(session);
    }
    mem_free(session->user);
    mem_free(session);
}

void session_ended(struct session *session)
{
    detach(session);
}

/* Says so, once a second at most. */
static void complain(struct session *session, uint64_t now)
{
    session->services->metrics->rejected[METRICS_REJECTION_RATE]++;
    if (session->complained_ms == 0 || now - session->complained_ms >= COMPLAIN_MS) {
        session->complained_ms = now;
        session->proto->limited(session);
    }
}

/* The connection's own rate; false: above it. */
static bool spend_allowance(struct session *session, uint64_t now)
{
    const struct config *config = session->services->config;
    int64_t full = (int64_t)config->burst * MESSAGE_COST;

    session->allowance += (int64_t)((now - session->charged_ms) * config->rate);
    session->charged_ms = now;
    if (session->allowance > full) {
        session->allowance = full;
    }
    session->allowance -= MESSAGE_COST;
    if (session->allowance >= 0) {
        return true;
    }
    if (session->allowance <= -full) {
        session->services->metrics->rejected[METRICS_REJECTION_RATE]++;
        session_close(session, REASON_RATE);
    } else {
        complain(session, now);
    }
    return false;
}

bool session_charge(struct session *session)
{
    uint64_t now = uv_now(session->services->loop);

    if (session->services->config->rate != 0 && !spend_allowance(session, now)) {
        return false;
    }
    if (session->places != NULL && !session_pay(session)) {
        complain(session, now);
        return false;
    }
    return true;
}

void session_receive(struct session *session, struct str text)
{
    if (session->state != SESSION_OPEN) {
        return;
    }
    session->services->metrics->messages_received[session->proto->metric]++;
    if (session_charge(session)) {
        session->proto->message(session, text);
    }
}

void session_receive_binary(struct session *session, struct str bytes)
{
    if (session->state != SESSION_OPEN) {
        return;
    }
    session->services->metrics->messages_received[session->proto->metric]++;
    if (session->proto->binary == NULL) {
        session_close(session, REASON_UNSUPPORTED);
    } else if (session_charge(session)) {
        session->proto->binary(session, bytes);
    }
}

void session_alive(struct session *session)
{
    if (session->state == SESSION_OPEN) {
        session->proto->alive(session);
    }
}

void session_drained(struct session *session)
{
    if (session->state == SESSION_OPEN && session->starved) {
        session->starved = false;
        session->proto->drained(session);
    }
}

void session_woken(struct session *session)
{
    if (session->state == SESSION_OPEN) {
        session->proto->woken(session);
    }
}

void session_accept(struct session *session)
{
    if (session->state == SESSION_OPENING) {
        session->state = SESSION_OPEN;
        (*gauge(session))++;
        session->services->metrics
            ->opened[session->proto->metric][session->transport->metric]++;
        session->transport->accept(session->carrier);
    }
}

void session_refuse(struct session *session, enum err err, const char *why)
{
    if (session->state == SESSION_OPENING) {
        detach(session);
        session->transport->refuse(session->carrier, err, why);
    }
}

bool session_send(struct session *session, struct msg *msg)
{
    if (session->state != SESSION_OPEN) {
        return true;
    }
    if (!session->transport->send(session->carrier, msg)) {
        session->starved = true;
        return false;
    }
    session->services->metrics->messages_sent[session->proto->metric] += msg->frames;
    return true;
}

bool session_say(struct session *session, struct str text)
{
    struct msg *msg = session->proto->engine ? msg_engine(text) : msg_text(text);
    bool sent = session_send(session, msg);

    msg_unref(msg);
    return sent;
}

void session_trim(struct session *session)
{
    session->services->metrics->slow_consumers++;
    session->transport->trim(session->carrier);
}

void session_pause(struct session *session, bool paused)
{
    if (session->state == SESSION_OPEN) {
        session->transport->pause(session->carrier, paused);
    }
}

void session_wake(struct session *session, uint64_t in_ms)
{
    if (session->state != SESSION_CLOSED) {
        session->transport->wake(session->carrier, in_ms);
    }
}

void session_begin(struct session *session)
{
    session->pending++;
}

void session_settle(struct session *session)
{
    if (--session->pending == 0 && session->state == SESSION_OPEN &&
        session->transport->settled != NULL) {
        session->transport->settled(session->carrier);
    }
}

void session_close(struct session *session, enum reason reason)
{
    if (session->state == SESSION_OPENING) {
        session_refuse(session, ERR_UNAVAILABLE, err_text(ERR_UNAVAILABLE));
    } else if (session->state == SESSION_OPEN) {
        session->brief = false; /* it is the session that ends, not the request */
        if (session->proto->farewell != NULL) {
            session->proto->farewell(session, reason);
        }
        detach(session);
        session->transport->close(session->carrier, reason);
    }
}

struct str session_id(const struct session *session)
{
    return str_from(session->id, MSG_ORIGIN_LENGTH);
}

struct str session_user(const struct session *session)
{
    return str_from(session->user, session->user_len);
}
