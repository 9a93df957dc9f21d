/* Feed: lines that come by themselves, for everybody who subscribed to their topic.
 *
 *     (initial) --connect--> connected --subscribe--> subscribed --unsubscribe--> connected
 *
 * There is no state to read and nothing to catch up with: who is subscribed hears what is
 * published from the confirmation on. Who has said `connect` must go on talking: the
 * reference's clients ping every five seconds, and a silent one is sent away long before TCP
 * would notice that it is dead. */
#include "gateway/proto/feed.h"

#include <stddef.h>
#include <string.h>

#include "common/ident.h"
#include "common/mem.h"
#include "gateway/proto/proto.h"
#include "gateway/session_leash.h"
#include "gateway/store/keys.h"

enum {
    /* 15 s, and a little: the message that ends a silence may have been sent while this process
     * was busy with others. */
    SILENCE_MS = 15500,
    UNCONFIRMED_MAX = 255
};

struct feed {
    struct session session; /* first: the session layer knows only this part */
    struct hub_sub sub;     /* listening = subscribed */
    char id[IDENT_UUID_LENGTH + 1];
    uint8_t unconfirmed; /* subscriptions that wait for the channel */
    bool connected;
    bool overdue; /* silent for too long, but for one last look */
    uint8_t topic_len;
    char topic[IDENT_NAME_MAX];
};

static struct feed *feed_of(struct session *session)
{
    return (struct feed *)session;
}

static struct feed *feed_of_sub(struct hub_sub *sub)
{
    return (struct feed *)((char *)sub - offsetof(struct feed, sub));
}

/* ---- what a client is told ---- */

/* There is nothing that could be left out: who does not keep up is sent away. */
static void fall_behind(struct feed *feed)
{
    feed->session.services->metrics->slow_consumers++;
    session_close(&feed->session, REASON_SLOW);
}

static void tell(struct feed *feed, struct buf *text)
{
    if (!session_say(&feed->session, buf_str(text))) {
        fall_behind(feed);
    }
    buf_finish(text);
}

static void tell_error(struct feed *feed, const char *code, const char *message)
{
    struct buf text = {0};

    feed_write_error(&text, code, message);
    tell(feed, &text);
}

static void tell_confirmation(struct feed *feed)
{
    struct buf text = {0};

    feed_write_confirmation(&text);
    tell(feed, &text);
}

/* ---- the channel ---- */

static void on_ready(struct hub_sub *sub)
{
    struct feed *feed = feed_of_sub(sub);

    while (feed->unconfirmed > 0 && sub->channel != NULL) {
        feed->unconfirmed--;
        tell_confirmation(feed);
    }
}

static void on_published(struct hub_sub *sub, struct msg *msg)
{
    struct feed *feed = feed_of_sub(sub);

    if (msg->kind ==
        MSG_MISSED) { /* nothing can be read again; he shall know that he missed it */
        session_close(&feed->session, REASON_UNAVAILABLE);
        return;
    }
    if (msg->kind == 'f' && !session_send(&feed->session, msg)) {
        fall_behind(feed);
    }
}

static const struct hub_listener listener = {on_ready, on_published};

/* ---- what it may say ---- */

static void subscribe(struct feed *feed)
{
    const struct services *services = feed->session.services;
    struct key_name room;
    struct str channel = keys_name(&room, KEY_FEED, str_from(feed->topic, feed->topic_len));
    bool live = feed->unconfirmed == 0;

    if (!feed->connected) {
        tell_error(feed, "not_connected", "connect comes before subscribe");
        return;
    }
    if (!store_reaches(services->store, channel)) {
        tell_error(feed, err_word(ERR_UNAVAILABLE), err_text(ERR_UNAVAILABLE));
        return;
    }
    if (feed->sub.channel == NULL) {
        live = hub_join(services->hub, &feed->sub, &listener, channel);
    }
    if (live) {
        tell_confirmation(feed);
    } else if (feed->unconfirmed < UNCONFIRMED_MAX) {
        feed->unconfirmed++;
    }
}

