/* Thousands of WebSocket clients in one thread, on epoll.
 *
 *     NEW -connect-> CONNECTING -request-> UPGRADING -101-> GREETED -first frame-> READY
 *
 * One read buffer serves all; a client owns memory only for a frame that came in part, or for
 * bytes that its socket did not take. */
#include "test/bench/swarm.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/mem.h"
#include "test/bench/fetch.h"
#include "test/bench/frame.h"
#include "test/bench/token.h"

enum {
    EVENTS_MAX = 1024,
    READ_MAX = 256 * 1024,
    QUIET_NS = 1000000000, /* longest wait of a turn */
    PATIENCE = 30          /* seconds in which at least one more client must become ready */
};

static void fail(const struct client *client, const char *what)
{
    die("client %u of user-%u: %s", client->number, client->user, what);
}

/* ---- writing ---- */

static void watch_for(struct swarm *swarm, struct client *client, int operation,
                      uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};

    if (epoll_ctl(swarm->epoll, operation, client->fd, &event) != 0) {
        fail(client, strerror(errno));
    }
}

static void put(struct swarm *swarm, struct client *client, struct str bytes)
{
    ssize_t sent = 0;

    if (!client->clogged) {
        sent = send(client->fd, bytes.at, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            fail(client, strerror(errno));
        }
        sent = sent < 0 ? 0 : sent;
    }
    if ((size_t)sent < bytes.len) {
        buf_add(&client->out, str_skip(bytes, (size_t)sent));
        if (!client->clogged) {
            client->clogged = true;
            watch_for(swarm, client, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
        }
    }
}

static void unclog(struct swarm *swarm, struct client *client)
{
    ssize_t sent = send(client->fd, client->out.at, client->out.len, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        fail(client, strerror(errno));
    }
    buf_drop(&client->out, sent < 0 ? 0 : (size_t)sent);
    if (client->out.len == 0) {
        buf_finish(&client->out);
        client->clogged = false;
        watch_for(swarm, client, EPOLL_CTL_MOD, EPOLLIN);
    }
}

static void put_frame(struct swarm *swarm, struct client *client, enum frame_kind kind,
                      struct str payload)
{
    static struct buf frame;

    swarm->random = swarm->random * 1664525 + 1013904223;
    buf_clear(&frame);
    frame_write(kind, payload, swarm->random, &frame);
    put(swarm, client, buf_str(&frame));
}

void swarm_send(struct swarm *swarm, struct client *client, struct str update)
{
    const struct dialect *dialect = swarm->bench->dialect;
    static struct buf text;

    if (dialect->before.len == 0) {
        put_frame(swarm, client, FRAME_TEXT, update);
        return;
    }
    buf_clear(&text);
    buf_add(&text, dialect->before);
    buf_add(&text, update);
    buf_add(&text, dialect->after);
    put_frame(swarm, client, FRAME_TEXT, buf_str(&text));
}

/* ---- opening ---- */

static void enter(struct client *client, enum client_phase phase)
{
    client->phase = phase;
}

static void become_ready(struct swarm *swarm, struct client *client)
{
    enter(client, CLIENT_READY);
    mem_free(client->token);
    client->token = NULL;
    swarm->ready++;
    if (swarm->on_ready != NULL) {
        swarm->on_ready(swarm->context, client);
    }
}

static void start(struct swarm *swarm, struct client *client)
{
    const struct bench *bench = swarm->bench;
    int one = 1;
    struct linger reset = {.l_onoff = 1}; /* leaves no socket in TIME_WAIT */

    client->open_ns = now_ns();
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        fail(client, strerror(errno));
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (bench->from.sin_addr.s_addr != 0) { /* the port is chosen by connect */
        setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
        if (bind(client->fd, (const struct sockaddr *)&bench->from, sizeof(bench->from)) != 0) {
            fail(client, strerror(errno));
        }
    }
    if (connect(client->fd, (const struct sockaddr *)&bench->server, sizeof(bench->server)) !=
            0 &&
        errno != EINPROGRESS) {
        fail(client, strerror(errno));
    }
    enter(client, CLIENT_CONNECTING);
    watch_for(swarm, client, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void start_some(struct swarm *swarm)
{
    while (swarm->started < swarm->goal &&
           swarm->started - swarm->ready < swarm->bench->opening) {
        start(swarm, &swarm->clients[swarm->started++]);
    }
}

/* A client that polls asks for what there is, or says `packets`. */
static void fetch(struct swarm *swarm, struct client *client, struct str packets)
{
    struct buf request = {0};

    fetch_request(swarm->bench->dialect->path, client->sid, packets, &request);
    put(swarm, client, buf_str(&request));
    buf_finish(&request);
}

static void ask(struct swarm *swarm, struct client *client)
{
    struct buf request = {0};
    char user[32];
    int error = 0;
    socklen_t size = sizeof(error);

    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        fail(client, strerror(error));
    }
    enter(client, CLIENT_UPGRADING);
    watch_for(swarm, client, EPOLL_CTL_MOD, EPOLLIN);
    if (swarm->bench->dialect->polls) {
        fetch(swarm, client, buf_str(&request));
        return;
    }
    snprintf(user, sizeof(user), "user-%u", client->user);
    dialect_request(swarm->bench->dialect, user, client->token, &request);
    put(swarm, client, buf_str(&request));
    buf_finish(&request);
}

/* Returns how many bytes the answer's head takes; 0: it is not complete. */
static size_t read_answer(struct swarm *swarm, struct client *client, struct str bytes)
{
    const char *end = memmem(bytes.at, bytes.len, "\r\n\r\n", 4);

    if (end == NULL) {
        return 0;
    }
    if (!str_starts(bytes, STR("HTTP/1.1 101 "))) {
        die("client %u of user-%u was refused: %.*s", client->number, client->user,
            (int)(end - bytes.at), bytes.at);
    }
    enter(client, CLIENT_GREETED);
    if (!swarm->bench->dialect->greets) {
        become_ready(swarm, client);
    }
    return (size_t)(end - bytes.at) + 4;
}

/* ---- reading ---- */

/* Adds to `answer` what the text wants to be answered. */
static void take_text(struct swarm *swarm, struct client *client, struct str text,
                      struct buf *answer)
{
    struct str update;

    switch (swarm->bench->dialect->hear(text, client->token, &update, answer)) {
    case HEARD_UPDATE:
        if (client->phase == CLIENT_READY && swarm->on_update != NULL) {
            swarm->on_update(swarm->context, client, update);
            break;
        }
        die("client %u of user-%u got, out of turn: %.*s", client->number, client->user,
            STR_ARG(text));
    case HEARD_READY:
        if (client->phase == CLIENT_GREETED) {
            become_ready(swarm, client);
        }
        break;
    case HEARD_QUESTION:
    case HEARD_NOTHING:
        break;
    case HEARD_TROUBLE:
        die("client %u of user-%u got: %.*s", client->number, client->user, STR_ARG(text));
    }
}

static void take_frame(struct swarm *swarm, struct client *client, enum frame_kind kind,
                       struct str payload)
{
    static struct buf answer;

    buf_clear(&answer);
    if (kind == FRAME_TEXT) {
        take_text(swarm, client, payload, &answer);
        if (answer.len > 0) {
            put_frame(swarm, client, FRAME_TEXT, buf_str(&answer));
        }
    } else if (kind == FRAME_PING) {
        put_frame(swarm, client, FRAME_PONG, payload);
    } else if (kind == FRAME_CLOSE) {
        const unsigned char *code = (const unsigned char *)payload.at;

        die("client %u of user-%u was closed: %d %.*s", client->number, client->user,
            payload.len >= 2 ? code[0] << 8 | code[1] : 0, STR_ARG(str_skip(payload, 2)));
    } else if (kind != FRAME_PONG) {
        fail(client, "a frame of an unexpected kind");
    }
}

/* ---- polling: the same packets, in answers to requests, of which there is always one ---- */

static void take_body(struct swarm *swarm, struct client *client, struct str body)
{
    static struct buf answers;
    struct str packet;

    buf_clear(&answers);
    if (str_equal(body, STR("ok"))) { /* of a POST */
        fetch(swarm, client, buf_str(&answers));
        return;
    }
    while (fetch_next(&body, &packet)) {
        if (client->phase == CLIENT_UPGRADING && fetch_open(packet, client->sid)) {
            enter(client, CLIENT_GREETED);
        }
        take_text(swarm, client, packet, &answers); /* two questions never come together */
    }
    fetch(swarm, client, buf_str(&answers));
}

/* Returns what is not complete yet. */
static struct str take_answers(struct swarm *swarm, struct client *client, struct str bytes)
{
    struct str body;
    size_t size;

    for (;;) {
        switch (fetch_read(bytes, &body, &size)) {
        case FRAME_MORE:
            return bytes;
        case FRAME_BAD:
            die("client %u of user-%u got: %.*s", client->number, client->user, STR_ARG(bytes));
        case FRAME_DONE:
            take_body(swarm, client, body);
            bytes = str_skip(bytes, size);
        }
    }
}

/* ---- both ---- */

/* Returns what is not complete yet. */
static struct str take(struct swarm *swarm, struct client *client, struct str bytes)
{
    if (swarm->bench->dialect->polls) {
        return take_answers(swarm, client, bytes);
    }
    if (client->phase == CLIENT_UPGRADING) {
        bytes = str_skip(bytes, read_answer(swarm, client, bytes));
        if (client->phase == CLIENT_UPGRADING) {
            return bytes;
        }
    }
    for (;;) {
        enum frame_kind kind;
        struct str payload;
        size_t size;

        switch (frame_read(bytes, &kind, &payload, &size)) {
        case FRAME_MORE:
            return bytes;
        case FRAME_BAD:
            fail(client, "a frame that can't be read");
            break;
        case FRAME_DONE:
            take_frame(swarm, client, kind, payload);
            bytes = str_skip(bytes, size);
        }
    }
}

static void read_client(struct swarm *swarm, struct client *client)
{
    static char room[READ_MAX];
    size_t kept = client->in.len;
    struct str rest;
    ssize_t got;

    if (kept > 0) {
        memcpy(room, client->in.at, kept);
    }
    got = recv(client->fd, room + kept, sizeof(room) - kept, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        fail(client, got == 0 ? "the server closed the connection" : strerror(errno));
    }
    buf_clear(&client->in);
    rest = take(swarm, client, str_from(room, kept + (size_t)got));
    if (rest.len > 0) {
        buf_add(&client->in, rest);
    } else if (kept > 0) {
        buf_finish(&client->in);
    }
}

static void handle(struct swarm *swarm, struct client *client, uint32_t events)
{
    if (client->phase == CLIENT_CONNECTING) {
        ask(swarm, client);
        return;
    }
    if (events & EPOLLOUT) {
        unclog(swarm, client);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        read_client(swarm, client);
    }
}

void swarm_turn(struct swarm *swarm, uint64_t wait_ns)
{
    struct epoll_event events[EVENTS_MAX];
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000),
                            .tv_nsec = (long)(wait_ns % 1000000000)};
    int count;

    start_some(swarm);
    count = epoll_pwait2(swarm->epoll, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++) {
        swarm->now_ns = now_ns();
        handle(swarm, events[i].data.ptr, events[i].events);
    }
}

