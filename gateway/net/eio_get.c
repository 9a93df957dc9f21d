/* One GET of a polling session: fetches what its client is to be told.
 *
 *     CLAIMING --ours--> READING --loaded--> WAITING --something to tell--> TAKING --> answered
 *        | held            ^  ^---woken, another version----+---------------+
 *        v                 |
 *     LISTENING (30 ms) --> KNOCKING --nobody there: claim it over--^
 *
 * While it waits it is a session like any other: it listens to the channels of its protocol,
 * and what it is told is the body of the answer. What a POST brings is queued in Redis, and
 * wakes us. Another GET at the same time ends the session, unless it took over from a process
 * that is dead. */
#include <stddef.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/net/eio_core.h"
#include "gateway/poll.h"

enum {
    KNOCK_MS = 30,    /* a dead process's subscriptions are gone by then */
    PROBING_MS = 100, /* how long a GET is held while its client moves to a websocket */
    RETRY_MS = 100,   /* Redis is away */
    T_MAX = 64        /* bytes of a request's `t` that count */
};

enum state {
    CLAIMING,
    LISTENING,
    KNOCKING,
    READING,
    WAITING,
    TAKING,
    ENDING
};

struct eio_get {
    struct http *http; /* borrowed; NULL once answered */
    struct net *net;
    const struct proto *proto;
    struct poll poll;
    struct hub_sub sub;
    struct session *session; /* owned; NULL until it is loaded */
    struct net_later later;
    struct buf out;     /* the body */
    struct buf version; /* of the state that was loaded */
    struct buf instead; /* the claim of a process that is dead */
    struct str words;   /* for the answer when the session ends */
    char t[T_MAX];
    uint8_t t_len;
    enum state state;
    bool listening;      /* the channel is live */
    bool stale;          /* something changed while it was read */
    bool ping;           /* the body begins with a ping */
    bool let_go;         /* answer, even with nothing to tell */
    size_t items;        /* of the queue, that stand in the body */
    uint64_t give_up_ms; /* Redis trouble: 503; 0 while waiting */
    uint64_t due_ms;     /* a ping, or the end */
    uint64_t hold_ms;    /* the end of what PROBING_MS allows; 0 = not probing */
    uint64_t wake_ms;    /* what the protocol asked for */
};

static uint64_t now_ms(const struct eio_get *get)
{
    return uv_now(get->net->loop);
}

static void read_session(struct eio_get *get);
static void claim(struct eio_get *get);

/* ---- the end ---- */

static void destroy(struct eio_get *get)
{
    net_not_later(get->net, &get->later);
    hub_leave(get->net->services->hub, &get->sub);
    poll_finish(&get->poll);
    session_destroy(get->session);
    buf_finish(&get->out);
    buf_finish(&get->version);
    buf_finish(&get->instead);
    mem_free(get);
}

static void refuse(struct eio_get *get, enum eio_error error)
{
    eio_refuse(get->http, error);
    destroy(get);
}

static void answer(struct eio_get *get, struct str body)
{
    eio_answer(get->http, body);
    destroy(get);
}

/* Whose session a websocket has taken meanwhile hears nothing from it. */
static void end_with(struct eio_get *get, struct str words)
{
    if (words.len > 0) {
        answer(get, words);
    } else {
        refuse(get, EIO_ERROR_REQUEST);
    }
}

static void unavailable(struct eio_get *get)
{
    eio_unavailable(get->http);
    destroy(get);
}

/* ---- time ---- */

static void schedule(struct eio_get *get)
{
    uint64_t now = now_ms(get), due = get->give_up_ms;

    if (get->state == WAITING) {
        due = get->due_ms < get->wake_ms ? get->due_ms : get->wake_ms;
        due = get->hold_ms != 0 && get->hold_ms < due ? get->hold_ms : due;
    }
    conn_deadline(http_conn(get->http), due > now ? due - now : 0);
}

static void enter(struct eio_get *get, enum state state)
{
    get->state = state;
    if (state == WAITING) {
        get->give_up_ms = 0;
    } else if (get->give_up_ms == 0) {
        get->give_up_ms = now_ms(get) + get->net->services->config->connect_timeout_ms;
    }
    schedule(get);
}

/* ---- the answer ---- */

