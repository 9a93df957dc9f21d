/* A door on loopback with the test on both sides: the gateway's connections on a loop, and
 * clients as plain sockets.
 *
 * The clock is the test's (fake_clock.h): no deadline comes by accident. Only the kernel is
 * waited for, in real time, and never for longer than it needs. One include per test. */
#ifndef SEGUE_TEST_NET_STAGE_H
#define SEGUE_TEST_NET_STAGE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "gateway/net/conn.h"
#include "test/unit/fake_clock.h"

enum {
    STAGE_WAIT_US = 200,    /* between two looks at the kernel */
    STAGE_PATIENCE = 50000, /* looks: 10 s and more */
    STAGE_QUIET = 10        /* looks without anything new that count as silence */
};

/* What a test that has endpoints puts here before stage_setup. */
static const struct endpoint stage_no_endpoints[] = {{0}};
static const struct endpoint *stage_endpoints = stage_no_endpoints;

static struct stage {
    uv_loop_t loop;
    struct config config;
    struct metrics metrics;
    struct services services;
    struct net *net;
    uint16_t port;
} stage;

/* A client's socket and what it received so far. */
struct client {
    int fd;
    bool ended; /* the gateway's FIN, or worse, came */
    bool reset;
    struct buf got;
};

/* ---- the gateway's side ---- */

static inline void stage_setup(const struct proto *const *protos)
{
    memset(&stage, 0, sizeof(stage));
    log_setup(LOG_ERROR, LOG_FORMAT_TEXT);
    uv_loop_init(&stage.loop);
    stage.config.max_message = 16384;
    stage.config.max_queue = 262144;
    stage.config.max_connections = 1000;
    stage.config.connect_timeout_ms = 10000;
    stage.config.ping_interval_ms = 25000;
    stage.config.ping_timeout_ms = 20000;
    stage.config.rate = 50;
    stage.config.burst = 100;
    stage.services = (struct services){
        .config = &stage.config, .metrics = &stage.metrics, .loop = &stage.loop};
    stage.net = net_create(&stage.loop, &stage.services, protos, stage_endpoints);
}

/* One turn of the loop as main has it: what the turn queued leaves at its end. */
static inline void stage_turn(void)
{
    uv_run(&stage.loop, UV_RUN_NOWAIT);
    net_run_laters(stage.net);
    if (stage.services.store != NULL) {
        store_flush(stage.services.store);
    }
    net_flush(stage.net);
}

/* As time goes on: every turn also flushes. */
static inline void stage_pass(uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 10 ? ms : 10;

        fake_us += step * 1000;
        ms -= step;
        stage_turn();
    }
}

/* Ends everything; every test ends by proving that the loop closes. */
static inline int stage_teardown(void)
{
    int left;

    net_close(stage.net);
    for (int i = 0; i < 10; i++) {
        stage_turn();
    }
    left = stage.net->conns != NULL;
    net_destroy(stage.net);
    return uv_loop_close(&stage.loop) != 0 || left ? -1 : 0;
}

/* The youngest connection that is not closed yet; NULL = none. */
static inline struct conn *stage_conn(void)
{
    return stage.net->conns;
}

static inline bool stage_has(const struct conn *conn)
{
    const struct conn *at = stage.net->conns;

    while (at != NULL && at != conn) {
        at = at->next;
    }
    return at != NULL;
}

static inline void stage_wait_gone(const struct conn *conn)
{
    for (int i = 0; i < STAGE_PATIENCE && stage_has(conn); i++) {
        stage_turn();
        usleep(i > 3 ? STAGE_WAIT_US : 0);
    }
    assert_false(stage_has(conn));
}

/* ---- the client's side ---- */

static inline struct client client_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(stage.port)};
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    const struct conn *before = stage_conn();

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(client.fd, F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < STAGE_PATIENCE && stage_conn() == before; i++) {
        stage_turn();
        usleep(i > 3 ? STAGE_WAIT_US : 0);
    }
    assert_ptr_not_equal(stage_conn(), before);
    return client;
}

/* Reads what is there; false when there was nothing new. */
static inline bool client_look(struct client *client)
{
    ssize_t count;

    if (client->ended) {
        return false;
    }
    count = recv(client->fd, buf_reserve(&client->got, 65536), 65536, 0);
    if (count > 0) {
        client->got.len += (size_t)count;
        return true;
    }
    if (count == 0 || errno != EAGAIN) {
        client->ended = true;
        client->reset = count < 0;
        return true;
    }
    return false;
}

/* Gives all of it to the kernel, turning the loop while that is full. */
static inline void client_push(struct client *client, struct str bytes)
{
    for (int i = 0; i < STAGE_PATIENCE && bytes.len > 0; i++) {
        ssize_t count = send(client->fd, bytes.at, bytes.len, MSG_NOSIGNAL);

        bytes = str_skip(bytes, count > 0 ? (size_t)count : 0);
        if (count <= 0) {
            stage_turn();
        }
    }
    assert_int_equal(bytes.len, 0);
}

/* Sends it and waits until the gateway has read it (or ended the connection). */
static inline void client_send(struct client *client, const struct conn *conn, struct str bytes)
{
    uint64_t due = conn->bytes_in + bytes.len;

    client_push(client, bytes);
    for (int i = 0; i < STAGE_PATIENCE && stage_has(conn) && conn->bytes_in < due; i++) {
        stage_turn();
        usleep(i > 3 ? STAGE_WAIT_US : 0);
    }
}

/* Waits until so many bytes came in all, or the end. */
static inline void client_wait(struct client *client, size_t len)
{
    for (int i = 0; i < STAGE_PATIENCE && client->got.len < len && !client->ended; i++) {
        stage_turn();
        if (!client_look(client) && i > 3) {
            usleep(STAGE_WAIT_US);
        }
    }
    assert_in_range(client->got.len, len, SIZE_MAX);
}

static inline void client_wait_end(struct client *client)
{
    for (int i = 0; i < STAGE_PATIENCE && !client->ended; i++) {
        stage_turn();
        if (!client_look(client) && i > 3) {
            usleep(STAGE_WAIT_US);
        }
    }
    assert_true(client->ended);
}

/* A WebSocket client that has got a close frame answers it, and the gateway hangs up. */
static inline void client_part(struct client *client)
{
    client_push(client, STR("\x88\x80\0\0\0\0"));
    client_wait_end(client);
}

/* Nothing more comes, and the connection stays. */
static inline void client_hears_nothing(struct client *client)
{
    size_t before = client->got.len;

    for (int i = 0; i < STAGE_QUIET; i++) {
        stage_turn();
        client_look(client);
        usleep(STAGE_WAIT_US);
    }
    assert_int_equal(client->got.len, before);
    assert_false(client->ended);
}

static inline void client_close(struct client *client)
{
    close(client->fd);
    buf_finish(&client->got);
}

#endif
