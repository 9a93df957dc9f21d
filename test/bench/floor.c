/* segue-floor: what this machine can do at all. A WebSocket server that frames and forwards in
 * memory: no Redis, no identity, no checks, no limits, no heartbeats. GET /NAME joins the group
 * NAME; each text goes to all others of the group.
 *
 * It does what is known to be fast: one read buffer, and one write per socket and loop turn. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <uv.h>

#include "common/buf.h"
#include "common/mem.h"

enum {
    READ_MAX = 64 * 1024,
    PATH_MAX_BYTES = 64,
    BACKLOG = 4096,
    TEXT_HEAD = 0x81, /* a final frame of text */
    KIND_CLOSE = 8,
    SHORT_MAX = 125,
    TWO_BYTES = 126
};

struct client;

struct group {
    char name[PATH_MAX_BYTES];
    struct client **members; /* owned */
    unsigned count, room;
    UT_hash_handle hh;
};

struct client {
    uv_tcp_t tcp;
    struct group *group; /* borrowed; NULL before the upgrade */
    unsigned place;      /* in the group's members */
    struct buf in;       /* an incomplete head or frame */
    struct buf out;      /* what this turn has to say */
    struct client *next_dirty;
    bool dirty, closing;
};

static struct group *groups;
static struct client *dirty; /* clients with something in `out` */
static char room[READ_MAX];

/* ---- writing ---- */

struct rest {
    uv_write_t write;
    char *bytes; /* owned */
};

static void on_written(uv_write_t *write, int status)
{
    struct rest *rest = (struct rest *)write;

    (void)status;
    mem_free(rest->bytes);
    mem_free(rest);
}

static void say(struct client *client, struct str bytes)
{
    buf_add(&client->out, bytes);
    if (!client->dirty) {
        client->dirty = true;
        client->next_dirty = dirty;
        dirty = client;
    }
}

static void flush(struct client *client)
{
    uv_buf_t bytes = uv_buf_init(client->out.at, (unsigned)client->out.len);
    int sent =
        client->closing ? (int)bytes.len : uv_try_write((uv_stream_t *)&client->tcp, &bytes, 1);

    if (sent < 0) {
        sent = 0;
    }
    if ((size_t)sent < bytes.len) {
        struct rest *rest = mem_alloc(sizeof(*rest));

        buf_drop(&client->out, (size_t)sent);
        bytes.len = client->out.len;
        rest->bytes = bytes.base = buf_take(&client->out);
        uv_write(&rest->write, (uv_stream_t *)&client->tcp, &bytes, 1, on_written);
    }
    buf_clear(&client->out);
}

static void flush_all(uv_check_t *check)
{
    (void)check;
    while (dirty != NULL) {
        struct client *client = dirty;

        dirty = client->next_dirty;
        client->dirty = false;
        flush(client);
    }
}

/* ---- groups ---- */

static void join(struct client *client, struct str name)
{
    struct group *group;

    HASH_FIND(hh, groups, name.at, name.len, group);
    if (group == NULL) {
        group = mem_zero(sizeof(*group));
        memcpy(group->name, name.at, name.len);
        HASH_ADD_KEYPTR(hh, groups, group->name, name.len, group);
    }
    if (group->count == group->room) {
        group->room = group->room * 2 + 1;
        group->members = mem_grow(group->members, group->room * sizeof(group->members[0]));
    }
    client->group = group;
    client->place = group->count;
    group->members[group->count++] = client;
}

static void leave(struct client *client)
{
    struct group *group = client->group;

    if (group != NULL) {
        group->members[client->place] = group->members[--group->count];
        group->members[client->place]->place = client->place;
        client->group = NULL;
    }
}

static void forward(struct client *from, struct str text)
{
    char frame[4 + 65536];
    size_t head = 2;

    frame[0] = (char)TEXT_HEAD;
    if (text.len <= SHORT_MAX) {
        frame[1] = (char)text.len;
    } else {
        frame[1] = (char)TWO_BYTES;
        frame[2] = (char)(text.len >> 8);
        frame[3] = (char)text.len;
        head = 4;
    }
    memcpy(frame + head, text.at, text.len);
    for (unsigned i = 0; i < from->group->count; i++) {
        if (from->group->members[i] != from) {
            say(from->group->members[i], str_from(frame, head + text.len));
        }
    }
}

/* ---- reading ---- */

static void on_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;

    flush_all(NULL); /* it may stand in the list */
    buf_finish(&client->in);
    buf_finish(&client->out);
    mem_free(client);
}

static void close_client(struct client *client)
{
    if (!client->closing) {
        client->closing = true;
        leave(client);
        uv_close((uv_handle_t *)&client->tcp, on_closed);
    }
}

