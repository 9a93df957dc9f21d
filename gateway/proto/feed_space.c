/* Feeds in Socket.IO: namespace `/feed`: `subscribe` and `unsubscribe` {topic}, and lines as
 * `wisdom_distribution` {topic, message}.
 *
 *     JOINING --channel live--> LIVE                      a new subscription of a websocket
 *     JOINING --channel live--> READING --answered--> LIVE    one that was loaded
 *     READING --answered--> LIVE                          a new one of a request
 *
 * A session that polls is loaded for each request: it comes with the number of the last line
 * that its client was told, and reads what was said since, so that nothing falls between two
 * polls. */
#include "gateway/proto/feed_space.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/ident.h"
#include "common/json.h"
#include "common/json_text.h"
#include "common/mem.h"
#include "common/pack.h"
#include "gateway/hub/held.h"
#include "gateway/proto/feed.h"
#include "gateway/store/keys.h"

enum {
    TOPICS_MAX = 16, /* of one socket */
    WAITING_MAX = 16 /* acknowledgements that wait for one topic */
};

enum phase {
    JOINING,
    READING,
    LIVE,
    BEHIND /* no room: the next request, or the room, reads on */
};

/* A `subscribe` that is not answered yet. */
struct waiting {
    struct waiting *next;
    bool wants_ack;
    uint64_t ack;
};

struct topic {
    struct hub_sub sub; /* first */
    struct topic *next; /* of the socket */
    struct feed_socket *feed;
    struct held held;
    struct store_calls calls;
    struct waiting *waiting; /* owned */
    unsigned waiting_count;
    uint64_t seq; /* of the last line that the client knows; 0 = any line is new */
    enum phase phase;
    bool awaited; /* the session waits for us */
    uint8_t name_len;
    char name[IDENT_NAME_MAX];
};

struct feed_socket {
    struct sio_socket socket; /* first: the core knows only this part */
    struct topic *topics;     /* owned */
    unsigned count;
};

/* Where the parts of feed_read's answer stand. */
enum read_reply {
    READ_SEQ = 1,
    READ_ENTRIES
};

static struct feed_socket *feed_of(struct sio_socket *socket)
{
    return (struct feed_socket *)socket;
}

static bool is_open(const struct feed_socket *feed)
{
    return feed->socket.state == SIO_CONNECTED;
}

static const struct services *services_of(const struct feed_socket *feed)
{
    return feed->socket.session->services;
}

static struct str name_of(const struct topic *topic)
{
    return str_from(topic->name, topic->name_len);
}

/* ---- answers ---- */

/* code == NULL: all is well. */
static void answer(struct feed_socket *feed, const struct sio_event *event, const char *code,
                   const char *message)
{
    if (code != NULL) {
        sio_emit_error(&feed->socket, code, message);
    }
    if (is_open(feed)) {
        sio_ack_outcome(&feed->socket, event, code, message);
    }
}

static void refuse(struct feed_socket *feed, const struct sio_event *event, const char *message)
{
    services_of(feed)->metrics->rejected[METRICS_REJECTION_INVALID]++;
    answer(feed, event, err_word(ERR_INVALID), message);
}

/* Answers all that wait for the topic, which may be gone afterwards. */
static void answer_waiting(struct topic *topic, const char *code, const char *message)
{
    struct feed_socket *feed = topic->feed;
    struct waiting *waiting = topic->waiting;

    topic->waiting = NULL;
    topic->waiting_count = 0;
    while (waiting != NULL) {
        struct waiting *next = waiting->next;
        struct sio_event event = {.wants_ack = waiting->wants_ack, .ack = waiting->ack};

        mem_free(waiting);
        waiting = next;
        if (is_open(feed)) {
            answer(feed, &event, code, message);
        }
    }
}

/* False: too many wait already. */
static bool wait_for(struct topic *topic, const struct sio_event *event)
{
    struct waiting **at = &topic->waiting;

    if (topic->waiting_count == WAITING_MAX) {
        return false;
    }
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = mem_zero(sizeof(**at));
    (*at)->wants_ack = event->wants_ack;
    (*at)->ack = event->ack;
    topic->waiting_count++;
    return true;
}

/* ---- the life of a topic ---- */

static void await(struct topic *topic)
{
    if (!topic->awaited) {
        topic->awaited = true;
        session_begin(topic->feed->socket.session);
    }
}