static void unsubscribe(struct feed *feed)
{
    hub_leave(feed->session.services->hub, &feed->sub);
    feed->unconfirmed = 0;
}

static void act(struct feed *feed, enum feed_verb verb)
{
    switch (verb) {
    case FEED_CONNECT:
        feed->connected = true;
        break;
    case FEED_SUBSCRIBE:
        subscribe(feed);
        break;
    case FEED_UNSUBSCRIBE:
        unsubscribe(feed);
        break;
    case FEED_PING:
        break; /* that it came is all */
    case FEED_DISCONNECT:
        session_close(&feed->session, REASON_LEFT);
        break;
    }
}

static void heard(struct feed *feed)
{
    feed->overdue = false;
    if (feed->connected) {
        session_wake(&feed->session, SILENCE_MS);
    }
}

static void feed_message(struct session *session, struct str text)
{
    struct feed *feed = feed_of(session);
    char why[JSON_WHY_MAX];
    enum feed_verb verb;
    enum err err = feed_parse(text, str_from(feed->id, IDENT_UUID_LENGTH), &verb, why);

    if (err == ERR_OK) {
        act(feed, verb);
    } else {
        session->services->metrics->rejected[METRICS_REJECTION_INVALID]++;
        tell_error(feed, err == ERR_FORBIDDEN ? "wrong_id" : "invalid_format", why);
    }
    heard(feed);
}

/* ---- the session's life ---- */

static void feed_open(struct session *session, const struct request *request)
{
    static const struct str standard = {"wisdom", 6}; /* of the paths that name none */
    struct feed *feed = feed_of(session);
    struct str topic = request->param.len > 0 ? request->param : standard;
    struct buf text = {0};

    if (!ident_is_name(topic)) {
        session_refuse(session, ERR_BAD_REQUEST, feed_topic_why);
        return;
    }
    session_follow(session, session_user(session));
    memcpy(feed->topic, topic.at, topic.len);
    feed->topic_len = (uint8_t)topic.len;
    ident_make_uuid(feed->id);
    session_accept(session);
    if (str_equal(request_query(request, STR("extended")), STR("1"))) {
        feed_write_extended(&text, str_from(feed->id, IDENT_UUID_LENGTH),
                            str_of(session->services->name));
    } else {
        feed_write_initial(&text, str_from(feed->id, IDENT_UUID_LENGTH));
    }
    tell(feed, &text);
}

static void feed_limited(struct session *session)
{
    struct feed *feed = feed_of(session);

    tell_error(feed, err_word(ERR_RATE_LIMITED), "messages come too fast");
    heard(feed);
}

/* After a pause of our own, what it said may still lie in the socket. */
static void feed_woken(struct session *session)
{
    struct feed *feed = feed_of(session);

    if (feed->overdue) {
        session->silent_ms = SILENCE_MS;
        session_close(session, REASON_HEARTBEAT);
    } else {
        feed->overdue = true;
        session_wake(session, 0);
    }
}

static void feed_alive(struct session *session)
{
    (void)session; /* pongs count for nothing here, and there is no lease */
}

static void feed_drained(struct session *session)
{
    (void)session; /* who had no room is gone */
}

static void feed_closed(struct session *session)
{
    hub_leave(session->services->hub, &feed_of(session)->sub);
}

const struct proto feed_proto = {
    .name = "feed",
    .paths = (const char *const[]){"/feed/*", "/wisdom", "/connect", NULL},
    .metric = METRICS_PROTOCOL_FEED,
    .size = sizeof(struct feed),
    .open = feed_open,
    .message = feed_message,
    .limited = feed_limited,
    .alive = feed_alive,
    .drained = feed_drained,
    .woken = feed_woken,
    .closed = feed_closed,
};
