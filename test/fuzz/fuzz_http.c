/* HTTP: hostile bytes, whole and in pieces, get the same answers; nothing of a connection
 * outlives it.
 *
 * A connection is a pair of sockets: what stands in for the kernel's accept gives the gateway
 * its end, and the bytes are handed to the layer as the loop would, each piece from memory of
 * its own. The input's first byte decides how the rest is cut and how it ends. */
#include "test/fuzz/fuzz.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "gateway/net/conn.h"
#include "gateway/net/http.h"
#include "gateway/net/net.h"

enum {
    INPUT_MAX = 4096,
    READ_ROOM = 65536
};

/* ---- in place of the kernel ---- */

static int next_fd; /* what is accepted next */

int uv_accept(uv_stream_t *server, uv_stream_t *client)
{
    (void)server;
    return uv_tcp_open((uv_tcp_t *)client, next_fd);
}

int uv_tcp_getpeername(const uv_tcp_t *tcp, struct sockaddr *name, int *len)
{
    (void)tcp;
    (void)len;
    return uv_ip4_addr("192.0.2.1", 1, (struct sockaddr_in *)name);
}

/* ---- the gateway ---- */

static struct stage {
    uv_loop_t loop;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct net *net;
} stage;

static void never_open(struct session *session, const struct request *request)
{
    (void)session;
    (void)request;
    MUST(false); /* Redis is away */
}

static const struct proto player = {.name = "player",
                                    .paths = (const char *const[]){"/player", NULL},
                                    .size = sizeof(struct session),
                                    .open = never_open};
static const struct endpoint endpoints[] = {{0}};
static const struct proto *const protos[] = {&player, NULL};

static void setup(void)
{
    static const struct url nowhere = {0};
    char why[128];

    log_setup(LOG_ERROR, LOG_FORMAT_TEXT);
    uv_loop_init(&stage.loop);
    stage.config.max_message = 100;
    stage.config.max_queue = 4096;
    stage.config.connect_timeout_ms = 3600 * 1000;
    stage.config.max_connections = 10;
    stage.config.jwt_secret = "secret";
    stage.config.anonymous = (struct config_list){{"player"}, 1};
    stage.services = (struct services){.config = &stage.config,
                                       .metrics = &stage.metrics,
                                       .loop = &stage.loop,
                                       .auth = auth_create(&stage.config, why, sizeof(why))};
    stage.services.store =
        store_create(&stage.loop, &nowhere, NULL, &stage.metrics, NULL, NULL);
    stage.net = net_create(&stage.loop, &stage.services, protos, endpoints);
}

/* ---- one connection ---- */

struct talk {
    int fd; /* the client's end */
    struct conn *conn;
    struct buf got;
    bool ended;
};

static bool look(struct talk *talk)
{
    static char room[READ_ROOM];
    ssize_t count = recv(talk->fd, room, sizeof(room), MSG_DONTWAIT);

    if (count > 0) {
        buf_add(&talk->got, str_from(room, (size_t)count));
    }
    talk->ended = talk->ended || count == 0;
    return count > 0;
}

/* Turns until nothing moves any more. */
static void settle(struct talk *talk)
{
    do {
        uv_run(&stage.loop, UV_RUN_NOWAIT);
        net_flush(stage.net);
    } while (look(talk) || stage.net->dirty != NULL);
}