static void settle(struct topic *topic)
{
    if (topic->awaited) {
        topic->awaited = false;
        session_settle(topic->feed->socket.session);
    }
}

static struct topic *find(const struct feed_socket *feed, struct str name)
{
    struct topic *topic = feed->topics;

    while (topic != NULL && !str_equal(name_of(topic), name)) {
        topic = topic->next;
    }
    return topic;
}

static struct topic *create(struct feed_socket *feed, struct str name)
{
    struct topic *topic = mem_zero(sizeof(*topic));

    topic->feed = feed;
    memcpy(topic->name, name.at, name.len);
    topic->name_len = (uint8_t)name.len;
    topic->next = feed->topics;
    feed->topics = topic;
    feed->count++;
    return topic;
}

/* The one end of a topic. What waits for it is not answered any more. */
static void destroy(struct topic *topic)
{
    struct feed_socket *feed = topic->feed;
    struct topic **at = &feed->topics;

    while (*at != topic) {
        at = &(*at)->next;
    }
    *at = topic->next;
    feed->count--;
    hub_leave(services_of(feed)->hub, &topic->sub);
    store_forget(&topic->calls);
    held_clear(&topic->held);
    while (topic->waiting != NULL) {
        struct waiting *waiting = topic->waiting;

        topic->waiting = waiting->next;
        mem_free(waiting);
    }
    settle(topic);
    mem_free(topic);
}

/* ---- what it is told ---- */

/* Lines are not made up for: a websocket that does not keep up goes; a request that is full
 * leaves the rest to the next one. */
static void no_room(struct topic *topic)
{
    struct session *session = topic->feed->socket.session;

    if (session->brief) {
        topic->phase = BEHIND;
        return;
    }
    services_of(topic->feed)->metrics->slow_consumers++;
    session_close(session, REASON_SLOW); /* and the topic is gone */
}

/* False: there was no room. The topic may be gone then. */
static bool tell(struct topic *topic, uint64_t seq, struct str event, struct msg *msg)
{
    struct sio_socket *socket = &topic->feed->socket;
    bool told = msg != NULL ? sio_emit_shared(socket, msg, str_from("", 0), event)
                            : sio_emit(socket, event);

    if (told) {
        topic->seq = seq;
    } else {
        no_room(topic);
    }
    return told;
}

static void read_lines(struct topic *topic, bool since);

/* A line that can't be read: who knows where he stands reads it from what is kept. The topic
 * may be gone then. */
static void miss(struct topic *topic)
{
    if (topic->seq != 0) {
        read_lines(topic, true);
    } else {
        session_close(topic->feed->socket.session, REASON_UNAVAILABLE);
    }
}

static void deliver(struct topic *topic, struct msg *msg)
{
    if (msg->kind == 'f' && msg->seq > topic->seq) {
        tell(topic, msg->seq, msg_other(msg), msg);
    }
}

static void on_published(struct hub_sub *sub, struct msg *msg)
{
    struct topic *topic = (struct topic *)sub;

    if (topic->phase == LIVE && msg->kind == MSG_MISSED) {
        miss(topic);
    } else if (topic->phase == LIVE) {
        deliver(topic, msg);
    } else if (topic->phase == READING && msg->kind == MSG_MISSED) {
        held_miss(&topic->held);
    } else if (topic->phase == READING) {
        held_add(&topic->held, msg);
    }
}

/* ---- reading ---- */

static void go_live(struct topic *topic)
{
    struct feed_socket *feed = topic->feed;
    struct held held = topic->held;

    topic->held = (struct held){NULL, 0, false};
    topic->phase = LIVE;
    for (unsigned i = 0; i < held.count && is_open(feed) && topic->phase == LIVE; i++) {
        deliver(topic, held.msgs[i]);
    }
    held_clear(&held);
    if (is_open(feed)) {
        answer_waiting(topic, NULL, NULL);
    }
    if (is_open(feed)) {
        settle(topic);
    }
}