static void on_taken(void *owner, const struct poll_found *found)
{
    struct eio_get *get = owner;

    switch (found->word) {
    case POLL_OK:
        answer(get, get->out.len > 0 ? buf_str(&get->out) : STR("6"));
        break;
    case POLL_CHANGED:
        read_session(get);
        break;
    case POLL_AWAY:
    case POLL_NEWER:
        unavailable(get);
        break;
    default:
        refuse(get, EIO_ERROR_SESSION);
        break;
    }
}

/* All that this turn had to tell is in the body. */
static void take(struct net_later *later)
{
    struct eio_get *get = (struct eio_get *)((char *)later - offsetof(struct eio_get, later));
    struct buf marks = {0};

    if (get->state != WAITING) {
        return;
    }
    enter(get, TAKING);
    get->proto->marks(get->session, &marks);
    poll_take(&get->poll, buf_str(&get->version), str_from(get->t, get->t_len), buf_str(&marks),
              get->items, get->ping, get->out.len, on_taken);
    buf_finish(&marks);
}

static void look_for_end(struct eio_get *get)
{
    if (get->state == WAITING && get->session->pending == 0 &&
        (get->out.len > 0 || get->let_go)) {
        net_later(get->net, &get->later);
    }
}

/* ---- the session ends ---- */

static void on_closed(void *owner, const struct poll_found *found)
{
    struct eio_get *get = owner;

    (void)found; /* gone is gone, whoever did it */
    answer(get, buf_str(&get->out));
}

/* A client that was told something last acts on it only when the transport's end is not told
 * with it: that waits for its next GET. */
static void end_session(struct eio_get *get, enum reason reason)
{
    bool told = get->out.len > 0;

    if (!told) {
        eio_add_text(&get->out, STR("1"));
    }
    enter(get, ENDING);
    poll_finish(&get->poll);
    eio_close(get->http, &get->poll, get->session, reason, true, STR("1"), told, on_closed);
}

/* ---- what the session may ask for ---- */

static bool carry_send(void *carrier, struct msg *msg)
{
    struct eio_get *get = carrier;

    if (get->state == TAKING ||
        !eio_add_msg(&get->out, msg, get->net->services->config->max_batch)) {
        return false;
    }
    look_for_end(get);
    return true;
}

static void carry_wake(void *carrier, uint64_t in_ms)
{
    struct eio_get *get = carrier;

    get->wake_ms = now_ms(get) + in_ms;
    schedule(get);
}

static void carry_settled(void *carrier)
{
    look_for_end(carrier);
}

/* Without Redis nothing ends: the session is loaded again when it is back. */
static void carry_close(void *carrier, enum reason reason)
{
    struct eio_get *get = carrier;

    if (reason == REASON_UNAVAILABLE) {
        buf_clear(&get->version);
        enter(get, READING);
        conn_deadline(http_conn(get->http), RETRY_MS);
    } else {
        end_session(get, reason);
    }
}

static const struct transport transport = {
    .metric = METRICS_TRANSPORT_POLLING,
    .accept = eio_carry_nothing,
    .refuse = eio_carry_refuse,
    .send = carry_send,
    .trim = eio_carry_nothing,
    .pause = eio_carry_pause,
    .wake = carry_wake,
    .settled = carry_settled,
    .close = carry_close,
};

/* ---- reading ---- */

static void add_queue(struct eio_get *get, const struct poll_found *found)
{
    for (size_t i = get->items; poll_item(found, i).at != NULL; i++) {
        struct str item = poll_item(found, i);
        struct buf stamped = {0};

        if (!eio_fits(&get->out, item.len, get->net->services->config->max_batch)) {
            break;
        }
        if (get->proto->stamp != NULL) {
            get->proto->stamp(get->session, item, &stamped);
            item = buf_str(&stamped);
        }
        eio_add_text(&get->out, item);
        get->items++;
        buf_finish(&stamped);
    }
}

/* The session anew, as another request left it. False: what was kept of it can't be read. */
static bool load_session(struct eio_get *get, const struct poll_found *found)
{
    struct session *before = get->session;

    buf_clear(&get->out);
    get->items = 0;
    get->ping = false;
    get->wake_ms = UINT64_MAX;
    buf_clear(&get->version);
    buf_add(&get->version, found->version);
    get->session = session_create(get->net->services, get->proto, &transport, get, NULL);
    get->session->brief = true;
    session_adopt(get->session, poll_sid(&get->poll));
    session_keep_place(get->session, LIMITS_ADDRESS, http_request(get->http)->peer);
    if (!get->proto->load(get->session, found->saved, found->marks)) {
        session_destroy(before);
        return false;
    }
    session_destroy(
        before); /* after the new one listens: no channel is left and joined again */
    return true;
}

