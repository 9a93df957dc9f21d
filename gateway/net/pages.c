/* The pages, scripts and styles that are embedded in the binary. */
#include "gateway/net/pages.h"

/* The build lays the files into the binary as they are (.incbin) and lists them: see
 * scripts/embed-pages. */
#include "gen/pages_data.inc"

static const struct page pages[] = {
#include "gen/pages_table.inc"
};

/* The page of the admin listener asks other processes for their metrics, wherever they are. */
#define POLICY(connect)                                                                        \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "       \
    "connect-src " connect "; img-src 'self' data:; base-uri 'none'; form-action 'none'; "     \
    "frame-ancestors 'none'\r\n"

static const char fields[] = "Referrer-Policy: no-referrer\r\n"
                             "Cache-Control: no-cache\r\n"
                             "Vary: Accept-Encoding\r\n";

const struct page *pages_find(struct str path, enum page_door door)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if ((pages[i].door == door || pages[i].door == PAGE_BOTH) &&
            str_equal(pages[i].path, path)) {
            return &pages[i];
        }
    }
    return NULL;
}

/* gzip stands in Accept-Encoding and is not refused with q=0. */
static bool takes_gzip(const struct request *request)
{
    struct str list = request_header(request, STR("Accept-Encoding"));
    struct str item, coding, rest;

    while (str_next_item(&list, &item)) {
        str_cut(item, ';', &coding, &rest);
        if (str_equal_nocase(str_trim(coding), STR("gzip"))) {
            rest = str_trim(rest);
            return !str_equal(rest, STR("q=0")) && !str_equal(rest, STR("q=0.0"));
        }
    }
    return false;
}

static bool is_fresh(const struct request *request, struct str etag)
{
    struct str list = request_header(request, STR("If-None-Match"));
    struct str item;

    while (str_next_item(&list, &item)) {
        if (str_starts(item, STR("W/"))) {
            item = str_skip(item, 2);
        }
        if (str_equal(item, etag) || str_equal(item, STR("*"))) {
            return true;
        }
    }
    return false;
}

void pages_serve(struct http *http, const struct page *page)
{
    const struct request *request = http_request(http);
    bool gzip = page->gzip.len > 0 && takes_gzip(request);
    bool fresh = is_fresh(request, page->etag);
    struct buf extra = {0};

    buf_add_text(&extra,
                 page->door == PAGE_ADMIN ? POLICY("'self' http: https:") : POLICY("'self'"));
    buf_add_text(&extra, fields);
    buf_addf(&extra, "ETag: %.*s\r\n", STR_ARG(page->etag));
    if (gzip && !fresh) {
        buf_add_text(&extra, "Content-Encoding: gzip\r\n");
    }
    http_answer(http, &(struct answer){.status = fresh ? 304 : 200,
                                       .type = fresh ? str_from(NULL, 0) : page->type,
                                       .extra = buf_str(&extra),
                                       .body = fresh  ? str_from(NULL, 0)
                                               : gzip ? page->gzip
                                                      : page->plain});
    buf_finish(&extra);
}
