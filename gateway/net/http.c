/* HTTP/1.1 on a connection: bytes to requests (llhttp), answers back, one at a time and in
 * order. */
#include "gateway/net/http.h"

#include <llhttp.h>
#include <string.h>

#include "common/codec.h"
#include "common/mem.h"
#include "gateway/net/cors.h"
#include "gateway/net/lines.h"
#include "gateway/net/peer.h"
#include "gateway/net/refusal.h"
#include "gateway/net/route.h"

enum {
    HEAD_MAX = 8192,
    BODY_GRACE = 65536 /* a body of a request that will be refused is read up to here, so that
                          the connection can go on */
};

enum state {
    READING,
    ANSWERING,
    FULL, /* answered; the peer has to read before it is asked for more */
    GONE
};

/* Where a header stands in `head`; a head is at most 8 KiB. */
struct span {
    uint16_t name_at, name_len, value_at, value_len;
};

struct http {
    struct conn *conn; /* borrowed: it owns us */
    llhttp_t parser;
    enum state state;
    struct lines lines;
    bool started;   /* bytes of a request came */
    bool past_head; /* its head is complete */
    bool complete;  /* ... and all of it */
    bool keep_alive;
    bool in_value;    /* the last header byte was one of a value */
    bool running;     /* inside run: an answer given now is not a late one */
    bool served;      /* not the first request any more */
    enum err wrong;   /* why the parser was stopped by us */
    enum err refusal; /* what the head alone will be answered; ERR_OK: the body matters */
    struct route route;
    struct buf head; /* target, names and values, back to back */
    uint16_t target_len;
    struct span spans[REQUEST_HEADERS_MAX];
    size_t span_count;
    size_t trailer_len;
    struct buf body;
    uint64_t body_len; /* also of what is not kept */
    struct buf stash;  /* what came behind the request that is being answered */
    struct buf param;  /* of the path, decoded */
    const struct http_watcher *watcher; /* of the request that is being answered; may be NULL */
    void *watching;
    char peer[INET6_ADDRSTRLEN];
    struct request request;
};

static void run(struct http *http, struct str bytes);

/* ---- parsing ---- */

static struct http *http_of(const llhttp_t *parser)
{
    return parser->data;
}

static int stop(struct http *http, enum err err)
{
    http->wrong = err;
    return HPE_USER;
}

/* `*part` is the length of what these bytes belong to. Fields behind a chunked body are read
 * over: the request points into the head. */
static int add_to_head(struct http *http, const char *at, size_t len, uint16_t *part)
{
    if (http->past_head) {
        http->trailer_len += len;
        return http->trailer_len > HEAD_MAX ? stop(http, ERR_HEAD_TOO_LARGE) : 0;
    }
    if (http->head.len + len + 4 * http->span_count > HEAD_MAX) {
        return stop(http, ERR_HEAD_TOO_LARGE);
    }
    buf_add(&http->head, str_from(at, len));
    *part = (uint16_t)(*part + len);
    return 0;
}

static int on_begin(llhttp_t *parser)
{
    struct http *http = http_of(parser);

    http->started = true;
    if (http->served) { /* the time between two requests is not the time for a request */
        conn_deadline(http->conn, http->conn->net->services->config->connect_timeout_ms);
    }
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct http *http = http_of(parser);

    return add_to_head(http, at, len, &http->target_len);
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct http *http = http_of(parser);

    if (!http->past_head && (http->span_count == 0 || http->in_value)) {
        if (http->span_count == REQUEST_HEADERS_MAX) {
            return stop(http, ERR_HEAD_TOO_LARGE);
        }
        http->in_value = false;
        http->spans[http->span_count++] = (struct span){.name_at = (uint16_t)http->head.len};
    }
    return add_to_head(http, at, len, &http->spans[http->span_count - 1].name_len);
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct http *http = http_of(parser);
    struct span *span = &http->spans[http->span_count - 1];

    if (!http->past_head && !http->in_value) {
        http->in_value = true;
        span->value_at = (uint16_t)http->head.len;
    }
    return add_to_head(http, at, len, &span->value_len);
}