/* Returns how many bytes the request takes; 0: it is not complete. */
static size_t upgrade(struct client *client, struct str bytes)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", mark[] = "-Key: ";
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[24 + sizeof(guid)], accept[32];
    const char *end = memmem(bytes.at, bytes.len, "\r\n\r\n", 4), *key, *blank;

    if (end == NULL) {
        return 0;
    }
    key = memmem(bytes.at, bytes.len, mark, sizeof(mark) - 1);
    blank = memchr(bytes.at + 5, ' ', bytes.len - 5);
    if (key == NULL || blank == NULL || end - key < 24 + (long)sizeof(mark) - 1 ||
        blank - bytes.at - 5 >= PATH_MAX_BYTES) {
        close_client(client);
        return bytes.len;
    }
    memcpy(text, key + sizeof(mark) - 1, 24);
    memcpy(text + 24, guid, sizeof(guid));
    SHA1((unsigned char *)text, 24 + sizeof(guid) - 1, digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
    say(client, STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Accept: "));
    say(client, str_of(accept));
    say(client, STR("\r\n\r\n"));
    join(client, str_from(bytes.at + 5, (size_t)(blank - bytes.at) - 5));
    return (size_t)(end - bytes.at) + 4;
}

static void unmask(char *at, size_t length, const char mask[4])
{
    uint32_t part;
    uint64_t wide, eight;
    size_t i = 0;

    memcpy(&part, mask, 4);
    wide = part | (uint64_t)part << 32;
    for (; i + 8 <= length; i += 8) {
        memcpy(&eight, at + i, 8);
        eight ^= wide;
        memcpy(at + i, &eight, 8);
    }
    for (; i < length; i++) {
        at[i] = (char)(at[i] ^ mask[i % 4]);
    }
}

/* Returns how many bytes the frame takes; 0: it is not complete. */
static size_t take_frame(struct client *client, char *at, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)at;
    size_t head = 6, size;

    if (length < head) {
        return 0;
    }
    size = bytes[1] & 0x7f;
    if (size >= TWO_BYTES) {
        head = 8;
        size = (size_t)bytes[2] << 8 | bytes[3];
    }
    if (length < head + size) {
        return 0;
    }
    if (bytes[0] == TEXT_HEAD) {
        unmask(at + head, size, at + head - 4);
        forward(client, str_from(at + head, size));
    } else if ((bytes[0] & 0x0f) == KIND_CLOSE) {
        close_client(client);
    }
    return head + size;
}

static void take(struct client *client, char *at, size_t length)
{
    while (length > 0 && !client->closing) {
        size_t size = client->group == NULL ? upgrade(client, str_from(at, length))
                                            : take_frame(client, at, length);

        if (size == 0) {
            break;
        }
        at += size;
        length -= size;
    }
    buf_clear(&client->in);
    if (length > 0) {
        buf_add(&client->in, str_from(at, length));
    }
}

static void on_room(uv_handle_t *handle, size_t wish, uv_buf_t *buf)
{
    struct client *client = handle->data;

    (void)wish;
    *buf = uv_buf_init(room + client->in.len, (unsigned)(READ_MAX - client->in.len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct client *client = stream->data;

    (void)buf;
    if (got < 0) {
        close_client(client);
    } else if (got > 0) {
        if (client->in.len > 0) {
            memcpy(room, client->in.at, client->in.len);
        }
        take(client, room, client->in.len + (size_t)got);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct client *client = mem_zero(sizeof(*client));

    uv_tcp_init(listener->loop, &client->tcp);
    client->tcp.data = client;
    if (status != 0 || uv_accept(listener, (uv_stream_t *)&client->tcp) != 0) {
        close_client(client);
        return;
    }
    uv_tcp_nodelay(&client->tcp, 1);
    uv_read_start((uv_stream_t *)&client->tcp, on_room, on_read);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    uv_check_t check;
    struct sockaddr_in address;
    int size = sizeof(address);

    if (argc != 2 || uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address) != 0) {
        fputs("usage: segue-floor PORT (on 127.0.0.1; 0 picks one)\n", stderr);
        return 2;
    }
    uv_check_init(loop, &check);
    uv_check_start(&check, flush_all);
    uv_tcp_init(loop, &listener);
    if (uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection) != 0) {
        fputs("segue-floor: the port is taken\n", stderr);
        return 1;
    }
    uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size);
    fprintf(stderr, "info listening address=127.0.0.1:%d\n", ntohs(address.sin_port));
    return uv_run(loop, UV_RUN_DEFAULT);
}
