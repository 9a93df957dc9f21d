/* One TCP connection: bytes in, messages out, a deadline, one death. */
#include "gateway/net/conn.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "gateway/net/out.h"

enum {
    WRITE_PARTS = 64,              /* messages per system call */
    PART_MS = 1000,                /* how long a peer may take to say farewell */
    LINGER_MS = 2000,              /* how long it may take to close after us */
    LINGER_BYTES = 8 * 1024 * 1024 /* ... and how much of what it still sends is thrown away */
};

static struct conn *conn_of(const uv_handle_t *handle)
{
    return (struct conn *)handle->data;
}

static void want_flush(struct conn *conn)
{
    if (!conn->dirty) {
        conn->dirty = true;
        conn->dirty_next = conn->net->dirty;
        conn->net->dirty = conn;
    }
}

/* ---- death ---- */

static void tell_end(struct conn *conn)
{
    struct metrics *metrics = conn->net->services->metrics;
    char peer[INET6_ADDRSTRLEN];
    struct ending ending = {
        .event = "connection closed",
        .transport = METRICS_TRANSPORT_HTTP,
        .reason = conn->reason,
        .age_ms = uv_now(conn->net->loop) - conn->opened_ms,
        .bytes_in = conn->bytes_in,
        .bytes_out = conn->bytes_out,
    };

    if (conn->layer->about != NULL) {
        conn->layer->about(conn->upper, &ending);
    }
    conn_peer_text(conn, peer);
    ending.peer = str_of(peer);
    ending_log(&ending);
    if (conn->admin) {
        return;
    }
    metrics->closed[ending.transport][ending.reason]++;
    if (ending.transport == METRICS_TRANSPORT_WEBSOCKET) {
        metrics_observe_age(&metrics->age, ending.age_ms);
    }
}

/* Only a connection that was dirtied by another's end can still stand in the list when it dies.
 */
static void forget_flush(struct conn *conn)
{
    struct conn **at = &conn->net->dirty;

    while (conn->dirty && *at != NULL) {
        if (*at == conn) {
            *at = conn->dirty_next;
            conn->dirty = false;
        } else {
            at = &(*at)->dirty_next;
        }
    }
}

/* The one place where a connection's memory ends. */
static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = conn_of(handle);
    struct net *net = conn->net;

    if (conn->layer != NULL) {
        tell_end(conn);
        conn->layer->closed(conn->upper, conn->reason);
    }
    net_forget(net, conn);
    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        net->conns = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    forget_flush(conn);
    out_give_back(net, conn->out);
    mem_free(conn);
}

void conn_cut(struct conn *conn, enum reason reason)
{
    if (conn->state == CONN_CLOSED) {
        return;
    }
    if (conn->state == CONN_OPEN) {
        conn->reason = reason;
    }
    conn->state = CONN_CLOSED;
    wheel_clear(&conn->net->wheel, &conn->timer);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

void conn_end(struct conn *conn, enum reason reason)
{
    if (conn->state != CONN_OPEN) {
        return;
    }
    conn->state = CONN_ENDING;
    conn->reason = reason;
    if (!conn->peer_done && !conn_start(conn)) {
        conn_cut(conn, reason);
        return;
    }
    /* What is queued has as long as a request has; the linger begins when it is gone. */
    wheel_set(&conn->net->wheel, &conn->timer, conn->net->services->config->connect_timeout_ms);
    want_flush(conn);
}

void conn_part(struct conn *conn, enum reason reason)
{
    if (conn->state == CONN_OPEN) {
        conn->waits = true;
        conn_end(conn, reason);
    }
}

void conn_parted(struct conn *conn)
{
    if (conn->waits) {
        conn->waits = false;
        want_flush(conn);
    }
}

/* ---- in ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    *buf = uv_buf_init(conn_of(handle)->net->read_buffer, NET_READ_MAX);
}

/* A peer that is done sending may still want to hear what is queued. */
static void read_ended(struct conn *conn, bool orderly)
{
    uv_read_stop((uv_stream_t *)&conn->tcp);
    conn->peer_done = true;
    if (!orderly) {
        conn_cut(conn, REASON_PEER_LOST);
    } else if (conn->state == CONN_OPEN) {
        conn->layer->eof(conn->upper);
    } else if (conn->out == NULL || conn->out->count == 0) {
        conn_cut(conn, conn->reason);
    }
}

/* A message that is refused with its first byte may be on its way already, and who is cut then
 * does not learn why. */
static uint64_t linger_bytes(const struct conn *conn)
{
    uint64_t message = 2 * conn->net->services->config->max_message;

    return message > LINGER_BYTES ? message : LINGER_BYTES;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct conn *conn = conn_of((uv_handle_t *)stream);

    if (count == 0) {
        return;
    }
    if (count < 0) {
        read_ended(conn, count == UV_EOF);
        return;
    }
    conn->bytes_in += (uint64_t)count;
    conn->net->services->metrics->bytes_received += conn->admin ? 0 : (uint64_t)count;
    if (conn->state == CONN_OPEN) {
        conn->layer->data(conn->upper, str_from(buf->base, (size_t)count));
        return;
    }
    conn->wasted += (uint32_t)count;
    if (conn->wasted > linger_bytes(conn)) {
        conn_cut(conn, conn->reason);
    } else if (conn->waits) {
        conn->layer->parting(conn->upper, str_from(buf->base, (size_t)count));
    }
}

bool conn_start(struct conn *conn)
{
    int error = uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);

    conn->paused = false;
    return error == 0 || error == UV_EALREADY;
}

