/* Asks a sentinel, or a node of a cluster, one question over a connection of its own. Private
 * to store/.
 *
 * Who is asked next when somebody does not answer is the owner's business. */
#ifndef SEGUE_STORE_SCOUT_H
#define SEGUE_STORE_SCOUT_H

#include "gateway/store/link.h"
#include "gateway/store/lookup.h"
#include "gateway/store/server.h"

struct tls;

/* `reply` is borrowed; NULL: nobody answered, `why` says why. May run inside scout_ask. */
typedef void scout_fn(void *owner, const struct redisReply *reply, const char *why);

/* The first part is given by the owner and borrowed; the rest zero is ready. */
struct scout {
    uv_loop_t *loop;
    const char *user, *password; /* NULL = none */
    struct tls *tls;             /* NULL = without */
    const struct str *question;
    size_t words; /* of the question */
    scout_fn *told;
    void *owner;

    struct server asked;
    struct link *link; /* owned until it says closed */
    struct lookup lookup;
    uint64_t asked_ms;
    bool busy; /* an answer is due */
};

/* One question at a time; false when one is under way. */
bool scout_ask(struct scout *scout, const struct server *address);
void scout_tick(struct scout *scout); /* now and then: gives up who is silent */
void scout_flush(struct scout *scout);
void scout_stop(struct scout *scout); /* nobody is told anything any more */

#endif
