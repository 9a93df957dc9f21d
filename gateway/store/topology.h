/* Which Redis is master of what, as a sentinel or a node of a cluster tells it. Pure. */
#ifndef SEGUE_STORE_TOPOLOGY_H
#define SEGUE_STORE_TOPOLOGY_H

#include "gateway/store/server.h"
#include "gateway/store/slot.h"

struct redisReply;

enum {
    TOPOLOGY_MASTERS_MAX = 1024,
    TOPOLOGY_NOBODY = 0xffff
};

struct topology {
    struct server *masters;     /* owned */
    size_t count;               /* never 0 */
    uint16_t slots[SLOT_COUNT]; /* number of the master, or TOPOLOGY_NOBODY */
};

/* Both: NULL when the answer is none; else topology_destroy it. */

/* An answer to CLUSTER SLOTS. A node that does not know its own name is `asked`. */
struct topology *topology_of_cluster(const struct redisReply *reply,
                                     const struct server *asked);
/* An answer to SENTINEL GET-MASTER-ADDR-BY-NAME: one master has all. */
struct topology *topology_of_sentinel(const struct redisReply *reply);
void topology_destroy(struct topology *topology);

/* host:port as Redis writes it behind MOVED SLOT and ASK SLOT; without a host: `asked`. */
bool topology_read_redirection(struct str text, const struct server *asked, uint16_t *slot,
                               struct server *to);

#endif
