/* What browsers want to hear before a page of another origin may read an answer. */
#include "gateway/net/cors.h"

#include <string.h>

enum {
    HEADERS_MAX = 1024, /* bytes of names that are echoed */
    MAX_AGE_S = 600
};

static struct str origin_of(const struct request *request)
{
    return request_header(request, STR("Origin"));
}

bool cors_forbids(const struct config *config, const struct request *request)
{
    return !config_allows_origin(config, origin_of(request));
}

void cors_add(const struct config *config, const struct request *request, struct buf *lines)
{
    struct str origin = origin_of(request);

    buf_add_text(lines, "Vary: Origin\r\n"); /* also without one: caches must know */
    if (origin.len > 0 && config_allows_origin(config, origin)) {
        buf_addf(lines,
                 "Access-Control-Allow-Origin: %.*s\r\n"
                 "Access-Control-Allow-Credentials: true\r\n",
                 STR_ARG(origin));
    }
}

bool cors_is_preflight(const struct request *request)
{
    return str_equal(request->method, STR("OPTIONS")) && origin_of(request).len > 0 &&
           request_header(request, STR("Access-Control-Request-Method")).len > 0;
}

static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return true;
}

/* Any header may be sent: what it is worth is looked at when the request comes. */
static void add_headers(struct str wanted, struct buf *lines)
{
    struct str name;
    size_t start = lines->len;

    while (str_next_item(&wanted, &name)) {
        if (is_token(name) && lines->len - start + name.len < HEADERS_MAX) {
            buf_add_text(lines, lines->len == start ? "Access-Control-Allow-Headers: " : ", ");
            buf_add(lines, name);
        }
    }
    if (lines->len > start) {
        buf_add_text(lines, "\r\n");
    }
}

void cors_add_preflight(const struct request *request, struct str methods, struct buf *lines)
{
    buf_addf(lines, "Access-Control-Allow-Methods: %.*s\r\nAccess-Control-Max-Age: %d\r\n",
             STR_ARG(methods), MAX_AGE_S);
    add_headers(request_header(request, STR("Access-Control-Request-Headers")), lines);
}
