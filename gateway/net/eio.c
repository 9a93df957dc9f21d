/* Engine.IO v4 over HTTP: which request is what; errors as the official server has them. */
#include "gateway/net/eio.h"

#include "gateway/net/admit.h"
#include "gateway/net/eio_core.h"
#include "gateway/net/gate.h"
#include "gateway/net/handshake.h"

enum {
    SEPARATOR_BYTES = 1 /* between the packets of a body */
};

/* ---- answers ---- */

static void answer(struct http *http, int status, struct str type, struct str body)
{
    struct buf lines = {0};

    buf_add_text(&lines, "Cache-Control: no-store\r\n");
    if (status == 503) {
        buf_add_text(&lines, "Retry-After: 1\r\n");
    }
    http_answer(http,
                &(struct answer){
                    .status = status, .type = type, .body = body, .extra = buf_str(&lines)});
    buf_finish(&lines);
}

void eio_refuse(struct http *http, enum eio_error error)
{
    static const struct {
        int status;
        const char *body;
        enum metrics_rejection rejection;
    } rows[] = {
#define X(name, code, status, text)                                                            \
    {status, "{\"code\":" #code ",\"message\":\"" text "\"}",                                  \
     (status) == 403 ? METRICS_REJECTION_FORBIDDEN : METRICS_REJECTION_BAD_REQUEST},
        EIO_ERROR_TABLE(X)
#undef X
    };

    http_conn(http)->net->services->metrics->rejected[rows[error].rejection]++;
    answer(http, rows[error].status, STR("application/json"), str_of(rows[error].body));
}

void eio_answer(struct http *http, struct str body)
{
    answer(http, 200, STR("text/plain; charset=UTF-8"), body);
}

void eio_answer_ok(struct http *http)
{
    answer(http, 200, STR("text/html"), STR("ok"));
}

void eio_too_large(struct http *http)
{
    net_count_refusal(http_conn(http)->net, ERR_TOO_LARGE);
    answer(http, 413, str_from("", 0), str_from("", 0));
}

void eio_unavailable(struct http *http)
{
    net_count_refusal(http_conn(http)->net, ERR_UNAVAILABLE);
    answer(http, 503, STR("application/json"),
           STR("{\"error\":\"unavailable\",\"message\":\"try again in a moment\"}"));
}

bool eio_admit(struct http *http)
{
    const char *why;
    enum err err = gate_knock(http, &why);

    if (err == ERR_OK) {
        err = admit_newcomer(http_conn(http)->net, &why);
    }
    if (err == ERR_UNAVAILABLE) {
        eio_unavailable(http);
    } else if (err != ERR_OK) {
        http_refuse(http, err, why);
    }
    return err == ERR_OK;
}

/* ---- what carriers of one request have in common ---- */

bool eio_fits(const struct buf *body, size_t len, uint64_t room)
{
    return body->len == 0 || body->len + SEPARATOR_BYTES + len <= room;
}

bool eio_add_msg(struct buf *body, const struct msg *msg, uint64_t room)
{
    struct str payload = msg_payload(msg);
    size_t len = msg->binary ? eio_binary_length(payload.len) : payload.len;

    if (!eio_fits(body, len, room)) {
        return false;
    }
    if (msg->binary) {
        eio_add_binary(body, payload);
    } else {
        eio_add_text(body, payload);
    }
    return true;
}

void eio_carry_nothing(void *carrier)
{
    (void)carrier;
}

void eio_carry_pause(void *carrier, bool paused)
{
    (void)carrier;
    (void)paused;
}

/* Only those that are opening can be refused. */
void eio_carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    (void)err;
    (void)why;
}

/* ---- the end ---- */

void eio_close(struct http *http, struct poll *poll, const struct session *session,
               enum reason reason, bool claimed, struct str words, bool told, poll_fn *done)
{
    struct ending ending = {
        .event = "session closed", .peer = http_request(http)->peer, .reason = reason};

    ending_of_session(&ending, session);
    ending.protocol = poll->proto;
    ending.transport = METRICS_TRANSPORT_POLLING;
    ending.id = poll_sid(poll);
    poll_close(poll, claimed, words, told, &ending, done);
}

/* ---- the handshake ---- */

void eio_add_open(struct buf *to, const struct net *net, struct str sid, bool may_upgrade)
{
    const struct config *config = net->services->config;

    buf_addf(to,
             "0{\"sid\":\"%.*s\",\"upgrades\":[%s],\"pingInterval\":%llu,\"pingTimeout\":%llu,"
             "\"maxPayload\":%llu}",
             STR_ARG(sid), may_upgrade ? "\"websocket\"" : "",
             (unsigned long long)config->ping_interval_ms,
             (unsigned long long)config->ping_timeout_ms,
             (unsigned long long)config->max_batch);
}

static void open_websocket(struct http *http, const struct proto *proto)
{
    struct claims nobody = {.expires_ms = INT64_MAX}; /* the protocol asks by itself */
    const char *why;
    enum err err = handshake_check(http_request(http), &why);

    if (err != ERR_OK) {
        http_refuse(http, err, why);
    } else if (eio_admit(http)) {
        gate_pass(http, proto, &eio_ws_kind, &nobody);
    }
}

/* What the official server looks at, in its order. */
static enum eio_error check(const struct request *request, struct str transport, struct str sid,
                            bool upgrade)
{
    bool websocket = str_equal(transport, STR("websocket"));

    if (!websocket && !str_equal(transport, STR("polling"))) {
        return EIO_ERROR_TRANSPORT;
    }
    if (upgrade && !websocket) {
        return EIO_ERROR_REQUEST;
    }
    if (sid.at != NULL) {
        return websocket && !upgrade ? EIO_ERROR_REQUEST : EIO_ERROR_NONE;
    }
    if (!str_equal(request->method, STR("GET"))) {
        return EIO_ERROR_METHOD;
    }
    if (websocket && !upgrade) {
        return EIO_ERROR_REQUEST;
    }
    return str_equal(request_query(request, STR("EIO")), STR("4")) ? EIO_ERROR_NONE
                                                                   : EIO_ERROR_VERSION;
}

static void serve_session(struct http *http, const struct proto *proto, struct str sid,
                          bool upgrade)
{
    struct str method = http_request(http)->method;

    if (sid.len != EIO_SID_LENGTH) {
        eio_refuse(http, EIO_ERROR_SESSION);
    } else if (upgrade) {
        eio_probe(http, proto, sid);
    } else if (str_equal(method, STR("GET"))) {
        eio_get(http, proto, sid);
    } else if (str_equal(method, STR("POST"))) {
        eio_post(http, proto, sid);
    } else {
        eio_refuse(http, EIO_ERROR_REQUEST);
    }
}

void eio_serve(struct http *http, const struct proto *proto)
{
    const struct request *request = http_request(http);
    struct str transport = request_query(request, STR("transport"));
    struct str sid = request_query(request, STR("sid"));
    bool upgrade = handshake_wanted(request);
    enum eio_error error = check(request, transport, sid, upgrade);

    if (error != EIO_ERROR_NONE) {
        eio_refuse(http, error);
    } else if (sid.at != NULL) {
        serve_session(http, proto, sid, upgrade);
    } else if (upgrade) {
        open_websocket(http, proto);
    } else {
        eio_begin(http, proto);
    }
}

void eio_forbid(struct http *http)
{
    eio_refuse(http, EIO_ERROR_FORBIDDEN);
}
