/* One HTTP request that a protocol answers, whatever brings it. */
#include "gateway/exchange.h"

#include <string.h>

#include "common/json.h"
#include "common/mem.h"
#include "gateway/limits/limits.h"

struct exchange *exchange_create(const struct services *services,
                                 const struct endpoint *endpoint,
                                 const struct question *question, const struct claims *claims,
                                 const struct exchange_carrier *carrier, void *carrying)
{
    struct exchange *exchange = mem_zero(sizeof(*exchange));

    exchange->services = services;
    exchange->endpoint = endpoint;
    exchange->asked = *question;
    exchange->carrier = carrier;
    exchange->carrying = carrying;
    memcpy(exchange->user, claims->user, claims->user_len);
    exchange->user_len = claims->user_len;
    services->metrics->messages_received[METRICS_PROTOCOL_API]++;
    return exchange;
}

void exchange_destroy(struct exchange *exchange)
{
    if (exchange == NULL) {
        return;
    }
    store_forget(&exchange->calls);
    if (exchange->end != NULL) {
        exchange->end(exchange);
    }
    mem_free(exchange->state);
    cJSON_Delete(exchange->body);
    mem_free(exchange);
}

/* False: refused. */
static bool read_body(struct exchange *exchange)
{
    const char *why = NULL;

    exchange->body = json_parse(exchange->asked.text, &why);
    if (exchange->body == NULL) {
        exchange_refuse(exchange, ERR_BAD_REQUEST, why);
        return false;
    }
    if (!cJSON_IsObject(exchange->body)) {
        exchange_refuse(exchange, ERR_BAD_REQUEST, "the body must be a JSON object");
        return false;
    }
    return true;
}

/* A call with a user's token is one of his messages. */
static bool pay(const struct exchange *exchange)
{
    struct limits *limits = exchange->services->limits;
    struct limits_subject *user;
    bool may;

    if (!limits_any(limits, LIMITS_USER) || exchange->user_len == 0) {
        return true;
    }
    user = limits_visit(limits, LIMITS_USER, exchange_user(exchange));
    may = limits_spend(user);
    limits_leave(user);
    return may;
}

void exchange_serve(struct exchange *exchange)
{
    const struct endpoint *endpoint = exchange->endpoint;

    if (exchange->asked.text.len == 0) {
        exchange->asked.text = STR("{}");
    }
    if (strcmp(endpoint->method, "POST") == 0 && !endpoint->batch && !read_body(exchange)) {
        return;
    }
    if (pay(exchange)) {
        endpoint->serve(exchange);
    } else {
        exchange_refuse(exchange, ERR_RATE_LIMITED, "this user asks too much");
    }
}

/* The answer's text may live in the exchange: it goes after it was told. */
void exchange_answer(struct exchange *exchange, int status, struct str json)
{
    exchange->services->metrics->messages_sent[METRICS_PROTOCOL_API]++;
    exchange->carrier->answer(exchange->carrying, status, json);
    exchange_destroy(exchange);
}

void exchange_refuse(struct exchange *exchange, enum err err, const char *why)
{
    exchange->services->metrics->messages_sent[METRICS_PROTOCOL_API]++;
    exchange->carrier->refuse(exchange->carrying, err, why);
    exchange_destroy(exchange);
}

struct str exchange_user(const struct exchange *exchange)
{
    return str_from(exchange->user, exchange->user_len);
}
