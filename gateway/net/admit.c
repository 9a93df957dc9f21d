/* Who may come in: everything that can be refused without asking Redis. */
#include "gateway/net/admit.h"

enum err admit_identity(const struct services *services, const char *proto,
                        const struct request *request, struct claims *claims, const char **why)
{
    struct buf token = {0};
    bool subprotocol; /* the handshake looks whether to select it */
    uv_timeval64_t now;
    enum err err = ERR_OK;

    if (auth_find(services->auth, request, &token, &subprotocol)) {
        uv_gettimeofday(&now);
        err = auth_verify(services->auth, buf_str(&token),
                          now.tv_sec * 1000 + now.tv_usec / 1000, claims, why);
    } else if (proto == NULL || !config_allows_anonymous(services->config, proto)) {
        *why = auth_passed_over(services->auth, request)
                   ? "a token in a cookie counts only for pages that --origins names"
                   : "a token is needed";
        err = ERR_UNAUTHORIZED;
    }
    buf_finish(&token);
    return err;
}

enum err admit_newcomer(struct net *net, const char **why)
{
    const struct services *services = net->services;

    if (services->draining || !store_is_up(services->store)) {
        *why = services->draining ? "this process is going away" : "the state can't be reached";
        return ERR_UNAVAILABLE;
    }
    if (!pace_take(&net->pace, uv_hrtime())) {
        *why = NULL;
        return ERR_CROWDED;
    }
    services->metrics->admitted++;
    return ERR_OK;
}

enum err admit_check(struct net *net, const struct proto *proto, const struct request *request,
                     struct claims *claims, const char **why)
{
    const struct services *services = net->services;
    enum err err = ERR_OK;

    if (!config_allows_origin(services->config, request_header(request, STR("Origin")))) {
        *why = "this origin is not allowed";
        err = ERR_FORBIDDEN;
    }
    if (err == ERR_OK) {
        err = admit_identity(services, proto->name, request, claims, why);
    }
    return err == ERR_OK ? admit_newcomer(net, why) : err;
}

uint64_t admit_until_ms(const struct net *net, const struct claims *claims)
{
    uv_timeval64_t now;
    int64_t left;

    if (claims->user_len == 0 || claims->expires_ms == INT64_MAX) {
        return UINT64_MAX;
    }
    uv_gettimeofday(&now);
    left = claims->expires_ms - (now.tv_sec * 1000 + now.tv_usec / 1000);
    return uv_now(net->loop) + (left > 0 ? (uint64_t)left : 0);
}
