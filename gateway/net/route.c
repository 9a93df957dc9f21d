/* Which path is answered by whom. */
#include "gateway/net/route.h"

#include <string.h>

#include "common/path.h"
#include "gateway/net/api.h"
#include "gateway/net/cors.h"
#include "gateway/net/eio.h"
#include "gateway/net/gate.h"
#include "gateway/net/handshake.h"
#include "gateway/net/pages.h"

enum {
    DOOR_PUBLIC = 1,
    DOOR_ADMIN = 2
};

enum {
    METHOD_GET = 1,
    METHOD_HEAD = 2,
    METHOD_POST = 4,
    METHOD_OPTIONS = 8,
    METHODS_TO_READ = METHOD_GET | METHOD_HEAD | METHOD_OPTIONS
};

static void answer_with(struct http *http, int status, struct str text, unsigned retry_s)
{
    struct buf lines = {0};

    buf_add_text(&lines, "Cache-Control: no-store\r\n");
    if (retry_s > 0) {
        answer_add_retry(retry_s, &lines);
    }
    http_answer(http, &(struct answer){.status = status,
                                       .type = STR("text/plain; charset=utf-8"),
                                       .extra = buf_str(&lines),
                                       .body = text});
    buf_finish(&lines);
}

static void answer_text(struct http *http, int status, struct str text)
{
    answer_with(http, status, text, 0);
}

static void serve_healthz(struct http *http)
{
    answer_text(http, 200, STR("ok\n"));
}

static void serve_readyz(struct http *http)
{
    const struct services *services = http_conn(http)->net->services;

    if (services->draining) {
        answer_text(http, 503, STR("draining\n"));
    } else if (!store_is_up(services->store)) {
        answer_text(http, 503, STR("redis is away\n"));
    } else {
        /* A page sees that its WebSocket was refused, and not why: it asks here. */
        answer_with(http, 200, STR("ok\n"), net_wait(http_conn(http)->net));
    }
}

/* Nothing in them is secret, and no request needs credentials: the page of another process may
 * read them, wherever it is from. */
static void serve_metrics(struct http *http)
{
    const struct net *net = http_conn(http)->net;
    struct metrics *metrics = net->services->metrics;
    struct buf text = {0};

    metrics->sockets = net->conn_count;
    metrics->sockets_limit = net->services->config->max_connections;
    metrics->pending_calls = store_pending(net->services->store);
    metrics->draining = net->services->draining;
    metrics->name = net->services->name;
    metrics_print(metrics, &text);
    http_answer(http, &(struct answer){.status = 200,
                                       .type = STR("text/plain; version=0.0.4; charset=utf-8"),
                                       .extra = STR("Cache-Control: no-store\r\n"
                                                    "Access-Control-Allow-Origin: *\r\n"),
                                       .body = buf_str(&text)});
    buf_finish(&text);
}

static const struct row {
    struct str path;
    unsigned doors;
    void (*serve)(struct http *http);
    bool cors; /* the client library asks it, from any page that may connect */
} rows[] = {
    {{"/healthz", 8}, DOOR_PUBLIC | DOOR_ADMIN, serve_healthz, false},
    {{"/readyz", 7}, DOOR_PUBLIC | DOOR_ADMIN, serve_readyz, true},
    {{"/metrics", 8}, DOOR_ADMIN, serve_metrics, false},
};

static const struct {
    struct str name;
    unsigned method;
} methods[] = {
    {{"GET", 3}, METHOD_GET},
    {{"HEAD", 4}, METHOD_HEAD},
    {{"POST", 4}, METHOD_POST},
    {{"OPTIONS", 7}, METHOD_OPTIONS},
};

enum {
    METHODS_COUNT = sizeof(methods) / sizeof(methods[0])
};

static unsigned method_of(const struct request *request)
{
    for (size_t i = 0; i < METHODS_COUNT; i++) {
        if (str_equal(methods[i].name, request->method)) {
            return methods[i].method;
        }
    }
    return 0;
}

static void add_methods(const struct route *route, struct buf *to)
{
    const char *comma = "";

    for (size_t i = 0; i < METHODS_COUNT; i++) {
        if (route->methods & methods[i].method) {
            buf_add_text(to, comma);
            buf_add(to, methods[i].name);
            comma = ", ";
        }
    }
}

void route_add_allow(const struct route *route, struct buf *lines)
{
    buf_add_text(lines, "Allow: ");
    add_methods(route, lines);
    buf_add_text(lines, "\r\n");
}

static const struct proto *find_proto(const struct net *net, struct str path, struct str *param)
{
    for (size_t i = 0; net->protos[i] != NULL; i++) {
        for (const char *const *pattern = net->protos[i]->paths; *pattern != NULL; pattern++) {
            if (path_fits(*pattern, path, param)) {
                return net->protos[i];
            }
        }
    }
    return NULL;
}

/* Engine.IO's own answers differ from ours in much; whatever is said on its paths is its
 * business. */
