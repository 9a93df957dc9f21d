/* The doors: listening sockets, public and admin. */
#include "gateway/net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/net/conn.h"
#include "gateway/net/preface.h"
#include "gateway/net/refusal.h"

enum {
    BACKLOG = 4096,
    REFUSALS_MAX = 256, /* connections beyond the limit that are told so; more are cut */
    FILES_KEPT = 24 /* descriptors that clients never get: for Redis and the admin listener */
};

struct listener {
    uv_tcp_t tcp;
    struct net *net;
    bool admin;
};

/* The kernel gives the lowest free number, so a high one means that few are left. */
static bool is_scarce(const struct net *net, const struct conn *conn, uint64_t left)
{
    uv_os_fd_t fd;

    return uv_fileno((const uv_handle_t *)&conn->tcp, &fd) != 0 ||
           (uint64_t)fd + left >= net->files_max;
}

/* One too many: the answer goes out before the request came. */
static void turn_away(struct net *net, struct conn *conn)
{
    net->services->metrics->rejected[METRICS_REJECTION_CONNECTIONS]++;
    if (net->conn_count > net->services->config->max_connections + REFUSALS_MAX ||
        is_scarce(net, conn, FILES_KEPT)) {
        conn_cut(conn, REASON_HTTP_BAD);
        return;
    }
    refusal_answer(conn, ERR_UNAVAILABLE, "no more connections are taken here");
}

static void welcome(struct net *net, struct conn *conn)
{
    if (conn == NULL) {
        return;
    }
    preface_attach(conn);
    if (!conn->admin) {
        conn->counted = true;
        if (++net->conn_count > net->services->config->max_connections ||
            is_scarce(net, conn, 2 * FILES_KEPT)) {
            turn_away(net, conn);
            return;
        }
    }
    if (!conn_start(conn)) {
        conn_cut(conn, REASON_PEER_LOST);
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;

    if (status != 0) {
        log_write(LOG_WARN, "accept failed", LOG_TEXT("why", uv_strerror(status)));
        return;
    }
    welcome(listener->net, conn_accept(listener->net, stream, listener->admin));
}

/* Who stands at the door when it closes would be reset by the kernel: he is let in, and told
 * what this process has to tell. What comes in the microseconds between is reset still, unless
 * the kernel hands it to another process on the port (tcp_migrate_req). */
static void let_in_the_last(struct listener *listener)
{
    uv_os_fd_t door;
    int fd;

    if (listener->admin || uv_fileno((const uv_handle_t *)&listener->tcp, &door) != 0) {
        return;
    }
    while ((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        welcome(listener->net, conn_adopt(listener->net, fd));
    }
}

static int fill_address(const struct config_address *address, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof(*to));
    if (uv_ip4_addr(address->host, address->port, (struct sockaddr_in *)to) == 0) {
        return 0;
    }
    return uv_ip6_addr(address->host, address->port, (struct sockaddr_in6 *)to);
}

/* libuv sets SO_REUSEADDR alone, so the socket is made here. Returns the descriptor or a
 * negative libuv error. */
static int bind_socket(const struct sockaddr_storage *address, bool shared)
{
    socklen_t size = address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                   : sizeof(struct sockaddr_in6);
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, error;

    if (fd < 0) {
        return uv_translate_sys_error(errno);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
        bind(fd, (const struct sockaddr *)address, size) != 0) {
        error = uv_translate_sys_error(errno);
        close(fd);
        return error;
    }
    return fd;
}

static void log_address(const struct listener *listener, const char *event)
{
    struct sockaddr_storage address;
    int size = sizeof(address);
    char host[INET6_ADDRSTRLEN];
    struct buf text = {0};

    uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&address, &size);
    uv_ip_name((struct sockaddr *)&address, host, sizeof(host));
    /* The port stands at the same place in both kinds of address. */
    buf_addf(&text, address.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
             ntohs(((struct sockaddr_in *)&address)->sin_port));
    log_write(LOG_INFO, event, LOG_STR("address", buf_str(&text)));
    buf_finish(&text);
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

struct listener *listen_open(struct net *net, const struct config_address *address, bool admin,
                             const char *event, const char **why)
{
    struct sockaddr_storage target;
    struct listener *listener;
    int fd, error = fill_address(address, &target);

    fd = error == 0 ? bind_socket(&target, !admin) : error;
    if (fd < 0) {
        *why = uv_strerror(fd);
        return NULL;
    }
    listener = mem_zero(sizeof(*listener));
    listener->net = net;
    listener->admin = admin;
    listener->tcp.data = listener;
    uv_tcp_init(net->loop, &listener->tcp);
    error = uv_tcp_open(&listener->tcp, fd);
    if (error == 0) {
        error = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
    }
    if (error != 0) {
        *why = uv_strerror(error);
        listen_close(listener);
        return NULL;
    }
    log_address(listener, event);
    return listener;
}

void listen_close(struct listener *listener)
{
    if (listener != NULL) {
        let_in_the_last(listener);
        uv_close((uv_handle_t *)&listener->tcp, on_closed);
    }
}
