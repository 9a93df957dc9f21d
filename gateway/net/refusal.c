/* A request that is refused: counted, and told of at debug. */
#include "gateway/net/refusal.h"

#include "common/log.h"
#include "gateway/net/answer.h"

void refusal_note(const struct conn *conn, const struct request *request, enum err err,
                  const char *why)
{
    char address[INET6_ADDRSTRLEN];
    struct str path = str_from("", 0), peer;

    net_count_refusal(conn->net, err);
    if (!log_wants(LOG_DEBUG)) {
        return;
    }
    conn_peer_text(conn, address);
    peer = str_of(address);
    if (request != NULL && request->path.len > 0) { /* else its head never came to an end */
        path = request->path;
        peer = request->peer;
    }
    log_write(LOG_DEBUG, "request refused", LOG_TEXT("error", err_word(err)),
              LOG_TEXT("why", why != NULL ? why : err_text(err)), LOG_STR("path", path),
              LOG_STR("peer", peer));
}

void refusal_answer(struct conn *conn, enum err err, const char *why)
{
    struct buf answer = {0};

    answer_write_refusal(&answer, err, why);
    conn_say_anyway(conn, buf_str(&answer));
    buf_finish(&answer);
    conn_end(conn, REASON_HTTP_BAD);
}