static void use(struct eio_get *get, const struct poll_found *found)
{
    uint64_t now = now_ms(get);

    get->due_ms = now + found->wait_ms;
    get->hold_ms = found->probing ? now + PROBING_MS : 0;
    if (get->session == NULL || !str_equal(found->version, buf_str(&get->version))) {
        enter(get, READING); /* what it says at once is no end yet */
        if (!load_session(get, found)) {
            end_session(get, REASON_INTERNAL);
            return;
        }
    }
    if (get->state == ENDING) {
        return;
    }
    add_queue(get, found);
    if (found->ping && !get->ping) {
        get->ping = true;
        eio_add_text(&get->out, STR("2"));
    }
    enter(get, WAITING);
    if (get->stale) {
        read_session(get);
    } else {
        look_for_end(get);
    }
}

/* While a GET waits, the end comes by its own clock as well. */
static void expire(struct eio_get *get)
{
    if (get->session != NULL && get->session->state == SESSION_OPEN) {
        session_close(get->session, REASON_HEARTBEAT);
    } else {
        refuse(get, EIO_ERROR_SESSION);
    }
}

static void on_read(void *owner, const struct poll_found *found)
{
    struct eio_get *get = owner;

    switch (found->word) {
    case POLL_OK:
        use(get, found);
        break;
    case POLL_CLOSED:
        end_with(get, found->words);
        break;
    case POLL_AWAY:
        conn_deadline(http_conn(get->http), RETRY_MS);
        break;
    case POLL_NEWER:
        unavailable(get);
        break;
    case POLL_HELD: /* another GET tells the client, from where this one began: so nothing here
                     */
        refuse(get, EIO_ERROR_SESSION);
        break;
    default:
        expire(get);
        break;
    }
}

static void read_session(struct eio_get *get)
{
    get->stale = false;
    enter(get, READING);
    poll_read(&get->poll, get->net->services->config->max_batch, on_read);
}

/* ---- claiming ---- */

/* Held by a process that does not answer any more, or by none: it is ours. */
static void on_knocked(void *owner, const struct poll_found *found)
{
    struct eio_get *get = owner;

    if (found->word == POLL_OK && found->listeners <= 1) {
        claim(get);
    } else if (found->word == POLL_OK) {
        enter(get, ENDING);
        eio_close(get->http, &get->poll, get->session, REASON_PROTOCOL, false, STR("1"), false,
                  NULL);
        refuse(get, EIO_ERROR_REQUEST);
    } else {
        unavailable(get);
    }
}

static void knock(struct eio_get *get)
{
    enter(get, KNOCKING);
    poll_knock(&get->poll, on_knocked);
}

/* One GET at a time: the first is told so, and the session is over. A claim of ours that nobody
 * here listens for was left behind when Redis was away. */
static void on_held(struct eio_get *get, struct str holder)
{
    buf_clear(&get->instead);
    buf_add(&get->instead, holder);
    if (!poll_is_ours(holder)) {
        enter(get, LISTENING);
        if (get->listening) {
            conn_deadline(http_conn(get->http), KNOCK_MS);
        }
    } else if (hub_is_alone(&get->sub)) {
        claim(get);
    } else {
        enter(get, ENDING);
        eio_close(get->http, &get->poll, get->session, REASON_PROTOCOL, false, STR("1"), false,
                  NULL);
        refuse(get, EIO_ERROR_REQUEST);
    }
}

static void on_claimed(void *owner, const struct poll_found *found)
{
    struct eio_get *get = owner;

    switch (found->word) {
    case POLL_OK:
        if (get->listening) {
            read_session(get);
        } else {
            enter(get, READING); /* as soon as the channel is live */
        }
        break;
    case POLL_HELD:
        on_held(get, found->words);
        break;
    case POLL_CLOSED:
        end_with(get, found->words);
        break;
    case POLL_AWAY:
        conn_deadline(http_conn(get->http), RETRY_MS);
        break;
    case POLL_NEWER:
        unavailable(get);
        break;
    default:
        refuse(get, found->word == POLL_WRONG ? EIO_ERROR_REQUEST : EIO_ERROR_SESSION);
        break;
    }
}

