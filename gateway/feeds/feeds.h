/* The built-in feeds: topics that tell a line of a file once per period.
 *
 * Every process has the same timers and asks the same script when a period begins; the script
 * tells the line for the first who asks (scripts/lua/feed_tick.lua). So a line is told once
 * however many processes run, goes on being told while one of them is left, and nobody has to
 * be chosen. Where the feed stands is known by Redis alone. */
#ifndef SEGUE_FEEDS_FEEDS_H
#define SEGUE_FEEDS_FEEDS_H

#include <uv.h>

#include "gateway/config.h"
#include "gateway/store/store.h"

enum {
    FEEDS_WHY_MAX = 512
};

struct feeds;

/* Reads the files; NULL, with a sentence in `why`, when one is no good. `config` and `store`
 * are borrowed. */
struct feeds *feeds_create(const struct config *config, struct store *store,
                           char why[FEEDS_WHY_MAX]);
void feeds_start(struct feeds *feeds, uv_loop_t *loop);
/* Reads the files again; of one that is no good, the old lines stay. */
void feeds_reload(struct feeds *feeds);
void feeds_stop(struct feeds *feeds);    /* the loop must run until the handles are closed */
void feeds_destroy(struct feeds *feeds); /* NULL is fine */

#endif