/* A target in absolute form, as proxies get it, without its scheme and host. */
static struct str path_and_query(struct str target)
{
    struct str host, rest;

    if (!str_starts(target, STR("http://")) && !str_starts(target, STR("https://"))) {
        return target;
    }
    str_cut(target, '/', &host, &rest);
    str_cut(str_skip(rest, 1), '/', &host, &rest);
    return rest.len > 0 ? str_from(rest.at - 1, rest.len + 1) : STR("/");
}

/* The head is complete and does not move any more. */
static void read_head(struct http *http)
{
    struct request *request = &http->request;
    struct str target = path_and_query(str_from(http->head.at, http->target_len));

    request->method = str_of(llhttp_method_name((llhttp_method_t)http->parser.method));
    str_cut(target, '?', &request->path, &request->query);
    request->http_1_0 = http->parser.http_major == 1 && http->parser.http_minor == 0;
    request->header_count = http->span_count;
    for (size_t i = 0; i < http->span_count; i++) {
        const struct span *span = &http->spans[i];

        request->headers[i].name = str_from(http->head.at + span->name_at, span->name_len);
        request->headers[i].value =
            str_trim(str_from(http->head.at + span->value_at, span->value_len));
    }
    request->peer = peer_of(http->conn, request, http->peer);
}

/* One Host, and no name that others may read differently: llhttp lets blanks stand before the
 * colon. */
static bool fields_are_clear(const struct http *http)
{
    size_t hosts = 0;

    for (size_t i = 0; i < http->request.header_count; i++) {
        struct str name = http->request.headers[i].name;

        if (name.len == 0 || memchr(name.at, ' ', name.len) != NULL) {
            return false;
        }
        hosts += str_equal_nocase(name, STR("Host"));
    }
    return hosts == 1 || (hosts == 0 && http->request.http_1_0);
}

/* How much of a body is read at all. */
static uint64_t body_limit(const struct http *http)
{
    uint64_t limit = http->route.body_max;

    return limit > BODY_GRACE && http->refusal == ERR_OK ? limit : BODY_GRACE;
}

