/* An HTTP answer as bytes. */
#include "gateway/net/answer.h"

#include <time.h>

#include "common/json.h"

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }
    return "Status";
}

static void add_date(struct buf *to)
{
    char text[64];
    time_t now = time(NULL);
    struct tm parts;

    gmtime_r(&now, &parts);
    strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    buf_add_text(to, text);
}

void answer_write(struct buf *to, const struct answer *answer, bool close, bool with_body)
{
    buf_addf(to, "HTTP/1.1 %d %s\r\n", answer->status, status_text(answer->status));
    add_date(to);
    if (answer->type.len > 0) {
        buf_addf(to, "Content-Type: %.*s\r\nX-Content-Type-Options: nosniff\r\n",
                 STR_ARG(answer->type));
    }
    if (answer->status != 204 && answer->status != 304) {
        buf_addf(to, "Content-Length: %zu\r\n", answer->body.len);
    }
    buf_add(to, answer->extra);
    buf_add_text(to, close ? "Connection: close\r\n\r\n" : "\r\n");
    if (with_body) {
        buf_add(to, answer->body);
    }
}

void answer_refusal(enum err err, const char *why, struct buf *body, struct answer *answer)
{
    static const struct {
        enum err err;
        const char *lines;
    } extras[] = {
        {ERR_UNAUTHORIZED, "WWW-Authenticate: Bearer\r\n"},
        {ERR_UPGRADE, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"},
        {ERR_UNAVAILABLE, "Retry-After: 1\r\n"},
        {ERR_NEWER, "Retry-After: 1\r\n"},
        {ERR_RATE_LIMITED, "Retry-After: 1\r\n"},
        {ERR_TOO_MANY, "Retry-After: 5\r\n"},
    };

    json_add_error(body, err, why);
    *answer = (struct answer){
        .status = err_status(err), .type = STR("application/json"), .body = buf_str(body)};
    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
        if (extras[i].err == err) {
            answer->extra = str_of(extras[i].lines);
        }
    }
}

void answer_add_retry(unsigned seconds, struct buf *lines)
{
    buf_addf(lines, "Retry-After: %u\r\nAccess-Control-Expose-Headers: Retry-After\r\n",
             seconds);
}

void answer_write_refusal(struct buf *to, enum err err, const char *why)
{
    struct buf body = {0};
    struct answer answer;

    answer_refusal(err, why, &body, &answer);
    answer_write(to, &answer, true, true);
    buf_finish(&body);
}
