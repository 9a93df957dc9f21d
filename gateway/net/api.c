/* Exchanges on HTTP: who may ask, then the endpoint's handler, then its answer as JSON. */
#include "gateway/net/api.h"

#include "gateway/net/admit.h"
#include "gateway/net/gate.h"

enum {
    ONCE_MAX = 128 /* bytes of an Idempotency-Key */
};

/* The key of a server, in a header of its own or as bearer; at == NULL = none. */
static struct str find_key(const struct request *request)
{
    struct str key = request_header(request, STR("X-API-Key"));
    struct str bearer = request_header(request, STR("Authorization"));
    struct str scheme, rest;

    if (key.at == NULL && str_cut(bearer, ' ', &scheme, &rest) &&
        str_equal_nocase(scheme, STR("Bearer"))) {
        key = str_trim(rest);
    }
    return key;
}

/* All keys are looked at, so that time does not tell which one was nearly right. */
static enum err check_key(const struct config *config, const struct request *request,
                          const char **why)
{
    struct str key = find_key(request);
    bool good = false;

    if (config->api_keys.count == 0) {
        *why = "the server API is off: it needs --api-key";
        return ERR_FORBIDDEN;
    }
    if (key.at == NULL) {
        *why = "an API key is needed";
        return ERR_UNAUTHORIZED;
    }
    for (size_t i = 0; i < config->api_keys.count; i++) {
        good |= str_equal_secret(key, str_of(config->api_keys.items[i]));
    }
    if (!good) {
        *why = "the API key is not known";
    }
    return good ? ERR_OK : ERR_UNAUTHORIZED;
}

enum err api_admit(const struct http *http, const struct endpoint *endpoint,
                   struct claims *claims, const char **why)
{
    const struct services *services = http_conn(http)->net->services;
    const struct request *request = http_request(http);

    if (endpoint->who == ENDPOINT_SERVER) {
        return check_key(services->config, request, why);
    }
    return admit_identity(services, endpoint->who == ENDPOINT_ANYONE ? endpoint->proto : NULL,
                          request, claims, why);
}

/* ---- what is asked ---- */

/* Whether there is one key at most, and a good one; at == NULL = none. */
static bool find_once(const struct request *request, struct str *key)
{
    const struct str name = STR("Idempotency-Key");
    size_t count = 0;

    *key = request_header(request, name);
    for (size_t i = 0; i < request->header_count; i++) {
        count += str_equal_nocase(request->headers[i].name, name);
    }
    for (size_t i = 0; i < key->len; i++) {
        if (key->at[i] <= ' ' || key->at[i] > '~') {
            return false;
        }
    }
    return count == 0 || (count == 1 && key->len >= 1 && key->len <= ONCE_MAX);
}

/* ---- the carrier ---- */

static void carry_answer(void *carrying, int status, struct str json)
{
    http_answer(carrying, &(struct answer){.status = status,
                                           .type = STR("application/json"),
                                           .extra = STR("Cache-Control: no-store\r\n"),
                                           .body = json});
}

static void carry_refuse(void *carrying, enum err err, const char *why)
{
    http_refuse(carrying, err, why);
}

static const struct exchange_carrier carrier = {carry_answer, carry_refuse};

static void on_gone(void *owner)
{
    exchange_destroy(owner);
}

/* Who closed his half may wait for the answer all the same. */
static const struct http_watcher watcher = {.gone = on_gone, .patient = true};

/* Who may ask; a call of nobody, or with a token that is no good, is one of his address's
 * attempts, and costs nothing more when it has none left. */
static enum err admit(const struct http *http, const struct endpoint *endpoint,
                      struct claims *claims, const char **why)
{
    enum err err = ERR_RATE_LIMITED;

    if (endpoint->who == ENDPOINT_SERVER) {
        return api_admit(http, endpoint, claims, why);
    }
    *why = "this address asks too often";
    if (!gate_is_open(http)) {
        return err;
    }
    err = api_admit(http, endpoint, claims, why);
    if ((err != ERR_OK || claims->user_len == 0) && !gate_charge(http) && err == ERR_OK) {
        *why = "this address asks too often";
        err = ERR_RATE_LIMITED;
    }
    return err;
}

void api_serve(struct http *http, const struct endpoint *endpoint)
{
    const struct request *request = http_request(http);
    struct question question = {.param = request->param, .text = request->body};
    struct claims claims = {.expires_ms = INT64_MAX};
    const char *why = NULL;
    enum err err = admit(http, endpoint, &claims, &why);
    struct exchange *exchange;

    if (err != ERR_OK) {
        http_refuse(http, err, why);
        return;
    }
    if (!find_once(request, &question.key)) {
        http_refuse(http, ERR_BAD_REQUEST,
                    "Idempotency-Key: must be 1 to 128 visible ASCII characters");
        return;
    }
    exchange = exchange_create(http_conn(http)->net->services, endpoint, &question, &claims,
                               &carrier, http);
    http_watch(http, &watcher, exchange);
    exchange_serve(exchange);
}
