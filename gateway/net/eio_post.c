/* One POST of a polling session: brings what its client says. Also the handshake, which is the
 * first thing that a client says.
 *
 *     LOADING --> FEEDING, packet by packet --all settled--> COMMITTING --> `ok`
 *
 * The session of a POST listens to nothing; what it answers is queued for the next GET. The
 * client sends its next POST when it has read `ok`, and by then everything is in Redis. */
#include <stddef.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/net/eio_core.h"
#include "gateway/poll.h"

enum {
    RETRY_MS = 100,   /* Redis is away */
    PENDING_MAX = 256 /* things under way; more packets wait */
};

enum state {
    OPENING,
    LOADING,
    FEEDING,
    COMMITTING,
    ENDING
};

struct eio_post {
    struct http *http; /* borrowed */
    struct net *net;
    const struct proto *proto;
    struct poll poll;
    struct session *session; /* owned; NULL until it is loaded */
    struct place_wait place; /* of a session that begins */
    struct net_later later;
    struct eio_payload payload; /* what of the body is still to be read */
    struct buf decoded;
    struct buf out;     /* what goes to the queue */
    struct buf version; /* of the state that was loaded */
    uint64_t give_up_ms;
    enum state state;
    enum reason reason; /* of ENDING */
    bool all_read;
    bool pong;
    bool left; /* the client said so */
};

static struct eio_post *create(struct http *http, const struct proto *proto, struct str sid);

static uint64_t now_ms(const struct eio_post *post)
{
    return uv_now(post->net->loop);
}

static const struct config *config_of(const struct eio_post *post)
{
    return post->net->services->config;
}

static void destroy(struct eio_post *post)
{
    net_not_later(post->net, &post->later);
    poll_finish(&post->poll);
    session_cancel_place(&post->place);
    session_destroy(post->session);
    buf_finish(&post->decoded);
    buf_finish(&post->out);
    buf_finish(&post->version);
    mem_free(post);
}

static void refuse(struct eio_post *post, enum eio_error error)
{
    eio_refuse(post->http, error);
    destroy(post);
}

static void unavailable(struct eio_post *post)
{
    eio_unavailable(post->http);
    destroy(post);
}

/* ---- the end of the session ---- */

static void on_closed(void *owner, const struct poll_found *found)
{
    struct eio_post *post = owner;

    (void)found;
    if (post->left || post->reason == REASON_TOKEN_EXPIRED ||
        post->reason == REASON_DISCONNECTED) {
        eio_answer_ok(post->http);
    } else if (post->reason == REASON_TOO_BIG) {
        eio_too_large(post->http);
    } else {
        eio_refuse(post->http, EIO_ERROR_REQUEST);
    }
    destroy(post);
}

/* A client that is sent away is told so by its next GET, when none waits now. */
static void end_session(struct eio_post *post, enum reason reason)
{
    bool told = reason == REASON_TOKEN_EXPIRED || reason == REASON_DISCONNECTED;

    post->state = ENDING;
    post->reason = reason;
    if (post->left) {
        buf_clear(&post->out);
        eio_add_text(&post->out, STR("6"));
    } else if (!told || post->out.len == 0) {
        buf_clear(&post->out);
        eio_add_text(&post->out, STR("1"));
    }
    poll_finish(&post->poll);
    eio_close(post->http, &post->poll, post->session, reason, false, buf_str(&post->out), told,
              on_closed);
}

/* ---- what the session may ask for ---- */

static void carry_close(void *carrier, enum reason reason);

static void carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)why;
    (void)err;
    carry_close(carrier, REASON_UNAVAILABLE);
}

static bool carry_send(void *carrier, struct msg *msg)
{
    struct eio_post *post = carrier;

    return eio_add_msg(&post->out, msg, config_of(post)->max_batch);
}

static void carry_wake(void *carrier, uint64_t in_ms)
{
    struct eio_post *post = carrier;

    if (in_ms == 0) {
        net_later(post->net, &post->later);
    } /* else: the request is over by then */
}

static void carry_settled(void *carrier)
{
    struct eio_post *post = carrier;

    net_later(post->net, &post->later);
}