static int on_head(llhttp_t *parser)
{
    struct http *http = http_of(parser);
    const char *why = NULL;
    enum err err;

    http->past_head = true;
    read_head(http);
    if (parser->http_major != 1 || !fields_are_clear(http) ||
        !str_starts(http->request.path, STR("/"))) {
        return stop(http, ERR_BAD_REQUEST);
    }
    err = http->refusal = route_find(http, &http->route);
    if (!(parser->flags & F_CHUNKED) && parser->content_length > body_limit(http)) {
        return stop(http, err != ERR_OK ? err : ERR_TOO_LARGE);
    }
    if (request_header_has(&http->request, STR("Expect"), STR("100-continue"))) {
        struct msg *go_on;

        if (err != ERR_OK) {
            return stop(http, err);
        }
        if (route_admit(http, &http->route, &why) != ERR_OK) {
            return stop(http, ERR_TOO_LARGE); /* any body is: give_up says why */
        }
        go_on = msg_raw(STR("HTTP/1.1 100 Continue\r\n\r\n"));
        conn_send_anyway(http->conn, go_on);
        msg_unref(go_on);
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct http *http = http_of(parser);

    http->body_len += len;
    if (http->body_len > body_limit(http)) {
        return stop(http, http->refusal != ERR_OK ? http->refusal : ERR_TOO_LARGE);
    }
    buf_add(&http->body, str_from(at, len));
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    struct http *http = http_of(parser);

    http->complete = true;
    http->keep_alive = llhttp_should_keep_alive(parser);
    return HPE_PAUSED;
}

static const llhttp_settings_t *settings(void)
{
    static llhttp_settings_t table;

    if (table.on_url == NULL) {
        llhttp_settings_init(&table);
        table.on_message_begin = on_begin;
        table.on_url = on_url;
        table.on_header_field = on_field;
        table.on_header_value = on_value;
        table.on_headers_complete = on_head;
        table.on_body = on_body;
        table.on_message_complete = on_complete;
    }
    return &table;
}

/* Ready for the next request. */
static void begin(struct http *http)
{
    llhttp_init(&http->parser, HTTP_REQUEST, settings());
    http->parser.data = http;
    http->state = READING;
    http->lines = (struct lines){0};
    http->route = (struct route){0};
    http->started = http->past_head = http->complete = http->in_value = false;
    http->wrong = http->refusal = ERR_OK;
    http->target_len = 0;
    http->span_count = 0;
    http->trailer_len = 0;
    http->body_len = 0;
    http->request.method = http->request.path = http->request.query = str_from("", 0);
    http->request.param = str_from("", 0);
    http->request.header_count = 0;
    buf_clear(&http->head);
    buf_clear(&http->param);
    buf_finish(&http->body); /* few requests have one, and it may have been large */
}

/* ---- answering ---- */

/* To the next request, which may be here already. */
static void go_on(struct http *http)
{
    http->state = READING;
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
        http->state = GONE;
        conn_end(http->conn, REASON_HTTP_DONE);
        return;
    }
    begin(http);
    http->served = true;
    conn_deadline(http->conn, http->conn->net->services->config->connect_timeout_ms);
    if (conn_is_full(http->conn)) {
        http->state = FULL;
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

/* One request's worth of bytes; returns how many were used. */
static size_t parse(struct http *http, struct str bytes)
{
    llhttp_errno_t error;
    const char *end;

    if (!lines_are_clear(&http->lines, bytes)) {
        give_up(http, ERR_BAD_REQUEST);
        return bytes.len;
    }
    error = llhttp_execute(&http->parser, bytes.at, bytes.len);
    end = llhttp_get_error_pos(&http->parser);
    if (http->complete && (http->parser.flags & F_CHUNKED) && end[-1] != '\n') {
        http->complete = false; /* a lone CR again, in the fields behind the body */
        http->wrong = ERR_BAD_REQUEST;
    }
    if (http->complete) {
        return (size_t)(end - bytes.at);
    }
    if (error != HPE_OK) {
        give_up(http, http->wrong != ERR_OK ? http->wrong : ERR_BAD_REQUEST);
    }
    return bytes.len;
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
    http->state = ANSWERING;
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
    conn_pause(http->conn, !is_watched(http) || http->stash.len > HEAD_MAX);
}

/* Requests one after the other. A handler may answer at once, later, or hand the connection to
 * another layer (then `http` is gone), so nothing of `http` is touched before the connection
 * says that it is still ours. */
static void run(struct http *http, struct str bytes)
{
    struct conn *conn = http->conn;

    http->running = true;
    while (bytes.len > 0 && conn->state == CONN_OPEN) {
        bytes = str_skip(bytes, parse(http, bytes));
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
        if (http->state != READING) {
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

    if (http->state == READING) {
        run(http, bytes);
        return;
    }
    buf_add(&http->stash, bytes);
    if (http->stash.len > HEAD_MAX) {
        conn_pause(http->conn, true);
    }
}

static void on_eof(void *upper)
{
    struct http *http = upper;

    if (http->state == ANSWERING && (!is_watched(http) || !tell_gone(http))) {
        return; /* http_answer sees peer_done and ends the connection after the answer */
    }
    http->state = GONE;
    conn_end(http->conn, http->started ? REASON_PEER_LOST : REASON_HTTP_DONE);
}

static void on_timeout(void *upper)
{
    struct http *http = upper;

    if (http->state == ANSWERING && http->watcher != NULL && http->watcher->late != NULL) {
        http->watcher->late(http->watching);
    } else if (http->state == ANSWERING) {
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

    if (http->state == FULL) {
        go_on(http);
    }
}

static void on_restart(void *upper)
{
    struct http *http = upper;

    if (http->state == ANSWERING && http->watcher != NULL && http->watcher->restart != NULL) {
        http->watcher->restart(http->watching);
    } else if (http->state == READING && !http->started) {
        conn_end(http->conn, REASON_HTTP_DONE);
    }
}

static void destroy(struct http *http)
{
    buf_finish(&http->head);
    buf_finish(&http->body);
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
    begin(http);
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
