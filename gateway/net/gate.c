/* The way in for a WebSocket.
 *
 *     address, then user: a place here? --none: 429, nothing is held
 *                                       +--both: the session begins and holds them
 *
 * Without limits nothing is kept: the session begins at once. */
#include "gateway/net/gate.h"

#include "common/mem.h"
#include "gateway/net/admit.h"
#include "gateway/net/handshake.h"
#include "gateway/session_place.h"

struct gate {
    struct http *http; /* borrowed */
    const struct proto *proto;
    const struct ws_kind *kind;
    struct claims claims;
    struct limits_wait wait;
    struct limits_subject *subjects[LIMITS_KINDS]; /* visited; NULL: none */
    bool taken[LIMITS_KINDS];
    enum limits_kind asked; /* whose place is waited for */
};

static const char *const full[LIMITS_KINDS] = {
    [LIMITS_USER] = "this user has too many connections",
    [LIMITS_ADDRESS] = "this address has too many connections"};

static struct limits *limits_of(const struct http *http)
{
    return http_conn(http)->net->services->limits;
}

enum err gate_knock(const struct http *http, const char **why)
{
    struct limits *limits = limits_of(http);
    struct limits_subject *address;
    enum err err = ERR_OK;

    if (!limits_any(limits, LIMITS_ADDRESS)) {
        return ERR_OK;
    }
    address = limits_visit(limits, LIMITS_ADDRESS, http_request(http)->peer);
    if (!limits_spend(address)) {
        *why = "this address connects too often";
        err = ERR_RATE_LIMITED;
    } else if (limits_is_full(address)) {
        limits_refuse(address);
        *why = full[LIMITS_ADDRESS];
        err = ERR_TOO_MANY;
    }
    limits_leave(address);
    return err;
}

/* Calls `ask` with the address; true where no limit counts its attempts. */
static bool ask_address(const struct http *http, bool (*ask)(struct limits_subject *))
{
    struct limits *limits = limits_of(http);
    struct limits_subject *address;
    bool answer;

    if (!limits_any(limits, LIMITS_ADDRESS)) {
        return true;
    }
    address = limits_visit(limits, LIMITS_ADDRESS, http_request(http)->peer);
    answer = ask(address);
    limits_leave(address);
    return answer;
}

static bool has_left(struct limits_subject *address)
{
    return !limits_is_spent(address);
}

bool gate_is_open(const struct http *http)
{
    return ask_address(http, has_left);
}

bool gate_charge(const struct http *http)
{
    return ask_address(http, limits_spend);
}

static void destroy(struct gate *gate)
{
    limits_cancel(&gate->wait);
    for (int kind = 0; kind < LIMITS_KINDS; kind++) {
        if (gate->taken[kind]) {
            limits_give(gate->subjects[kind]);
        }
        if (gate->subjects[kind] != NULL) {
            limits_leave(gate->subjects[kind]);
        }
    }
    mem_free(gate);
}

static void refuse(struct gate *gate, enum err err)
{
    http_refuse(gate->http, err, err == ERR_TOO_MANY ? full[gate->asked] : NULL);
    destroy(gate);
}

static void enter(struct gate *gate)
{
    struct session *session =
        ws_create_session(gate->http, gate->proto, gate->kind, &gate->claims);

    for (int kind = 0; kind < LIMITS_KINDS; kind++) {
        if (gate->subjects[kind] != NULL) {
            session_add_place(session, gate->subjects[kind], gate->taken[kind]);
        }
        gate->subjects[kind] = NULL; /* the session's from now on */
        gate->taken[kind] = false;
    }
    ws_start_session(gate->http, session);
    destroy(gate);
}

static void on_taken(void *owner, enum err err);

/* One after the other, so that who is refused has taken nothing on his way. */
static void ask(struct gate *gate)
{
    for (int kind = LIMITS_KINDS - 1; kind >= 0; kind--) {
        enum limits_answer answer;

        if (gate->subjects[kind] == NULL || gate->taken[kind]) {
            continue;
        }
        gate->asked = (enum limits_kind)kind;
        answer = limits_take(gate->subjects[kind], &gate->wait, on_taken, gate);
        if (answer == LIMITS_LATER) {
            return;
        }
        if (answer == LIMITS_NO) {
            refuse(gate, ERR_TOO_MANY);
            return;
        }
        gate->taken[kind] = true;
    }
    enter(gate);
}

static void on_taken(void *owner, enum err err)
{
    struct gate *gate = owner;

    if (err != ERR_OK) {
        refuse(gate, err);
        return;
    }
    gate->taken[gate->asked] = true;
    ask(gate);
}

static void on_gone(void *owner)
{
    destroy(owner);
}

static const struct http_watcher watcher = {.gone = on_gone};

void gate_pass(struct http *http, const struct proto *proto, const struct ws_kind *kind,
               const struct claims *claims)
{
    struct limits *limits = limits_of(http);
    bool address = limits_places(limits, LIMITS_ADDRESS);
    bool user = limits_any(limits, LIMITS_USER) && claims->user_len > 0;
    struct gate *gate;

    if (!address && !user) {
        ws_start_session(http, ws_create_session(http, proto, kind, claims));
        return;
    }
    gate = mem_zero(sizeof(*gate));
    gate->http = http;
    gate->proto = proto;
    gate->kind = kind;
    gate->claims = *claims;
    if (address) {
        gate->subjects[LIMITS_ADDRESS] =
            limits_visit(limits, LIMITS_ADDRESS, http_request(http)->peer);
    }
    if (user) {
        gate->subjects[LIMITS_USER] =
            limits_visit(limits, LIMITS_USER, str_from(claims->user, claims->user_len));
    }
    http_watch(http, &watcher, gate);
    ask(gate);
}

void gate_open(struct http *http, const struct proto *proto)
{
    struct claims claims = {.expires_ms = INT64_MAX};
    struct net *net = http_conn(http)->net;
    const char *why = NULL;
    enum err err = handshake_check(http_request(http), &why);

    if (err == ERR_OK) {
        err = gate_knock(http, &why);
    }
    if (err == ERR_OK) {
        err = admit_check(net, proto, http_request(http), &claims, &why);
    }
    if (err != ERR_OK) {
        http_refuse(http, err, why);
    } else {
        gate_pass(http, proto, &ws_plain_kind, &claims);
    }
}
