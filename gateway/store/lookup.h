/* The address behind Redis's name, without blocking the loop: asked anew at every dialing,
 * since a failover may move it. */
#ifndef SEGUE_STORE_LOOKUP_H
#define SEGUE_STORE_LOOKUP_H

#include <stdbool.h>
#include <uv.h>

/* `host` is numeric; NULL when there is none, then `why` says so. */
typedef void lookup_fn(void *owner, const char *host, const char *why);

/* One question at a time. {0} is ready. */
struct lookup {
    uv_getaddrinfo_t request;
    lookup_fn *found;
    void *owner;
    bool busy;
    unsigned turn; /* which of several addresses to give: raised when one led nowhere */
};

/* A numeric address is found at once, from inside. A question while another is under way fails
 * at once. */
void lookup_start(struct lookup *lookup, uv_loop_t *loop, const char *host, lookup_fn *found,
                  void *owner);

#endif
