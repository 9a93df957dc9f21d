/* An HTTP request: look-ups in its headers, query and cookies. */
#include "common/request.h"

static const struct str nothing = {NULL, 0};

/* A value that is there but empty must not look like one that is not. */
static struct str found(struct str value)
{
    return value.at ? value : STR("");
}

struct str request_header(const struct request *request, struct str name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (str_equal_nocase(request->headers[i].name, name)) {
            return found(request->headers[i].value);
        }
    }
    return nothing;
}

bool request_header_has(const struct request *request, struct str name, struct str word)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct str list = request->headers[i].value;
        struct str item;

        if (!str_equal_nocase(request->headers[i].name, name)) {
            continue;
        }
        while (str_next_item(&list, &item)) {
            if (str_equal_nocase(item, word)) {
                return true;
            }
        }
    }
    return false;
}

struct str request_query(const struct request *request, struct str name)
{
    struct str rest = request->query;

    while (rest.len > 0) {
        struct str pair;
        struct str key;
        struct str value;

        str_cut(rest, '&', &pair, &rest);
        str_cut(pair, '=', &key, &value);
        if (pair.len > 0 && str_equal(key, name)) {
            return value;
        }
    }
    return nothing;
}

static struct str unquote(struct str value)
{
    if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"') {
        return str_from(value.at + 1, value.len - 2);
    }
    return value;
}

struct str request_cookie(const struct request *request, struct str name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct str rest = request->headers[i].value;

        if (!str_equal_nocase(request->headers[i].name, STR("cookie"))) {
            continue;
        }
        while (rest.len > 0) {
            struct str pair;
            struct str key;
            struct str value;

            str_cut(rest, ';', &pair, &rest);
            /* A piece without = has no name: browsers send such a cookie as its value alone. */
            if (str_cut(pair, '=', &key, &value) && str_equal(str_trim(key), name)) {
                return unquote(str_trim(value));
            }
        }
    }
    return nothing;
}