static void read_failed(struct topic *topic)
{
    struct feed_socket *feed = topic->feed;

    held_clear(&topic->held);
    if (topic->waiting != NULL) {
        answer_waiting(topic, err_word(ERR_UNAVAILABLE), err_text(ERR_UNAVAILABLE));
        if (is_open(feed)) {
            destroy(topic);
        }
        return;
    }
    if (!feed->socket.session->brief && !hub_is_away(&topic->sub)) {
        go_live(topic); /* nobody else would wake it */
        return;
    }
    topic->phase = BEHIND; /* the channel comes back, or the next request does */
    settle(topic);
}

static void on_lines(void *context, enum err err, const struct redisReply *reply)
{
    struct topic *topic = context;
    uint64_t seq = (uint64_t)reply_int(reply, READ_SEQ);

    if (err == ERR_NEWER && topic->waiting == NULL) {
        session_close(topic->feed->socket.session, REASON_UNAVAILABLE);
        return;
    }
    if (err != ERR_OK || reply_outcome(reply) != OUTCOME_APPLIED) {
        read_failed(topic);
        return;
    }
    if (topic->held.overtaken) {
        held_clear(&topic->held);
        read_lines(topic, true);
        return;
    }
    for (size_t at = READ_ENTRIES; reply_str(reply, at + 1).at != NULL; at += 2) {
        struct feed_socket *feed = topic->feed;

        if (!tell(topic, (uint64_t)reply_int(reply, at), reply_str(reply, at + 1), NULL)) {
            if (is_open(feed)) {
                held_clear(&topic->held);
                settle(topic);
            }
            return;
        }
    }
    if (seq > topic->seq) {
        topic->seq = seq;
    }
    go_live(topic);
}

/* What was said since the line that the client knows; without `since` only where the feed
 * stands. */
static void read_lines(struct topic *topic, bool since)
{
    struct key_name feed, lately;
    char number[24] = "";

    await(topic);
    topic->phase = READING;
    if (since) {
        snprintf(number, sizeof(number), "%llu", (unsigned long long)topic->seq);
    }
    store_call(services_of(topic->feed)->store, SCRIPT_feed_read,
               STRS(keys_name(&feed, KEY_FEED, name_of(topic)),
                    keys_name(&lately, KEY_LATELY, name_of(topic))),
               STRS(str_of(number)), &topic->calls, on_lines, topic);
}

/* Also called again when Redis was away. Who has heard something yet reads what he missed. */
static void on_ready(struct hub_sub *sub)
{
    struct topic *topic = (struct topic *)sub;

    store_forget(&topic->calls);
    held_clear(&topic->held);
    if (topic->seq != 0) {
        read_lines(topic, true);
    } else {
        go_live(topic);
    }
}

static const struct hub_listener listener = {on_ready, on_published};

/* A request that only brings messages remembers where the feed stands; all others listen. */
static void begin_listening(struct topic *topic)
{
    struct key_name channel;

    await(topic);
    topic->phase = JOINING;
    if (hub_join(services_of(topic->feed)->hub, &topic->sub, &listener,
                 keys_name(&channel, KEY_FEED, name_of(topic)))) {
        on_ready(&topic->sub);
    }
}

/* ---- what the client says ---- */

static void subscribe(struct feed_socket *feed, const struct sio_event *event, struct str name)
{
    struct topic *topic = find(feed, name);
    bool known = topic != NULL;
    struct key_name channel;

    if (known && topic->phase != JOINING && topic->phase != READING) {
        answer(feed, event, NULL, NULL);
        return;
    }
    if (!store_reaches(services_of(feed)->store, keys_name(&channel, KEY_FEED, name))) {
        answer(feed, event, err_word(ERR_UNAVAILABLE), err_text(ERR_UNAVAILABLE));
        return;
    }
    if (!known && feed->count == TOPICS_MAX) {
        answer(feed, event, "too_many", "a socket may subscribe to 16 topics");
        return;
    }
    if (!known) {
        topic = create(feed, name);
    }
    if (!wait_for(topic, event)) {
        answer(feed, event, err_word(ERR_UNAVAILABLE), err_text(ERR_UNAVAILABLE));
        return;
    }
    if (!known && feed->socket.session->brief) {
        read_lines(topic, false);
    } else if (!known) {
        begin_listening(topic);
    }
}

static void unsubscribe(struct feed_socket *feed, const struct sio_event *event,
                        struct str name)
{
    struct topic *topic = find(feed, name);

    if (topic != NULL) {
        answer_waiting(topic, "unsubscribed", "unsubscribe came before this was done");
        if (!is_open(feed)) {
            return;
        }
        destroy(topic);
    }
    answer(feed, event, NULL, NULL);
}