/* Without Redis nothing ends; the client is told so when the session has finished its turn. */
static void carry_close(void *carrier, enum reason reason)
{
    struct eio_post *post = carrier;

    if (reason == REASON_UNAVAILABLE) {
        post->state = ENDING;
        net_later(post->net, &post->later);
    } else {
        end_session(post, reason);
    }
}

static const struct transport transport = {
    .metric = METRICS_TRANSPORT_POLLING,
    .accept = eio_carry_nothing,
    .refuse = carry_refuse,
    .send = carry_send,
    .trim = eio_carry_nothing,
    .pause = eio_carry_pause,
    .wake = carry_wake,
    .settled = carry_settled,
    .close = carry_close,
};

/* ---- committing ---- */

static void on_committed(void *owner, const struct poll_found *found)
{
    struct eio_post *post = owner;

    switch (found->word) {
    case POLL_OK:
        eio_answer_ok(post->http);
        destroy(post);
        break;
    case POLL_AWAY:
    case POLL_NEWER:
        unavailable(post);
        break;
    case POLL_FULL:
        post->net->services->metrics->slow_consumers++;
        session_close(post->session, REASON_SLOW);
        break;
    case POLL_UNKNOWN:
        refuse(post, EIO_ERROR_SESSION);
        break;
    default:
        refuse(post, EIO_ERROR_REQUEST);
        break;
    }
}

static void commit(struct eio_post *post)
{
    struct buf saved = {0};

    post->state = COMMITTING;
    post->proto->save(post->session, &saved);
    poll_commit(&post->poll, buf_str(&post->version), buf_str(&saved), buf_str(&post->out),
                http_request(post->http)->body.len, post->pong, post->session->allowance,
                on_committed);
    buf_finish(&saved);
}

/* ---- feeding ---- */

static void take_packet(struct eio_post *post, const struct eio_packet *packet)
{
    if (packet->data.len > config_of(post)->max_message) {
        session_close(post->session, REASON_TOO_BIG);
        return;
    }
    switch (packet->type) {
    case EIO_MESSAGE:
        session_receive(post->session, packet->data);
        break;
    case EIO_BINARY:
        session_receive_binary(post->session, packet->data);
        break;
    case EIO_PONG:
        post->pong = true;
        break;
    case EIO_CLOSE:
        post->left = true;
        session_close(post->session, REASON_LEFT);
        break;
    case EIO_NOOP:
    case EIO_UPGRADE:
        break;
    default:
        session_close(post->session, REASON_PROTOCOL);
        break;
    }
}

static void feed(struct eio_post *post)
{
    struct eio_packet packet;

    while (post->state == FEEDING && !post->all_read && !post->session->holding &&
           post->session->pending < PENDING_MAX) {
        switch (eio_packet_next(&post->payload, &packet, &post->decoded)) {
        case EIO_PACKET:
            take_packet(post, &packet);
            break;
        case EIO_END:
            post->all_read = true;
            break;
        case EIO_BAD:
            session_close(post->session, REASON_PROTOCOL);
            break;
        }
    }
    if (post->state == FEEDING && post->all_read && post->session->pending == 0) {
        commit(post);
    }
}

/* Something has settled, or is due. */
static void go_on(struct net_later *later)
{
    struct eio_post *post =
        (struct eio_post *)((char *)later - offsetof(struct eio_post, later));

    if (post->state == FEEDING) {
        feed(post);
    } else if (post->state == ENDING && !poll_is_busy(&post->poll)) {
        unavailable(post);
    }
}

/* ---- loading ---- */

static void load_session(struct eio_post *post, const struct poll_found *found)
{
    struct session *session =
        session_create(post->net->services, post->proto, &transport, post, NULL);
    int64_t refill = (int64_t)(found->idle_us / 1000 * config_of(post)->rate); /* thousandths */

    post->session = session;
    session->brief = session->deaf = true;
    session_adopt(session, poll_sid(&post->poll));
    session_keep_place(session, LIMITS_ADDRESS, http_request(post->http)->peer);
    if (found->allowance + refill < session->allowance) {
        session->allowance = found->allowance + refill;
    }
    buf_add(&post->version, found->version);
    post->state = FEEDING;
    if (!post->proto->load(session, found->saved, found->marks)) {
        session_close(session, REASON_INTERNAL);
    } else {
        session_woken(session); /* whatever became due between two requests comes first */
        feed(post);
    }
}