void conn_pause(struct conn *conn, bool paused)
{
    if (conn->state != CONN_OPEN || conn->paused == paused) {
        return;
    }
    if (paused) {
        uv_read_stop((uv_stream_t *)&conn->tcp);
        conn->paused = true;
    } else if (!conn_start(conn)) {
        conn_cut(conn, REASON_PEER_LOST);
    }
}

/* ---- out ---- */

static struct conn_out *out_of(struct conn *conn)
{
    if (conn->out == NULL) {
        conn->out = out_take(conn->net);
    }
    want_flush(conn);
    return conn->out;
}

bool conn_send(struct conn *conn, struct msg *msg)
{
    size_t waiting = conn->out != NULL ? conn->out->bytes : 0;

    if (conn->state != CONN_OPEN) {
        return true;
    }
    if (waiting + msg->len > conn->net->services->config->max_queue && waiting > 0) {
        conn->out->was_full = true;
        return false;
    }
    out_push(out_of(conn), msg);
    return true;
}

void conn_send_anyway(struct conn *conn, struct msg *msg)
{
    if (conn->state == CONN_OPEN) {
        out_push(out_of(conn), msg);
    }
}

void conn_say_anyway(struct conn *conn, struct str bytes)
{
    struct msg *msg = msg_raw(bytes);

    conn_send_anyway(conn, msg);
    msg_unref(msg);
}

bool conn_is_full(struct conn *conn)
{
    if (conn->out == NULL || conn->out->bytes <= conn->net->services->config->max_queue) {
        return false;
    }
    conn->out->was_full = true;
    return true;
}

void conn_trim(struct conn *conn)
{
    if (conn->out != NULL) {
        out_trim(conn->out);
    }
}

static void advance(struct conn *conn, size_t bytes)
{
    conn->bytes_out += bytes;
    conn->net->services->metrics->bytes_sent += conn->admin ? 0 : bytes;
    out_advance(conn->out, bytes);
}

static void on_written(uv_write_t *write, int status)
{
    struct conn *conn = conn_of((uv_handle_t *)write->handle);
    struct conn_out *out = conn->out;

    out->writing = false;
    if (conn->state == CONN_CLOSED) {
        return;
    }
    if (status != 0) {
        conn_cut(conn, REASON_PEER_LOST);
        return;
    }
    advance(conn, out->msgs[out->first]->len - out->sent);
    out_of(conn); /* the rest leaves at the end of the turn */
}

/* The kernel takes no more: libuv says when the first message is gone. */
static void write_first(struct conn *conn)
{
    struct conn_out *out = conn->out;
    uv_buf_t part = out_part(out, 0);

    if (uv_write(&out->write, (uv_stream_t *)&conn->tcp, &part, 1, on_written) != 0) {
        conn_cut(conn, REASON_PEER_LOST);
        return;
    }
    out->writing = true;
}

static void on_shut(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown;
    (void)status; /* either the peer's FIN or the deadline ends it */
}

/* Our FIN, once; then the peer has a moment for its own. */
static void shut(struct conn *conn, struct conn_out *out)
{
    if (out->shut) {
        return;
    }
    out->shut = true;
    if (uv_shutdown(&out->shutdown, (uv_stream_t *)&conn->tcp, on_shut) != 0) {
        conn_cut(conn, conn->reason);
        return;
    }
    wheel_set(&conn->net->wheel, &conn->timer, LINGER_MS);
}

