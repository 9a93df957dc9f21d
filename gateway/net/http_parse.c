/* Bytes to one HTTP request, by llhttp: its head, whose limits and rules are stricter than
 * llhttp's, and its body.
 *
 * A body of ordinary size is read from everybody. A large one is read only from those who may
 * send it; where that shows only when it is complete (a polling session is looked up in Redis),
 * few are read at a time, so that no crowd fills the memory with bodies that never end. */
#include <string.h>

#include "gateway/net/http_core.h"
#include "gateway/net/peer.h"

enum {
    BODY_GRACE = 65536, /* of ordinary size; also what is read of a body that is refused, so
                           that the connection can go on */
    LARGE_MAX = 64      /* large bodies of polling clients at a time */
};

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
        return http->trailer_len > HTTP_HEAD_MAX ? stop(http, ERR_HEAD_TOO_LARGE) : 0;
    }
    if (http->head.len + len + 4 * http->span_count > HTTP_HEAD_MAX) {
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
        http->spans[http->span_count++] =
            (struct http_span){.name_at = (uint16_t)http->head.len};
    }
    return add_to_head(http, at, len, &http->spans[http->span_count - 1].name_len);
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct http *http = http_of(parser);
    struct http_span *span = &http->spans[http->span_count - 1];

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
        const struct http_span *span = &http->spans[i];

        request->headers[i].name = str_from(http->head.at + span->name_at, span->name_len);
        request->headers[i].value =
            str_trim(str_from(http->head.at + span->value_at, span->value_len));
    }
    request->peer = peer_of(http->conn, request, http->peer);
}

/* One Host, chunks as the one coding, and no name that others may read differently: llhttp lets
 * blanks stand before the colon. */
static bool fields_are_clear(const struct http *http)
{
    size_t hosts = 0;

    for (size_t i = 0; i < http->request.header_count; i++) {
        struct str name = http->request.headers[i].name;

        if (name.len == 0 || memchr(name.at, ' ', name.len) != NULL) {
            return false;
        }
        if (str_equal_nocase(name, STR("Transfer-Encoding")) &&
            (http->request.http_1_0 ||
             !str_equal_nocase(http->request.headers[i].value, STR("chunked")))) {
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

/* Whether a large body may be read; if not, it is too large, and give_up knows better whom to
 * tell something else. */
static enum err take_large(struct http *http)
{
    struct net *net = http->conn->net;
    const char *why;

    if (http->refusal != ERR_OK || http->large) {
        return http->refusal;
    }
    if (route_admit(http, &http->route, &why) != ERR_OK) {
        return ERR_TOO_LARGE;
    }
    if (http->route.endpoint == NULL) { /* else: its key or token was looked at */
        if (net->large_bodies == LARGE_MAX) {
            return ERR_UNAVAILABLE;
        }
        net->large_bodies++;
        http->crowding = true;
    }
    http->large = true;
    return ERR_OK;
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
    if (!(parser->flags & F_CHUNKED) && parser->content_length > BODY_GRACE) {
        err = take_large(http);
        if (err != ERR_OK) {
            return stop(http, err);
        }
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
    if (http->body_len > BODY_GRACE) {
        enum err err = take_large(http);

        if (err != ERR_OK) {
            return stop(http, err);
        }
    }
    if (http->refusal == ERR_OK) {
        buf_add(&http->body, str_from(at, len));
    }
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

void http_finish_request(struct http *http)
{
    http->conn->net->large_bodies -= http->crowding;
    http->large = http->crowding = false;
    buf_finish(&http->body); /* few requests have one, and it may have been large */
}

void http_begin(struct http *http)
{
    llhttp_init(&http->parser, HTTP_REQUEST, settings());
    http->parser.data = http;
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
    http_finish_request(http);
}

enum err http_parse(struct http *http, struct str bytes, size_t *used)
{
    llhttp_errno_t error;
    const char *end;

    *used = bytes.len;
    if (!lines_are_clear(&http->lines, bytes)) {
        return ERR_BAD_REQUEST;
    }
    error = llhttp_execute(&http->parser, bytes.at, bytes.len);
    end = llhttp_get_error_pos(&http->parser);
    if (http->complete && (http->parser.flags & F_CHUNKED) && end[-1] != '\n') {
        http->complete = false; /* a lone CR again, in the fields behind the body */
        http->wrong = ERR_BAD_REQUEST;
    }
    if (http->complete) {
        *used = (size_t)(end - bytes.at);
        return ERR_OK;
    }
    if (error == HPE_OK) {
        return ERR_OK;
    }
    return http->wrong != ERR_OK ? http->wrong : ERR_BAD_REQUEST;
}
