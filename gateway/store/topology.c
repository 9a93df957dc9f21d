/* Which Redis is master of what, as a sentinel or a node of a cluster tells it. */
#include "gateway/store/topology.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/mem.h"

static struct topology *create(void)
{
    struct topology *topology = mem_zero(sizeof(*topology));

    memset(topology->slots, 0xff, sizeof(topology->slots));
    return topology;
}

void topology_destroy(struct topology *topology)
{
    if (topology != NULL) {
        mem_free(topology->masters);
        mem_free(topology);
    }
}

/* Its number; TOPOLOGY_NOBODY when there are too many. */
static uint16_t number_of(struct topology *topology, const struct server *master)
{
    for (size_t i = 0; i < topology->count; i++) {
        if (server_equal(&topology->masters[i], master)) {
            return (uint16_t)i;
        }
    }
    if (topology->count == TOPOLOGY_MASTERS_MAX) {
        return TOPOLOGY_NOBODY;
    }
    topology->masters =
        mem_grow(topology->masters, (topology->count + 1) * sizeof(topology->masters[0]));
    topology->masters[topology->count] = *master;
    return (uint16_t)topology->count++;
}

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
}

static bool is_port(long long number)
{
    return number > 0 && number <= UINT16_MAX;
}

/* [host, port, ...]; nil or an empty host: whoever was asked. */
static bool read_master(const redisReply *node, const struct server *asked,
                        struct server *master)
{
    struct str host = str_of(asked->host);

    if (node->type != REDIS_REPLY_ARRAY || node->elements < 2 ||
        node->element[1]->type != REDIS_REPLY_INTEGER || !is_port(node->element[1]->integer)) {
        return false;
    }
    if (is_text(node->element[0]) && node->element[0]->len > 0) {
        host = str_from(node->element[0]->str, (size_t)node->element[0]->len);
    }
    return server_set(master, host, (uint16_t)node->element[1]->integer);
}

/* [first, last, master, replica...] */
static bool read_range(struct topology *topology, const redisReply *range,
                       const struct server *asked)
{
    struct server master;
    long long first, last;
    uint16_t number;

    if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
        range->element[0]->type != REDIS_REPLY_INTEGER ||
        range->element[1]->type != REDIS_REPLY_INTEGER ||
        !read_master(range->element[2], asked, &master)) {
        return false;
    }
    first = range->element[0]->integer;
    last = range->element[1]->integer;
    if (first < 0 || last < first || last >= SLOT_COUNT) {
        return false;
    }
    number = number_of(topology, &master);
    for (long long slot = first; slot <= last; slot++) {
        topology->slots[slot] = number;
    }
    return number != TOPOLOGY_NOBODY;
}

struct topology *topology_of_cluster(const redisReply *reply, const struct server *asked)
{
    struct topology *topology;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
        return NULL;
    }
    topology = create();
    for (size_t i = 0; i < reply->elements; i++) {
        if (!read_range(topology, reply->element[i], asked)) {
            topology_destroy(topology);
            return NULL;
        }
    }
    return topology;
}

struct topology *topology_of_sentinel(const redisReply *reply)
{
    struct topology *topology;
    struct server master;
    unsigned long long port;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        !is_text(reply->element[0]) || !is_text(reply->element[1]) ||
        !str_to_u64(str_from(reply->element[1]->str, (size_t)reply->element[1]->len),
                    UINT16_MAX, &port) ||
        !is_port((long long)port) ||
        !server_set(&master, str_from(reply->element[0]->str, (size_t)reply->element[0]->len),
                    (uint16_t)port)) {
        return NULL;
    }
    topology = create();
    memset(topology->slots, 0, sizeof(topology->slots));
    number_of(topology, &master);
    return topology;
}

bool topology_read_redirection(struct str text, const struct server *asked, uint16_t *slot,
                               struct server *to)
{
    struct str word, rest, host;
    unsigned long long number, port;
    const char *colon;

    if (!str_cut(text, ' ', &word, &rest) || !str_cut(rest, ' ', &word, &rest) ||
        !str_to_u64(word, SLOT_COUNT - 1, &number)) {
        return false;
    }
    str_cut(rest, ' ', &rest, &word);
    colon =
        rest.len > 0 ? memrchr(rest.at, ':', rest.len) : NULL; /* an IPv6 address has many */
    if (colon == NULL) {
        return false;
    }
    host = str_from(rest.at, (size_t)(colon - rest.at));
    if (!str_to_u64(str_skip(rest, host.len + 1), UINT16_MAX, &port) || port == 0) {
        return false;
    }
    *slot = (uint16_t)number;
    return server_set(to, host.len > 0 ? host : str_of(asked->host), (uint16_t)port);
}
