/* What all connections of a process share; its flush, its drain, its end. */
#include "gateway/net/net.h"

#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/net/conn.h"
#include "gateway/net/ws.h"

enum {
    DRAIN_TICK_MS = 20,
    READERS_KEPT = 256 /* spare WebSocket parsers, some 9 KB each */
};

struct net *net_create(uv_loop_t *loop, struct services *services,
                       const struct proto *const *protos)
{
    struct net *net = mem_zero(sizeof(*net));

    net->loop = loop;
    net->services = services;
    net->protos = protos;
    wheel_init(&net->wheel, loop, conn_timer_fired);
    uv_timer_init(loop, &net->drain_clock);
    net->drain_clock.data = net;
    return net;
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

/* Every tick closes its share of what is left, so that the last goes when the time is over. */
static void on_drain(uv_timer_t *clock)
{
    struct net *net = clock->data;
    uint64_t now = uv_now(net->loop);
    uint64_t ticks =
        now < net->drain_until_ms ? (net->drain_until_ms - now) / DRAIN_TICK_MS + 1 : 1;
    uint64_t open = 0, share;

    for (struct conn *conn = net->conns; conn != NULL; conn = conn->next) {
        open += conn->state == CONN_OPEN && !conn->admin;
    }
    share = (open + ticks - 1) / ticks;
    for (struct conn *conn = net->conns; conn != NULL && share > 0; conn = conn->next) {
        if (conn->state == CONN_OPEN && !conn->admin) {
            conn->layer->restart(conn->upper);
            share--;
        }
    }
}

void net_drain(struct net *net, uint64_t over_ms)
{
    net->draining = true;
    net->drain_until_ms = uv_now(net->loop) + over_ms;
    uv_timer_start(&net->drain_clock, on_drain, 0, DRAIN_TICK_MS);
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
    ws_free_readers(net);
    mem_free(net);
}
