/* Who the client is when proxies stand between. */
#include "gateway/net/peer.h"

#include <string.h>

#include "common/address.h"

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

/* Goes one header's list up from its end, as long as who wrote an item is trusted; false: the
 * client is known, and what stands further up is hearsay. */
static bool climb(const struct config *config, struct str list, char peer[ADDRESS_TEXT_MAX])
{
    uint8_t address[ADDRESS_BYTES];

    do {
        if (!config_trusts(config, str_of(peer)) ||
            !address_read_with_port(take_last(&list), address)) {
            return false;
        }
        address_print(address, peer);
    } while (list.len > 0);
    return true;
}

struct str peer_of(const struct conn *conn, const struct request *request,
                   char room[INET6_ADDRSTRLEN])
{
    const struct config *config = conn->net->services->config;
    size_t i = request->header_count;
    bool more = true;

    conn_peer_text(conn, room);
    /* From the end: each address was written by the one behind it, which must be trusted. A
     * proxy may have put its own header behind the client's. */
    while (more && i-- > 0) {
        if (str_equal_nocase(request->headers[i].name, STR("X-Forwarded-For"))) {
            more = climb(config, request->headers[i].value, room);
        }
    }
    return str_of(room);
}

void peer_adopt(struct conn *conn, struct str peer)
{
    uint8_t address[ADDRESS_BYTES];

    if (address_read(peer, address)) {
        memcpy(&conn->peer, address, ADDRESS_BYTES);
    }
}