static void on_loaded(void *owner, const struct poll_found *found)
{
    struct eio_post *post = owner;

    switch (found->word) {
    case POLL_OK:
        load_session(post, found);
        break;
    case POLL_AWAY:
        conn_deadline(http_conn(post->http), RETRY_MS);
        break;
    case POLL_NEWER:
        unavailable(post);
        break;
    case POLL_WRONG:
        refuse(post, EIO_ERROR_REQUEST);
        break;
    default:
        refuse(post, EIO_ERROR_SESSION);
        break;
    }
}

/* ---- the request ---- */

/* What was said counts, whether the client waits for its `ok` or not; what was not read yet is
 * lost with it, and the session goes on. */
static void on_gone(void *owner)
{
    destroy(owner);
}

static void on_late(void *owner)
{
    struct eio_post *post = owner;

    if (now_ms(post) >= post->give_up_ms) {
        unavailable(post);
        return;
    }
    conn_deadline(http_conn(post->http), post->give_up_ms - now_ms(post));
    if (post->state == LOADING && post->poll.calls.count == 0) {
        poll_load(&post->poll, on_loaded);
    }
}

static const struct http_watcher watcher = {.gone = on_gone, .late = on_late};

static struct eio_post *create(struct http *http, const struct proto *proto, struct str sid)
{
    struct eio_post *post = mem_zero(sizeof(*post));

    post->http = http;
    post->net = http_conn(http)->net;
    post->proto = proto;
    post->later.run = go_on;
    post->payload = eio_payload_of(http_request(http)->body);
    post->give_up_ms = now_ms(post) + config_of(post)->connect_timeout_ms;
    poll_init(&post->poll, post->net->services, proto->name, sid, post);
    http_watch(http, &watcher, post);
    return post;
}

void eio_post(struct http *http, const struct proto *proto, struct str sid)
{
    struct eio_post *post = create(http, proto, sid);

    post->state = LOADING;
    poll_load(&post->poll, on_loaded);
}

/* ---- the handshake ---- */

static void on_opened(void *owner, const struct poll_found *found)
{
    struct eio_post *post = owner;
    struct buf packet = {0};

    if (found->word != POLL_OK) {
        unavailable(post);
        return;
    }
    post->net->services->metrics->opened[post->proto->metric][METRICS_TRANSPORT_POLLING]++;
    eio_add_open(&packet, post->net, poll_sid(&post->poll), true);
    eio_answer(post->http, buf_str(&packet));
    buf_finish(&packet);
    destroy(post);
}

static void open_session(struct eio_post *post)
{
    struct buf saved = {0};

    post->proto->save(post->session, &saved);
    poll_open(&post->poll, buf_str(&saved), buf_str(&post->out), post->session->allowance,
              on_opened);
    buf_finish(&saved);
}

static void refuse_place(struct eio_post *post)
{
    http_refuse(post->http, ERR_TOO_MANY, "this address has too many connections");
    destroy(post);
}

static void on_placed(void *owner, enum err err)
{
    struct eio_post *post = owner;

    if (err == ERR_OK) {
        open_session(post);
    } else if (err == ERR_TOO_MANY) {
        refuse_place(post);
    } else {
        unavailable(post);
    }
}

void eio_begin(struct http *http, const struct proto *proto)
{
    const struct services *services = http_conn(http)->net->services;
    struct eio_post *post;
    struct session *session;

    if (!eio_admit(http)) {
        return;
    }
    session = session_create(services, proto, &transport, NULL, NULL);
    post = create(http, proto, session_id(session));
    post->state = OPENING;
    post->session = session;
    session->carrier = post;
    session->brief = session->deaf = true;
    proto->open(session, http_request(http));
    if (post->state != OPENING) {
        return;
    }
    switch (session_take_place(session, LIMITS_ADDRESS, http_request(http)->peer, &post->place,
                               on_placed, post)) {
    case LIMITS_YES:
        open_session(post);
        break;
    case LIMITS_NO:
        refuse_place(post);
        break;
    case LIMITS_LATER:
        break;
    }
}
