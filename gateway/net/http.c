/* HTTP/1.1 on a connection: bytes to requests (llhttp), answers back, one at a time and in
 * order. */
#include "gateway/net/http_core.h"

#include "common/codec.h"
#include "common/mem.h"
#include "gateway/net/cors.h"
#include "gateway/net/refusal.h"

static void run(struct http *http, struct str bytes);

/* ---- answering ---- */

/* To the next request, which may be here already. */
static void go_on(struct http *http)
{
    http->state = HTTP_READING;
    conn_pause(http->conn, false);
    if (!http->running && http->stash.len > 0) {
        struct buf stash = http->stash;

        http->stash = (struct buf){0};
        run(http, buf_str(&stash));
        buf_finish(&stash);
    }
}

static void finish_request(struct http *http, bool close)
{
    if (close) {
        http->state = HTTP_GONE;
        conn_end(http->conn, REASON_HTTP_DONE);
        return;
    }
    http_begin(http);
    http->state = HTTP_READING;
    http->served = true;
    conn_deadline(http->conn, http->conn->net->services->config->connect_timeout_ms);
    if (conn_is_full(http->conn)) {
        http->state = HTTP_FULL;
    } else {
        go_on(http);
    }
}

void http_watch(struct http *http, const struct http_watcher *watcher, void *owner)
{
    http->watcher = watcher;
    http->watching = owner;
}

static bool tell_gone(struct http *http)
{
    const struct http_watcher *watcher = http->watcher;

    http->watcher = NULL;
    if (watcher == NULL) {
        return false;
    }
    watcher->gone(http->watching);
    return true;
}

void http_answer(struct http *http, const struct answer *answer)
{
    bool close = answer->close || !http->keep_alive || http->conn->net->draining ||
                 http->conn->peer_done;
    struct answer whole = *answer;
    struct buf bytes = {0}, extra = {0};
    struct msg *msg;

    http->watcher = NULL;
    buf_add(&extra, answer->extra);
    if (http->route.cors) {
        cors_add(http->conn->net->services->config, &http->request, &extra);
    }
    whole.extra = buf_str(&extra);
    answer_write(&bytes, &whole, close, !str_equal(http->request.method, STR("HEAD")));
    msg = msg_raw(buf_str(&bytes));
    conn_send_anyway(http->conn, msg);
    msg_unref(msg);
    buf_finish(&bytes);
    buf_finish(&extra);
    finish_request(http, close);
}

void http_refuse(struct http *http, enum err err, const char *why)
{
    struct buf body = {0};
    struct answer answer;
    struct buf lines = {0};

    refusal_note(http->conn, &http->request, err, why);
    answer_refusal(err, why, &body, &answer);
    answer.close = !http->complete;
    if (err == ERR_METHOD) {
        route_add_allow(&http->route, &lines);
        answer.extra = buf_str(&lines);
    }
    if (err == ERR_CROWDED) {
        answer_add_retry(net_give_place(http->conn->net), &lines);
        answer.extra = buf_str(&lines);
    }
    if (err == ERR_TOO_LARGE && http->route.bare) {
        answer.type = answer.body = str_from("", 0);
    }
    http_answer(http, &answer);
    buf_finish(&body);
    buf_finish(&lines);
}

/* ---- the layer ---- */

/* The request can't be read to its end: say why and go. Who is not let in does not hear that
 * his body is too large. */
static void give_up(struct http *http, enum err err)
{
    const char *why = NULL;
    enum err barred = err == ERR_TOO_LARGE ? route_admit(http, &http->route, &why) : ERR_OK;

    http->keep_alive = false;
    http_refuse(http, barred != ERR_OK ? barred : err, why);
}

/* Whether the handler wants to hear at once that its client leaves. */
static bool is_watched(const struct http *http)
{
    return http->watcher != NULL && !http->watcher->patient;
}

static void serve(struct http *http)
{
    http->request.body = buf_str(&http->body);
    if (http->refusal == ERR_OK && http->body_len > http->route.body_max) {
        http->complete = false; /* the rest of what it had to say does not matter */
        give_up(http, ERR_TOO_LARGE);
        return;
    }
    http->state = HTTP_ANSWERING;
    conn_deadline(http->conn, http->conn->net->services->config->connect_timeout_ms);
    if (http->refusal != ERR_OK) {
        http_refuse(http, http->refusal, NULL);
    } else if (codec_unpercent(http->route.param, false, &http->param) != ERR_OK) {
        http_refuse(http, ERR_BAD_REQUEST, "the path has a bad escape");
    } else {
        http->request.param = buf_str(&http->param);
        route_serve(http, &http->route);
    }
}

