/* Requests: look-ups over hostile headers, queries and cookies give borrowed bytes of the
 * request or nothing.
 *
 * The input is lines: the query, then headers as "name:value". */
#include "test/fuzz/fuzz.h"

#include "common/request.h"

static void must_lie_in(struct str value, struct str whole)
{
    MUST(!value.at || value.len == 0 ||
         (value.at >= whole.at && value.at + value.len <= whole.at + whole.len));
    MUST(value.at || value.len == 0);
}

static void walk_list(struct str list)
{
    struct str whole = list;
    struct str item;

    while (str_next_item(&list, &item)) {
        MUST(item.len > 0);
        must_lie_in(item, whole);
        must_lie_in(list, whole);
    }
    MUST(list.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str whole = str_from((const char *)data, size);
    struct str rest = whole;
    struct request request = {0};
    struct str line;
    unsigned long long value = 0;

    str_cut(rest, '\n', &request.query, &rest);
    while (rest.len > 0 && request.header_count < REQUEST_HEADERS_MAX) {
        struct request_header *header = &request.headers[request.header_count++];

        str_cut(rest, '\n', &line, &rest);
        str_cut(line, ':', &header->name, &header->value);
        header->value = str_trim(header->value);
        walk_list(header->value);
        MUST(request_header(&request, header->name).at);
        MUST(!str_to_u64(header->value, 1000, &value) || value <= 1000);
    }
    must_lie_in(request_query(&request, STR("token")), request.query);
    must_lie_in(request_query(&request, STR("")), request.query);
    must_lie_in(request_cookie(&request, STR("token")), whole);
    must_lie_in(request_cookie(&request, STR("")), whole);
    must_lie_in(request_header(&request, STR("Authorization")), whole);
    if (request_header_has(&request, STR("connection"), STR("upgrade"))) {
        MUST(request_header(&request, STR("Connection")).at);
    }
    return 0;
}