static void take_engine(const struct config *config, struct route *route)
{
    route->methods = METHOD_GET | METHOD_POST | METHOD_OPTIONS;
    route->bare = route->cors = true;
    route->body_max = config->max_batch;
}

/* All rows of a path say which methods it knows; the one of the request's method serves it. */
static bool find_endpoint(const struct http *http, struct route *route)
{
    const struct net *net = http_conn(http)->net;
    const struct request *request = http_request(http);
    unsigned method = method_of(request);
    struct str param;

    for (const struct endpoint *row = net->endpoints; row->path != NULL; row++) {
        bool get = strcmp(row->method, "GET") == 0;
        unsigned taken = get ? METHOD_GET | METHOD_HEAD : METHOD_POST;

        if (!path_fits(row->path, request->path, &param)) {
            continue;
        }
        route->param = param;
        route->methods |= taken | METHOD_OPTIONS;
        route->cors = true;
        if (taken & method) {
            route->endpoint = row;
            if (row->batch && net->services->config->max_batch > route->body_max) {
                route->body_max = net->services->config->max_batch;
            }
        }
    }
    return route->methods != 0;
}

/* A path may have both a page and a WebSocket. */
static void find_public(const struct http *http, struct route *route)
{
    const struct net *net = http_conn(http)->net;
    const struct request *request = http_request(http);
    const struct proto *proto = find_proto(net, request->path, &route->param);

    if (proto != NULL && proto->engine) {
        route->proto = proto;
        take_engine(net->services->config, route);
    } else if (proto != NULL && handshake_wanted(request)) {
        route->proto = proto;
        route->methods = METHOD_GET;
    } else {
        route->page = pages_find(request->path, PAGE_PUBLIC);
        route->cors = route->page != NULL && route->page->shared;
        route->methods = proto != NULL || route->page != NULL ? METHODS_TO_READ : 0;
    }
}

static void find_admin(const struct http *http, struct route *route)
{
    route->page = pages_find(http_request(http)->path, PAGE_ADMIN);
    route->methods = route->page != NULL ? METHODS_TO_READ : 0;
}

static bool is_engine(const struct route *route)
{
    return route->proto != NULL && route->proto->engine;
}

enum err route_find(const struct http *http, struct route *route)
{
    const struct conn *conn = http_conn(http);
    const struct request *request = http_request(http);
    unsigned door = conn->admin ? DOOR_ADMIN : DOOR_PUBLIC;

    *route = (struct route){.body_max = conn->net->services->config->max_message};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((rows[i].doors & door) && str_equal(rows[i].path, request->path)) {
            route->serve = rows[i].serve;
            route->methods = METHODS_TO_READ;
            route->cors = rows[i].cors;
        }
    }
    if (route->serve == NULL && conn->admin) {
        find_admin(http, route);
    } else if (route->serve == NULL && !find_endpoint(http, route)) {
        find_public(http, route);
    }
    if (route->methods == 0) {
        return ERR_NOT_FOUND;
    }
    if (!(route->methods & method_of(request)) && !is_engine(route)) {
        return ERR_METHOD;
    }
    if (route->cors && method_of(request) == METHOD_OPTIONS) {
        return ERR_OK;
    }
    return route->serve == NULL && route->page == NULL && route->proto == NULL &&
                   route->endpoint == NULL
               ? ERR_UPGRADE
               : ERR_OK;
}

static bool forbids(const struct http *http, const struct route *route)
{
    return route->cors &&
           cors_forbids(http_conn(http)->net->services->config, http_request(http));
}

enum err route_admit(const struct http *http, const struct route *route, const char **why)
{
    struct claims claims = {0};

    if (forbids(http, route) && !is_engine(route)) {
        *why = "this origin is not allowed";
        return ERR_FORBIDDEN;
    }
    return route->endpoint != NULL ? api_admit(http, route->endpoint, &claims, why) : ERR_OK;
}

static void serve_options(struct http *http, const struct route *route)
{
    const struct request *request = http_request(http);
    struct buf lines = {0}, names = {0};

    if (route->cors && cors_is_preflight(request)) {
        add_methods(route, &names);
        cors_add_preflight(request, buf_str(&names), &lines);
    } else {
        route_add_allow(route, &lines);
    }
    http_answer(http, &(struct answer){.status = 204, .extra = buf_str(&lines)});
    buf_finish(&lines);
    buf_finish(&names);
}

void route_serve(struct http *http, const struct route *route)
{
    if (forbids(http, route) && is_engine(route)) {
        eio_forbid(http);
    } else if (forbids(http, route)) {
        http_refuse(http, ERR_FORBIDDEN, "this origin is not allowed");
    } else if (method_of(http_request(http)) == METHOD_OPTIONS) {
        serve_options(http, route);
    } else if (is_engine(route)) {
        eio_serve(http, route->proto);
    } else if (route->proto != NULL) {
        gate_open(http, route->proto);
    } else if (route->endpoint != NULL) {
        api_serve(http, route->endpoint);
    } else if (route->page != NULL) {
        pages_serve(http, route->page);
    } else {
        route->serve(http);
    }
}