/* ---- life ---- */

void swarm_init(struct swarm *swarm, const struct bench *bench)
{
    memset(swarm, 0, sizeof(*swarm));
    swarm->bench = bench;
    swarm->count = bench->users * bench->devices;
    swarm->random = (uint32_t)now_ns();
    swarm->epoll = epoll_create1(EPOLL_CLOEXEC);
    swarm->clients = mem_zero(swarm->count * sizeof(swarm->clients[0]));
    for (unsigned i = 0; i < swarm->count; i++) {
        struct client *client = &swarm->clients[i];
        struct buf token = {0};
        char user[32];

        client->number = i;
        client->user = bench->first + i / bench->devices;
        client->fd = -1;
        client->sid = bench->dialect->polls ? mem_zero(FETCH_SID_MAX) : NULL;
        if (bench->secret != NULL) {
            snprintf(user, sizeof(user), "user-%u", client->user);
            token_write(user, bench->secret, &token);
            buf_text(&token);
            client->token = buf_take(&token);
        }
    }
}

void swarm_open(struct swarm *swarm)
{
    uint64_t end = now_ns() + PATIENCE * 1000000000ULL;
    unsigned ready = 0;

    swarm->goal = swarm->count;
    while (swarm->ready < swarm->count) {
        swarm_turn(swarm, QUIET_NS);
        if (swarm->ready > ready) {
            ready = swarm->ready;
            end = now_ns() + PATIENCE * 1000000000ULL;
        } else if (now_ns() > end) {
            die("only %u of %u clients became ready", swarm->ready, swarm->count);
        }
    }
}

void swarm_finish(struct swarm *swarm)
{
    for (unsigned i = 0; i < swarm->count; i++) {
        struct client *client = &swarm->clients[i];

        if (client->fd >= 0) {
            close(client->fd);
        }
        mem_free(client->token);
        mem_free(client->sid);
        buf_finish(&client->in);
        buf_finish(&client->out);
    }
    mem_free(swarm->clients);
    close(swarm->epoll);
}
