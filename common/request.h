/* An HTTP request as everybody behind the parser sees it: borrowed bytes, valid while the
 * request is being answered. */
#ifndef SEGUE_COMMON_REQUEST_H
#define SEGUE_COMMON_REQUEST_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

enum {
    REQUEST_HEADERS_MAX = 64
};

struct request_header {
    struct str name;
    struct str value;
};

struct request {
    struct str method; /* "GET" */
    struct str path;   /* as sent, without the query */
    struct str query;  /* as sent, without the question mark */
    struct str param;  /* the segment of the path that its row leaves open, decoded */
    struct request_header headers[REQUEST_HEADERS_MAX];
    size_t header_count;
    struct str body;
    bool http_1_0;   /* such a client knows neither Host nor Upgrade */
    struct str peer; /* the client's address, after trusted proxies were believed */
};

/* The first header of that name (any case); at == NULL when there is none. */
struct str request_header(const struct request *request, struct str name);
/* Whether the comma separated header contains the word (any case), over all headers of that
 * name. */
bool request_header_has(const struct request *request, struct str name, struct str word);
/* The raw (still percent-encoded) value of a query parameter; at == NULL when it is not there.
 */
struct str request_query(const struct request *request, struct str name);
/* The value of a cookie, without surrounding quotes; at == NULL when it is not there. */
struct str request_cookie(const struct request *request, struct str name);

#endif
