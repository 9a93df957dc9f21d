/* The address behind Redis's name, without blocking the loop. */
#include "gateway/store/lookup.h"

enum {
    TURNS = 64
}; /* addresses that are tried at most */

/* A name may have addresses where nobody listens (localhost as ::1). */
static const struct addrinfo *choose(const struct addrinfo *all, unsigned turn)
{
    const struct addrinfo *one = all;

    for (unsigned i = 0; i < turn; i++) {
        one = one->ai_next != NULL ? one->ai_next : all;
    }
    return one;
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *answer)
{
    struct lookup *lookup = request->data;
    char host[INET6_ADDRSTRLEN];

    lookup->busy = false;
    if (status == 0) {
        status = uv_ip_name(choose(answer, lookup->turn % TURNS)->ai_addr, host, sizeof(host));
    }
    if (status == 0) {
        lookup->found(lookup->owner, host, NULL);
    } else {
        lookup->found(lookup->owner, NULL, uv_strerror(status));
    }
    uv_freeaddrinfo(answer);
}

static bool is_numeric(const char *host)
{
    struct sockaddr_storage room;

    return uv_ip4_addr(host, 0, (struct sockaddr_in *)&room) == 0 ||
           uv_ip6_addr(host, 0, (struct sockaddr_in6 *)&room) == 0;
}

void lookup_start(struct lookup *lookup, uv_loop_t *loop, const char *host, lookup_fn *found,
                  void *owner)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int error;

    if (is_numeric(host)) {
        found(owner, host, NULL);
        return;
    }
    if (lookup->busy) {
        found(owner, NULL, "the name of the host is still being looked up");
        return;
    }
    lookup->found = found;
    lookup->owner = owner;
    lookup->request.data = lookup;
    error = uv_getaddrinfo(loop, &lookup->request, on_answer, host, NULL, &hints);
    lookup->busy = error == 0;
    if (error != 0) {
        found(owner, NULL, uv_strerror(error));
    }
}
