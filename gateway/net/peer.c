/* Who the client is when proxies stand between. */
#include "gateway/net/peer.h"

#include <arpa/inet.h>
#include <string.h>

/* Reads an address; IPv4 becomes ::ffff:a.b.c.d, as a conn keeps it. */
static bool read_address(struct str text, struct in6_addr *to)
{
    char copy[INET6_ADDRSTRLEN];

    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET6, copy, to) == 1) {
        return true;
    }
    memset(to, 0, sizeof(*to));
    to->s6_addr[10] = to->s6_addr[11] = 0xff;
    return inet_pton(AF_INET, copy, &to->s6_addr[12]) == 1;
}

/* The last item of a comma separated list, taken off its end. */
static struct str take_last(struct str *list)
{
    const char *comma = list->len > 0 ? memrchr(list->at, ',', list->len) : NULL;
    struct str item = *list;

    if (comma != NULL) {
        item = str_skip(*list, (size_t)(comma - list->at) + 1);
    }
    list->len = comma != NULL ? (size_t)(comma - list->at) : 0;
    return str_trim(item);
}

struct str peer_of(const struct conn *conn, const struct request *request,
                   char room[INET6_ADDRSTRLEN])
{
    const struct config *config = conn->net->services->config;
    struct str list = request_header(request, STR("X-Forwarded-For"));
    struct str peer;

    conn_peer_text(conn, room);
    peer = str_of(room);
    /* From the right: each address was written by the one before it, which must be trusted. */
    while (list.len > 0 && config_trusts(config, peer)) {
        struct str item = take_last(&list);

        if (!read_address(item, &(struct in6_addr){0})) {
            break;
        }
        peer = item;
    }
    return peer;
}

void peer_adopt(struct conn *conn, struct str peer)
{
    struct in6_addr address;

    if (read_address(peer, &address)) {
        conn->peer = address;
    }
}
