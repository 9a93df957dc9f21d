/* Who the client is when proxies stand between. */
#include "gateway/net/peer.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_address(struct str text)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr room;

    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET, copy, &room) == 1 || inet_pton(AF_INET6, copy, &room) == 1;
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

        if (!is_address(item)) {
            break;
        }
        peer = item;
    }
    return peer;
}