static void open_talk(struct talk *talk)
{
    int fds[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    memset(talk, 0, sizeof(*talk));
    talk->fd = fds[0];
    next_fd = fds[1];
    talk->conn = conn_accept(stage.net, NULL, false);
    MUST(talk->conn != NULL);
    http_attach(talk->conn);
    MUST(conn_start(talk->conn));
}

static void close_talk(struct talk *talk)
{
    close(talk->fd);
    if (stage.net->conns != NULL) {
        conn_cut(talk->conn, REASON_LEFT);
    }
    for (int i = 0; i < 3; i++) {
        uv_run(&stage.loop, UV_RUN_NOWAIT);
        net_flush(stage.net);
    }
    MUST(stage.net->conns == NULL && stage.net->dirty == NULL);
    MUST(stage.net->wheel.count == 0);
}

static bool is_open(const struct talk *talk)
{
    return stage.net->conns != NULL && talk->conn->state == CONN_OPEN;
}

/* The dates are taken out: a second may pass between two talks. */
static struct str without_dates(struct buf *got)
{
    struct buf clean = {0};
    struct str rest = buf_str(got), line;

    while (rest.len > 0) {
        str_cut(rest, '\n', &line, &rest);
        if (!str_starts(line, STR("Date: "))) {
            buf_add(&clean, line);
            buf_add_char(&clean, '\n');
        }
    }
    buf_finish(got);
    *got = clean;
    return buf_str(got);
}

static void say(struct talk *talk, struct str bytes, size_t size, size_t step)
{
    while (bytes.len > 0 && is_open(talk)) {
        size_t len = size < bytes.len ? size : bytes.len;
        char *piece = mem_copy(bytes.at, len);

        MUST(!talk->conn->paused);
        talk->conn->layer->data(talk->conn->upper, str_from(piece, len));
        mem_free(piece);
        settle(talk);
        bytes = str_skip(bytes, len);
        size = 1 + (size + step) % 64;
    }
}

/* How a talk may end, beside by what was said. */
static void end(struct talk *talk, unsigned how)
{
    if (!is_open(talk)) {
        return;
    }
    switch (how % 4) {
    case 0:
        talk->conn->layer->timeout(talk->conn->upper);
        break;
    case 1:
        talk->conn->layer->restart(talk->conn->upper);
        break;
    case 2:
        shutdown(talk->fd, SHUT_WR);
        break;
    default:
        break;
    }
    settle(talk);
}

static void must_be_answers(struct str got)
{
    struct str line, rest;

    MUST(got.len == 0 || str_starts(got, STR("HTTP/1.1 ")));
    for (rest = got; rest.len > 0;) {
        str_cut(rest, '\n', &line, &rest);
        if (str_starts(line, STR("HTTP/1.1 "))) {
            MUST(line.len > 13 && line.at[line.len - 1] == '\r');
        }
    }
}

/* Without the last answer when that says 400 or 431: of two things that are wrong, the pieces
 * decide which is found first. */
static struct str without_end(struct str got)
{
    static const struct str ends[] = {{"HTTP/1.1 400 ", 13}, {"HTTP/1.1 431 ", 13}};

    for (size_t at = got.len; at > 0; at--) {
        struct str rest = str_skip(got, at - 1);

        if (str_starts(rest, ends[0]) || str_starts(rest, ends[1])) {
            return str_from(got.at, at);
        }
        if (str_starts(rest, STR("HTTP/1.1 "))) {
            break;
        }
    }
    return got;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_from((const char *)data, size < INPUT_MAX ? size : INPUT_MAX);
    struct talk whole, pieces;
    size_t cut = size > 0 ? data[0] : 0;
    bool ended;

    if (stage.net == NULL) {
        setup();
    }
    bytes = str_skip(bytes, 1);
    open_talk(&whole);
    say(&whole, bytes, bytes.len, 0);
    ended = !is_open(&whole);
    end(&whole, (unsigned)cut);
    close_talk(&whole);
    open_talk(&pieces);
    say(&pieces, bytes, 1 + cut / 4 % 8, cut / 32);
    MUST(ended == !is_open(&pieces));
    end(&pieces, (unsigned)cut);
    close_talk(&pieces);
    MUST(str_equal(without_end(without_dates(&whole.got)),
                   without_end(without_dates(&pieces.got))));
    must_be_answers(buf_str(&whole.got));
    buf_finish(&whole.got);
    buf_finish(&pieces.got);
    return 0;
}
