/* What all connections of a process share; its flush, its drain, its end. */
#include "gateway/net/net.h"

#include <sys/resource.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/net/conn.h"
#include "gateway/net/out.h"
#include "gateway/net/ws_reader.h"

enum {
    DRAIN_TICK_MS = 20,
    LAST_WORDS_MS = 2000 /* after the drain: who has not gone by then is cut */
};

struct net *net_create(uv_loop_t *loop, struct services *services,
                       const struct proto *const *protos, const struct endpoint *endpoints)
{
    struct net *net = mem_zero(sizeof(*net));
    struct rlimit files;

    net->loop = loop;
    net->services = services;
    net->protos = protos;
    net->endpoints = endpoints;
    net->files_max = getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : RLIM_INFINITY;
    pace_init(&net->pace, services->config->connect_rate);
    wheel_init(&net->wheel, loop, conn_timer_fired);
    uv_timer_init(loop, &net->drain_clock);
    net->drain_clock.data = net;
    return net;
}

void net_later(struct net *net, struct net_later *later)
{
    if (!later->queued) {
        later->queued = true;
        later->next = net->laters;
        net->laters = later;
    }
}

void net_not_later(struct net *net, struct net_later *later)
{
    struct net_later **at = &net->laters;

    while (later->queued && *at != NULL) {
        if (*at == later) {
            *at = later->next;
            later->queued = false;
        } else {
            at = &(*at)->next;
        }
    }
}

void net_run_laters(struct net *net)
{
    while (net->laters != NULL) {
        struct net_later *later = net->laters;

        net->laters = later->next;
        later->queued = false;
        later->run(later);
    }
}

void net_flush(struct net *net)
{
    while (net->dirty != NULL) {
        struct conn *conn = net->dirty;

        net->dirty = conn->dirty_next;
        conn->dirty = false;
        conn_flush(conn);
    }
}

void net_count_refusal(const struct net *net, enum err err)
{
    static const struct {
        enum err err;
        enum metrics_rejection rejection;
    } rows[] = {
        {ERR_UNAUTHORIZED, METRICS_REJECTION_UNAUTHORIZED},
        {ERR_FORBIDDEN, METRICS_REJECTION_FORBIDDEN},
        {ERR_INVALID, METRICS_REJECTION_INVALID},
        {ERR_RATE_LIMITED, METRICS_REJECTION_RATE},
        {ERR_TOO_MANY, METRICS_REJECTION_TOO_MANY},
        {ERR_NOT_FOUND, METRICS_REJECTION_NOT_FOUND},
        {ERR_TOO_LARGE, METRICS_REJECTION_TOO_LARGE},
        {ERR_HEAD_TOO_LARGE, METRICS_REJECTION_TOO_LARGE},
        {ERR_TIMEOUT, METRICS_REJECTION_TIMEOUT},
        {ERR_UNAVAILABLE, METRICS_REJECTION_UNAVAILABLE},
        {ERR_CROWDED, METRICS_REJECTION_CONNECT_RATE},
        {ERR_NEWER, METRICS_REJECTION_UNAVAILABLE},
    };
    enum metrics_rejection rejection = METRICS_REJECTION_BAD_REQUEST;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].err == err) {
            rejection = rows[i].rejection;
        }
    }
    if (err == ERR_UNAVAILABLE && net->services->draining) {
        rejection = METRICS_REJECTION_DRAINING;
    }
    net->services->metrics->rejected[rejection]++;
}

static uint32_t any_number(void)
{
    uint32_t number = 0;

    uv_random(NULL, NULL, &number, sizeof(number), 0, NULL); /* without it: less spread */
    return number;
}

unsigned net_give_place(struct net *net)
{
    return pace_give_place(&net->pace, uv_hrtime(), any_number());
}

unsigned net_wait(const struct net *net)
{
    return pace_wait(&net->pace, uv_hrtime(), any_number());
}

/* How many may be left that were not told to go: it sinks evenly from all to none. */
static uint64_t still_allowed(const struct net *net, uint64_t now)
{
    if (now >= net->drain_until_ms) {
        return 0;
    }
    return net->drain_all * (net->drain_until_ms - now) / net->drain_over_ms;
}

static void tell_to_go(struct net *net, struct conn *conn)
{
    conn->told = true;
    net->drain_left--;
    if (conn->state == CONN_OPEN) {
        conn->layer->restart(conn->upper);
    }
}

static void cut_all(struct net *net)
{
    for (struct conn *conn = net->conns; conn != NULL; conn = conn->next) {
        if (!conn->admin) {
            conn_cut(conn, REASON_RESTART);
        }
    }
}

/* The eldest first: who came just now may have a request on its way. A place in the list moves
 * on through it, so that a million connections cost no more than one look each. Who goes by
 * himself meanwhile makes room for those behind him. */
static void on_drain(uv_timer_t *clock)
{
    struct net *net = clock->data;
    uint64_t now = uv_now(net->loop);
    uint64_t allowed = still_allowed(net, now);

    while (net->drain_left > allowed && net->drain_next != NULL) {
        struct conn *conn = net->drain_next;

        net->drain_next = conn->prev;
        if (conn->counted) {
            tell_to_go(net, conn);
        }
    }
    if (now >= net->drain_until_ms + LAST_WORDS_MS) {
        cut_all(net);
    }
}

void net_forget(struct net *net, const struct conn *conn)
{
    if (net->eldest == conn) {
        net->eldest = conn->prev;
    }
    if (net->drain_next == conn) {
        net->drain_next = conn->prev;
    }
    if (conn->counted) {
        net->conn_count--;
        net->drain_left -= net->draining && !conn->told;
    }
}

void net_drain(struct net *net, uint64_t over_ms)
{
    net->draining = true;
    net->drain_over_ms = over_ms;
    net->drain_all = net->drain_left = net->conn_count;
    net->drain_next = net->eldest;
    net->drain_until_ms = uv_now(net->loop) + over_ms;
    uv_timer_start(&net->drain_clock, on_drain, DRAIN_TICK_MS, DRAIN_TICK_MS);
}

void net_close(struct net *net)
{
    uv_close((uv_handle_t *)&net->drain_clock, NULL);
    for (struct conn *conn = net->conns; conn != NULL; conn = conn->next) {
        conn_cut(conn, REASON_GOING_AWAY);
    }
    wheel_close(&net->wheel);
}

void net_destroy(struct net *net)
{
    if (net == NULL) {
        return;
    }
    ws_reader_free_pool(&net->readers);
    out_free_pool(net);
    mem_free(net);
}
