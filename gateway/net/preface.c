/* What a trusted proxy may say before the first request.
 *
 *     first bytes --no header--> HTTP reads them
 *           +--a whole header--> the client's address is the connection's; HTTP reads the rest
 *           +--a malformed one--> 400, the end
 *
 * Header and first request have one time together: --connect-timeout. */
#include "gateway/net/preface.h"

#include <string.h>

#include "common/mem.h"
#include "gateway/net/http.h"
#include "gateway/net/proxy.h"
#include "gateway/net/refusal.h"

struct preface {
    struct conn *conn; /* borrowed: it owns us */
    struct buf got;    /* an incomplete header */
    uint64_t until_ms;
};

static uint64_t now_ms(const struct preface *preface)
{
    return uv_now(preface->conn->net->loop);
}

static void destroy(struct preface *preface)
{
    buf_finish(&preface->got);
    mem_free(preface);
}

/* `rest` lives in the preface or in the loop's buffer. */
static void hand_over(struct preface *preface, struct str rest)
{
    struct conn *conn = preface->conn;
    uint64_t now = now_ms(preface);

    http_attach(conn);
    conn_deadline(conn, preface->until_ms > now ? preface->until_ms - now : 0);
    if (rest.len > 0) {
        conn->layer->data(conn->upper, rest);
    }
    destroy(preface);
}

static void refuse(struct preface *preface)
{
    const char *why = "the PROXY header is malformed";

    refusal_note(preface->conn, NULL, ERR_BAD_REQUEST, why);
    refusal_answer(preface->conn, ERR_BAD_REQUEST, why);
}

static void on_data(void *upper, struct str bytes)
{
    struct preface *preface = upper;
    struct proxy_header header;

    if (preface->got.len > 0) {
        buf_add(&preface->got, bytes);
        bytes = buf_str(&preface->got);
    }
    switch (proxy_read(bytes, &header)) {
    case PROXY_MORE:
        if (preface->got.len == 0) {
            buf_add(&preface->got, bytes);
        }
        break;
    case PROXY_NONE:
        hand_over(preface, bytes);
        break;
    case PROXY_DONE:
        if (header.named) {
            memcpy(&preface->conn->peer, header.address, ADDRESS_BYTES);
        }
        hand_over(preface, str_skip(bytes, header.len));
        break;
    case PROXY_BAD:
        refuse(preface);
        break;
    }
}

static void on_eof(void *upper)
{
    struct preface *preface = upper;

    conn_end(preface->conn, preface->got.len > 0 ? REASON_PEER_LOST : REASON_HTTP_DONE);
}

static void on_timeout(void *upper)
{
    conn_end(((struct preface *)upper)->conn, REASON_TIMEOUT);
}

static void on_restart(void *upper)
{
    conn_end(((struct preface *)upper)->conn, REASON_HTTP_DONE);
}

static void on_closed(void *upper, enum reason reason)
{
    (void)reason;
    destroy(upper);
}

static const struct conn_layer layer = {
    .data = on_data,
    .eof = on_eof,
    .timeout = on_timeout,
    .restart = on_restart,
    .closed = on_closed,
};

void preface_attach(struct conn *conn)
{
    const struct config *config = conn->net->services->config;
    char peer[INET6_ADDRSTRLEN];
    struct preface *preface;

    conn_peer_text(conn, peer);
    if (conn->admin || !config_trusts(config, str_of(peer))) {
        http_attach(conn);
        return;
    }
    preface = mem_zero(sizeof(*preface));
    preface->conn = conn;
    preface->until_ms = now_ms(preface) + config->connect_timeout_ms;
    conn->layer = &layer;
    conn->upper = preface;
    conn_deadline(conn, config->connect_timeout_ms);
}