static const struct {
    struct str name;
    void (*take)(struct feed_socket *feed, const struct sio_event *event, struct str topic);
} verbs[] = {
    {{"subscribe", 9}, subscribe},
    {{"unsubscribe", 11}, unsubscribe},
};

/* Reads {"topic": NAME} and does it. */
static void take(struct feed_socket *feed, const struct sio_event *event, size_t verb)
{
    struct json_field topic = {.name = "topic", .kind = JSON_TEXT, .required = true};
    struct str args = event->args, first = {NULL, 0};
    char why[JSON_WHY_MAX];
    const char *reason = NULL;
    cJSON *json = NULL;

    if (json_next_item(&args, &first)) {
        json = json_parse(first, &reason);
    }
    if (json_read(json, &topic, 1, why) != ERR_OK) {
        refuse(feed, event, why);
    } else if (!ident_is_name(topic.text)) {
        refuse(feed, event, feed_topic_why);
    } else {
        verbs[verb].take(feed, event, topic.text);
    }
    cJSON_Delete(json);
}

static void feed_event(struct sio_socket *socket, const struct sio_event *event)
{
    struct feed_socket *feed = feed_of(socket);

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (str_equal(verbs[i].name, event->name)) {
            take(feed, event, i);
            return;
        }
    }
    services_of(feed)->metrics->rejected[METRICS_REJECTION_INVALID]++;
    answer(feed, event, "unknown_event", "this namespace knows no event of that name");
}

/* ---- the socket's life ---- */

static void feed_connect(struct sio_socket *socket, const cJSON *auth)
{
    (void)auth;
    sio_accept(socket, str_from("", 0));
}

static void feed_limited(struct sio_socket *socket)
{
    sio_emit_error(socket, err_word(ERR_RATE_LIMITED), "messages come too fast");
}

static void feed_alive(struct sio_socket *socket)
{
    (void)socket; /* there is no lease */
}

static void feed_drained(struct sio_socket *socket)
{
    (void)socket; /* who had no room is gone */
}

static void feed_closed(struct sio_socket *socket)
{
    struct feed_socket *feed = feed_of(socket);

    while (feed->topics != NULL) {
        destroy(feed->topics);
    }
}

/* ---- requests ---- */

static void feed_save(struct sio_socket *socket, struct buf *to)
{
    for (struct topic *topic = feed_of(socket)->topics; topic != NULL; topic = topic->next) {
        if (topic->waiting == NULL) {
            pack_add_str(to, name_of(topic));
            pack_add_u64(to, topic->seq);
        }
    }
}

/* Numbers only grow, so that of two places the later one counts. */
static void take_marks(struct feed_socket *feed, struct str marks)
{
    struct str name;
    uint64_t seq;

    while (pack_take_str(&marks, &name) == ERR_OK && pack_take_u64(&marks, &seq) == ERR_OK) {
        struct topic *topic = find(feed, name);

        if (topic != NULL && seq > topic->seq) {
            topic->seq = seq;
        }
    }
}

static bool feed_load(struct sio_socket *socket, struct str saved, struct str marks)
{
    struct feed_socket *feed = feed_of(socket);
    struct topic *topic, *next;
    struct str name;
    uint64_t seq;

    while (saved.len > 0) {
        if (pack_take_str(&saved, &name) != ERR_OK || pack_take_u64(&saved, &seq) != ERR_OK ||
            !ident_is_name(name) || feed->count == TOPICS_MAX || find(feed, name) != NULL) {
            return false;
        }
        topic = create(feed, name);
        topic->seq = seq;
        topic->phase = LIVE;
    }
    take_marks(feed, marks);
    for (topic = feed->topics; topic != NULL && !socket->session->deaf; topic = next) {
        next = topic->next;
        begin_listening(topic);
    }
    return true;
}

const struct sio_space feed_space = {
    .name = {"/feed", 5},
    .proto = "feed",
    .size = sizeof(struct feed_socket),
    .connect = feed_connect,
    .event = feed_event,
    .limited = feed_limited,
    .alive = feed_alive,
    .drained = feed_drained,
    .closed = feed_closed,
    .save = feed_save,
    .marks = feed_save,
    .load = feed_load,
};
