/* One HTTP request that a protocol answers, whatever brings it.
 *
 *     exchange_create --exchange_serve--> the row's handler --exchange_answer / _refuse--> gone
 *            +----------------exchange_destroy: the client went away---------------------^
 *
 * A carrier (net/api, or a batch) creates the exchange when it knows who asks and has the whole
 * request; the handler answers exactly once, at any time later. After that, and after the
 * client went away, the exchange is gone and its calls in flight are forgotten. */
#ifndef SEGUE_GATEWAY_EXCHANGE_H
#define SEGUE_GATEWAY_EXCHANGE_H

#include <cjson/cJSON.h>

#include "gateway/session.h"

struct exchange;

/* Who may ask. */
enum endpoint_who {
    ENDPOINT_USER,   /* a token is needed */
    ENDPOINT_ANYONE, /* as --anonymous says of `proto`; a token, where there is one, must hold
                      */
    ENDPOINT_SERVER  /* an --api-key is needed; there is no user */
};

/* A method on a path: one row of proto/rest. */
struct endpoint {
    const char *method; /* GET (then HEAD as well) or POST */
    const char *path;   /* a segment `*` fits any one segment: the request's `param` */
    enum endpoint_who who;
    const char *proto; /* of ENDPOINT_ANYONE */
    bool batch; /* its body may be as large as --max-batch, and its handler reads it itself */
    void (*serve)(struct exchange *exchange);
};

/* What is asked: borrowed from the carrier for as long as the exchange is there. */
struct question {
    struct str param; /* the segment of the path that its row leaves open, decoded */
    struct str text;  /* the body as it came; empty: none */
    struct str key;   /* Idempotency-Key; at == NULL: none */
};

/* What carries exchanges: tells the client. */
struct exchange_carrier {
    void (*answer)(void *carrying, int status, struct str json);
    void (*refuse)(void *carrying, enum err err, const char *why);
};

struct exchange {
    const struct endpoint *endpoint;
    const struct services *services;
    struct question asked;
    const struct exchange_carrier *carrier;
    void *carrying; /* borrowed */
    struct store_calls calls;
    char user[AUTH_USER_MAX]; /* empty: anonymous, or a server */
    size_t user_len;
    cJSON *body; /* owned; of a POST: an object (no body at all counts as an empty one) */
    void *state; /* the handler's, if it needs some: freed by mem_free, but before ... */
    void (*end)(struct exchange *exchange); /* ... this is called, where it was set */
};

struct exchange *exchange_create(const struct services *services,
                                 const struct endpoint *endpoint,
                                 const struct question *question, const struct claims *claims,
                                 const struct exchange_carrier *carrier, void *carrying);
/* Reads the body and calls the handler; may answer from inside. */
void exchange_serve(struct exchange *exchange);
void exchange_destroy(struct exchange *exchange); /* NULL is fine */

/* For handlers: one of these, once; `exchange` is gone afterwards. */
void exchange_answer(struct exchange *exchange, int status, struct str json);
void exchange_refuse(struct exchange *exchange, enum err err,
                     const char *why); /* why == NULL: the error's own text */

struct str exchange_user(const struct exchange *exchange);

#endif