/* The queue is empty. */
static void settle(struct conn *conn)
{
    struct conn_out *out = conn->out;

    if (conn->state == CONN_ENDING && conn->peer_done) {
        conn_cut(conn, conn->reason);
        return;
    }
    if (conn->state == CONN_ENDING && conn->waits) {
        wheel_set(&conn->net->wheel, &conn->timer, PART_MS);
        return;
    }
    if (conn->state == CONN_ENDING) {
        if (out == NULL) {
            out = conn->out = out_take(conn->net);
        }
        shut(conn, out);
    } else if (out != NULL) {
        bool was_full = out->was_full;

        out_give_back(conn->net, out);
        conn->out = NULL;
        if (was_full && conn->layer->drained != NULL) {
            conn->layer->drained(conn->upper);
        }
    }
}

void conn_flush(struct conn *conn)
{
    uv_buf_t parts[WRITE_PARTS];
    struct conn_out *out = conn->out;

    if (conn->state == CONN_CLOSED || (out != NULL && out->writing)) {
        return;
    }
    while (out != NULL && out->count > 0) {
        unsigned count = 0;
        int written;

        while (count < WRITE_PARTS && count < out->count) {
            parts[count] = out_part(out, count);
            count++;
        }
        written = uv_try_write((uv_stream_t *)&conn->tcp, parts, count);
        if (written == UV_EAGAIN) {
            write_first(conn);
            return;
        }
        if (written < 0) {
            conn_cut(conn, REASON_PEER_LOST);
            return;
        }
        advance(conn, (size_t)written);
    }
    settle(conn);
}

/* ---- time ---- */

/* Whoever is not told yet that it ends may still ask: the end has a time of its own, and what
 * is closed must not stand in the wheel when its memory goes. */
void conn_deadline(struct conn *conn, uint64_t in_ms)
{
    if (conn->state == CONN_OPEN) {
        wheel_set(&conn->net->wheel, &conn->timer, in_ms);
    }
}

void conn_timer_fired(struct wheel_timer *timer)
{
    struct conn *conn = (struct conn *)((char *)timer - offsetof(struct conn, timer));

    if (conn->state == CONN_OPEN) {
        conn->layer->timeout(conn->upper);
    } else if (conn->waits && (conn->out == NULL || conn->out->count == 0)) {
        conn_parted(conn);
    } else {
        conn_cut(conn, conn->reason);
    }
}

/* ---- birth ---- */

static void read_peer(struct conn *conn)
{
    struct sockaddr_storage address;
    int length = sizeof(address);

    if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&address, &length) != 0) {
        return;
    }
    if (address.ss_family == AF_INET6) {
        conn->peer = ((struct sockaddr_in6 *)&address)->sin6_addr;
    } else {
        conn->peer.s6_addr[10] = conn->peer.s6_addr[11] = 0xff;
        memcpy(&conn->peer.s6_addr[12], &((struct sockaddr_in *)&address)->sin_addr, 4);
    }
}

static struct conn *create(struct net *net, bool admin)
{
    struct conn *conn = mem_zero(sizeof(*conn));

    conn->net = net;
    conn->admin = admin;
    conn->opened_ms = uv_now(net->loop);
    conn->tcp.data = conn;
    uv_tcp_init(net->loop, &conn->tcp);
    conn->next = net->conns;
    if (net->conns != NULL) {
        net->conns->prev = conn;
    } else {
        net->eldest = conn;
    }
    net->conns = conn;
    return conn;
}

static struct conn *begin(struct conn *conn, int error)
{
    if (error != 0) {
        conn_cut(conn, REASON_PEER_LOST);
        return NULL;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    read_peer(conn);
    return conn;
}

struct conn *conn_accept(struct net *net, uv_stream_t *listener, bool admin)
{
    struct conn *conn = create(net, admin);

    return begin(conn, uv_accept(listener, (uv_stream_t *)&conn->tcp));
}

struct conn *conn_adopt(struct net *net, int fd)
{
    struct conn *conn = create(net, false);
    int error = uv_tcp_open(&conn->tcp, fd);

    if (error != 0) {
        close(fd);
    }
    return begin(conn, error);
}

void conn_peer_text(const struct conn *conn, char to[INET6_ADDRSTRLEN])
{
    if (IN6_IS_ADDR_V4MAPPED(&conn->peer)) {
        inet_ntop(AF_INET, &conn->peer.s6_addr[12], to, INET6_ADDRSTRLEN);
    } else {
        inet_ntop(AF_INET6, &conn->peer, to, INET6_ADDRSTRLEN);
    }
}
