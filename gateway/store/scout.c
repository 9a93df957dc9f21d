/* Asks a sentinel, or a node of a cluster, one question over a connection of its own. */
#include "gateway/store/scout.h"

#include <hiredis/hiredis.h>

#include "gateway/store/node.h"
#include "gateway/store/resp.h"

enum {
    PATIENCE_MS = 1000
};

/* The one end of a question. */
static void end(struct scout *scout, const struct redisReply *reply, const char *why)
{
    if (!scout->busy) {
        return;
    }
    scout->busy = false;
    scout->lookup.turn += reply == NULL;
    scout->told(scout->owner, reply, why);
    if (scout->link != NULL) {
        link_close(scout->link, why != NULL ? why : "the question is answered");
    }
}

static void on_answer(void *context, const struct redisReply *reply)
{
    struct scout *scout = context;

    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        end(scout, NULL, reply->str);
    } else {
        end(scout, reply, "the connection broke");
    }
}

/* A sentinel that wants no password says so with an error: the question decides. */
static void on_greeted(void *context, const struct redisReply *reply)
{
    (void)context;
    (void)reply;
}

static void say(struct scout *scout, const struct str *words, size_t count, link_reply_fn *done)
{
    struct buf command = {0};

    resp_add_command(&command, words, count);
    link_send(scout->link, buf_str(&command), done, scout);
    buf_finish(&command);
}

static void on_opened(void *owner)
{
    struct scout *scout = owner;
    struct str words[3];
    size_t count = node_auth_words(scout->user, scout->password, words);

    if (count > 0) {
        say(scout, words, count, on_greeted);
    }
    say(scout, scout->question, scout->words, on_answer);
}

static void on_lost(void *owner, const char *why)
{
    end(owner, NULL, why);
}

static void on_closed(void *owner, const char *why)
{
    struct scout *scout = owner;

    scout->link = NULL;
    end(scout, NULL, why);
}

static const struct link_events link_events = {on_opened, on_lost, on_closed};

static void on_found(void *owner, const char *host, const char *why)
{
    struct scout *scout = owner;
    struct dial dial = {
        .host = host, .port = scout->asked.port, .tls = scout->tls, .name = scout->asked.host};

    if (!scout->busy) {
        return;
    }
    if (host != NULL) {
        scout->link = link_open(scout->loop, &dial, &link_events, scout);
        why = "no connection could be made";
    }
    if (scout->link == NULL) {
        end(scout, NULL, why);
    }
}

bool scout_ask(struct scout *scout, const struct server *address)
{
    if (scout->busy || scout->link != NULL || scout->lookup.busy) {
        return false;
    }
    scout->busy = true;
    scout->asked = *address;
    scout->asked_ms = uv_now(scout->loop);
    lookup_start(&scout->lookup, scout->loop, scout->asked.host, on_found, scout);
    return true;
}

void scout_tick(struct scout *scout)
{
    if (scout->busy && uv_now(scout->loop) - scout->asked_ms > PATIENCE_MS) {
        end(scout, NULL, "no answer in time");
    }
}

void scout_flush(struct scout *scout)
{
    if (scout->link != NULL) {
        link_flush(scout->link);
    }
}

void scout_stop(struct scout *scout)
{
    scout->busy = false;
    if (scout->link != NULL) {
        link_close(scout->link, "stopped");
    }
}
