/* Which path is answered by whom. */
#include "gateway/net/route.h"

#include "gateway/net/handshake.h"
#include "gateway/net/ws.h"

enum {
    DOOR_PUBLIC = 1,
    DOOR_ADMIN = 2
};

static void answer_text(struct http *http, int status, struct str text)
{
    http_answer(http, &(struct answer){.status = status,
                                       .type = STR("text/plain; charset=utf-8"),
                                       .extra = STR("Cache-Control: no-store\r\n"),
                                       .body = text});
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
        answer_text(http, 200, STR("ok\n"));
    }
}

static void serve_metrics(struct http *http)
{
    struct buf text = {0};

    metrics_print(http_conn(http)->net->services->metrics, &text);
    http_answer(http, &(struct answer){.status = 200,
                                       .type = STR("text/plain; version=0.0.4; charset=utf-8"),
                                       .extra = STR("Cache-Control: no-store\r\n"),
                                       .body = buf_str(&text)});
    buf_finish(&text);
}

static const struct row {
    struct str path;
    unsigned doors;
    route_fn *serve;
} rows[] = {
    {{"/healthz", 8}, DOOR_PUBLIC | DOOR_ADMIN, serve_healthz},
    {{"/readyz", 7}, DOOR_PUBLIC | DOOR_ADMIN, serve_readyz},
    {{"/metrics", 8}, DOOR_ADMIN, serve_metrics},
};

static const struct proto *find_proto(const struct net *net, struct str path)
{
    for (size_t i = 0; net->protos[i] != NULL; i++) {
        if (str_equal(net->protos[i]->path, path)) {
            return net->protos[i];
        }
    }
    return NULL;
}

static void find_path(const struct http *http, struct route *route, bool *known)
{
    const struct conn *conn = http_conn(http);
    struct str path = http_request(http)->path;
    unsigned door = conn->admin ? DOOR_ADMIN : DOOR_PUBLIC;
    const struct proto *proto;

    *route = (struct route){NULL, NULL, NULL};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((rows[i].doors & door) && str_equal(rows[i].path, path)) {
            route->serve = rows[i].serve;
        }
    }
    if (route->serve == NULL && !conn->admin) {
        proto = find_proto(conn->net, path);
        route->page = pages_find(path);
        *known = proto != NULL || route->page != NULL;
        if (proto != NULL && handshake_wanted(http_request(http))) {
            route->page = NULL;
            route->proto = proto;
        }
        return;
    }
    *known = route->serve != NULL;
}

enum err route_find(const struct http *http, struct route *route)
{
    struct str method = http_request(http)->method;
    bool known = false;

    find_path(http, route, &known);
    if (!known) {
        return ERR_NOT_FOUND;
    }
    if (!str_equal(method, STR("GET")) &&
        (route->proto != NULL ||
         (!str_equal(method, STR("HEAD")) && !str_equal(method, STR("OPTIONS"))))) {
        return ERR_METHOD;
    }
    return route->serve == NULL && route->page == NULL && route->proto == NULL ? ERR_UPGRADE
                                                                               : ERR_OK;
}

void route_serve(struct http *http)
{
    struct route route;
    enum err err = route_find(http, &route);

    if (err != ERR_OK) {
        http_refuse(http, err, NULL);
    } else if (str_equal(http_request(http)->method, STR("OPTIONS"))) {
        http_answer(http, &(struct answer){.status = 204,
                                           .extra = STR("Allow: GET, HEAD, OPTIONS\r\n")});
    } else if (route.proto != NULL) {
        ws_open(http, route.proto);
    } else if (route.page != NULL) {
        pages_serve(http, route.page);
    } else {
        route.serve(http);
    }
}
