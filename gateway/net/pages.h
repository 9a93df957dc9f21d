/* The pages, scripts and styles that are embedded in the binary: found by path, served with
 * ETag and gzip. */
#ifndef SEGUE_NET_PAGES_H
#define SEGUE_NET_PAGES_H

#include "gateway/net/http.h"

/* Which listener has it. */
enum page_door {
    PAGE_PUBLIC,
    PAGE_ADMIN,
    PAGE_BOTH
};

struct page {
    struct str path; /* "/player" */
    struct str type;
    struct str etag; /* with its quotes */
    struct str plain;
    struct str gzip;
    bool shared; /* pages of other origins may load it, as --origins says */
    enum page_door door;
};

/* NULL when that listener has no such page. */
const struct page *pages_find(struct str path, enum page_door door);
void pages_serve(struct http *http, const struct page *page);

#endif