/* Whoever is watched is read, to see him leave, but not for ever more requests. */
static void wait_for_answer(struct http *http)
{
    conn_pause(http->conn, !is_watched(http) || http->stash.len > HTTP_HEAD_MAX);
}

/* Requests one after the other. A handler may answer at once, later, or hand the connection to
 * another layer (then `http` is gone), so nothing of `http` is touched before the connection
 * says that it is still ours. */
static void run(struct http *http, struct str bytes)
{
    struct conn *conn = http->conn;

    http->running = true;
    while (bytes.len > 0 && conn->state == CONN_OPEN) {
        size_t used;
        enum err err = http_parse(http, bytes, &used);

        bytes = str_skip(bytes, used);
        if (err != ERR_OK) {
            give_up(http, err);
        }
        if (!http->complete) {
            continue;
        }
        buf_clear(&http->stash);
        buf_add(&http->stash, bytes);
        serve(http);
        if (conn->upper != http) {
            return;
        }
        if (conn->told) {
            conn->layer->restart(http);
        }
        if (http->state != HTTP_READING) {
            wait_for_answer(http);
            break;
        }
        buf_clear(&http->stash);
    }
    http->running = false;
}

static void on_data(void *upper, struct str bytes)
{
    struct http *http = upper;

    if (http->state == HTTP_READING) {
        run(http, bytes);
        return;
    }
    buf_add(&http->stash, bytes);
    if (http->stash.len > HTTP_HEAD_MAX) {
        conn_pause(http->conn, true);
    }
}

static void on_eof(void *upper)
{
    struct http *http = upper;

    if (http->state == HTTP_ANSWERING && (!is_watched(http) || !tell_gone(http))) {
        return; /* http_answer sees peer_done and ends the connection after the answer */
    }
    http->state = HTTP_GONE;
    conn_end(http->conn, http->started ? REASON_PEER_LOST : REASON_HTTP_DONE);
}

static void on_timeout(void *upper)
{
    struct http *http = upper;

    if (http->state == HTTP_ANSWERING && http->watcher != NULL && http->watcher->late != NULL) {
        http->watcher->late(http->watching);
    } else if (http->state == HTTP_ANSWERING) {
        tell_gone(http);
        http->keep_alive = false;
        http_refuse(http, ERR_UNAVAILABLE, NULL);
    } else if (http->started) {
        give_up(http, ERR_TIMEOUT);
    } else {
        conn_end(http->conn, REASON_TIMEOUT);
    }
}

static void on_drained(void *upper)
{
    struct http *http = upper;

    if (http->state == HTTP_FULL) {
        go_on(http);
    }
}

static void on_restart(void *upper)
{
    struct http *http = upper;

    if (http->state == HTTP_ANSWERING && http->watcher != NULL &&
        http->watcher->restart != NULL) {
        http->watcher->restart(http->watching);
    } else if (http->state == HTTP_READING && !http->started) {
        conn_end(http->conn, REASON_HTTP_DONE);
    }
}

static void destroy(struct http *http)
{
    http_finish_request(http);
    buf_finish(&http->head);
    buf_finish(&http->stash);
    buf_finish(&http->param);
    mem_free(http);
}

static void on_closed(void *upper, enum reason reason)
{
    (void)reason;
    tell_gone(upper);
    destroy(upper);
}

static const struct conn_layer layer = {
    .data = on_data,
    .eof = on_eof,
    .timeout = on_timeout,
    .drained = on_drained,
    .restart = on_restart,
    .closed = on_closed,
};

void http_attach(struct conn *conn)
{
    struct http *http = mem_zero(sizeof(*http));

    http->conn = conn;
    conn->layer = &layer;
    conn->upper = http;
    http_begin(http);
    conn_deadline(conn, conn->net->services->config->connect_timeout_ms);
}

struct conn *http_detach(struct http *http, struct buf *early)
{
    struct conn *conn = http->conn;

    buf_add(early, buf_str(&http->stash));
    conn->upper = NULL;
    destroy(http);
    return conn;
}

const struct request *http_request(const struct http *http)
{
    return &http->request;
}

struct conn *http_conn(const struct http *http)
{
    return http->conn;
}