static void claim(struct eio_get *get)
{
    enter(get, CLAIMING);
    poll_claim(&get->poll, buf_str(&get->instead), str_from(get->t, get->t_len), on_claimed);
}

/* ---- the channel ---- */

/* Also called again when Redis was away. */
static void on_ready(struct hub_sub *sub)
{
    struct eio_get *get = (struct eio_get *)((char *)sub - offsetof(struct eio_get, sub));

    get->listening = true;
    if (get->state == LISTENING) {
        conn_deadline(http_conn(get->http), KNOCK_MS);
    } else if ((get->state == READING && get->poll.calls.count == 0) || get->state == WAITING) {
        read_session(get);
    }
}

static void on_woken(struct eio_get *get)
{
    if (get->state == WAITING) {
        read_session(get);
    } else {
        get->stale = true;
    }
}

static void on_told(struct hub_sub *sub, struct msg *msg)
{
    struct eio_get *get = (struct eio_get *)((char *)sub - offsetof(struct eio_get, sub));

    switch (msg->kind) {
    case 'w': /* a POST left something */
    case 'u': /* the client wants to move */
    case MSG_MISSED:
        on_woken(get);
        break;
    case 'x': /* the session is over */
        if (get->state != CLAIMING && get->state != LISTENING && get->state != KNOCKING &&
            get->state != ENDING) {
            end_with(get, msg_other(msg));
        }
        break;
    default:
        break;
    }
}

static const struct hub_listener listener = {on_ready, on_told};

/* ---- the request ---- */

/* The client left: the session is closed, as the official server does it. */
static void on_gone(void *owner)
{
    struct eio_get *get = owner;

    poll_finish(&get->poll);
    eio_close(get->http, &get->poll, get->session, REASON_PEER_LOST, true, STR(""), false,
              NULL);
    if (get->session != NULL) {
        get->session->brief = false;
    }
    destroy(get);
}

static void on_waited(struct eio_get *get, uint64_t now)
{
    if (now >= get->wake_ms) {
        get->wake_ms = UINT64_MAX;
        session_woken(get->session);
        if (get->state != WAITING) {
            return;
        }
    }
    if (get->hold_ms != 0 && now >= get->hold_ms) {
        get->let_go = true;
        get->hold_ms = 0;
        look_for_end(get);
    }
    if (now >= get->due_ms) {
        read_session(get); /* Redis's clock decides */
    } else {
        schedule(get);
    }
}

static void on_late(void *owner)
{
    struct eio_get *get = owner;
    uint64_t now = now_ms(get);
    bool idle = get->poll.calls.count == 0;

    if (get->state == WAITING) {
        on_waited(get, now);
    } else if (get->state == LISTENING && get->listening) {
        knock(get);
    } else if (now >= get->give_up_ms) {
        unavailable(get);
    } else if (get->state == CLAIMING && idle) {
        claim(get);
    } else if (get->state == READING && idle && get->listening) {
        read_session(get);
    } else {
        schedule(get);
    }
}

/* The process ends: the client is let go, and its session left alone. */
static void on_restart(void *owner)
{
    struct eio_get *get = owner;

    get->let_go = true;
    if (get->session != NULL) {
        look_for_end(get);
    }
}

static const struct http_watcher watcher = {
    .gone = on_gone, .late = on_late, .restart = on_restart};

void eio_get(struct http *http, const struct proto *proto, struct str sid)
{
    struct net *net = http_conn(http)->net;
    struct str t = request_query(http_request(http), STR("t"));
    struct eio_get *get = mem_zero(sizeof(*get));
    struct key_name channel;

    get->http = http;
    get->net = net;
    get->proto = proto;
    get->later.run = take;
    get->wake_ms = UINT64_MAX;
    get->t_len = (uint8_t)(t.len < T_MAX ? t.len : 0);
    if (get->t_len > 0) {
        memcpy(get->t, t.at, get->t_len);
    }
    poll_init(&get->poll, net->services, proto->name, sid, get);
    http_watch(http, &watcher, get);
    get->listening =
        hub_join(net->services->hub, &get->sub, &listener, poll_channel(&get->poll, &channel));
    claim(get);
}
