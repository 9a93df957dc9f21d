/* What an operator has in hand: a session that hears when one of its users is sent away.
 *
 * Only for protocols that do not listen to their user's channel themselves. */
#include "gateway/session_leash.h"

#include <stddef.h>

#include "common/mem.h"
#include "gateway/store/keys.h"

struct leash {
    struct hub_sub sub;
    struct session *session; /* borrowed: it owns us */
    struct leash *next;
};

/* Nothing is read here: who was not connected yet was not sent away. */
static void on_ready(struct hub_sub *sub)
{
    (void)sub;
}

static void on_published(struct hub_sub *sub, struct msg *msg)
{
    struct leash *leash = (struct leash *)((char *)sub - offsetof(struct leash, sub));

    if (msg->kind == 'd') {
        session_close(leash->session, REASON_DISCONNECTED);
    }
}

static const struct hub_listener listener = {on_ready, on_published};

void session_follow(struct session *session, struct str user)
{
    struct key_name channel;
    struct buf tag = {0};
    struct leash *leash;

    if (user.len == 0 || session->deaf) {
        return;
    }
    keys_tag(user, &tag);
    leash = mem_zero(sizeof(*leash));
    leash->session = session;
    leash->next = session->leashes;
    session->leashes = leash;
    hub_join(session->services->hub, &leash->sub, &listener,
             keys_name(&channel, KEY_USER, buf_str(&tag)));
    buf_finish(&tag);
}

void session_unfollow(struct session *session)
{
    while (session->leashes != NULL) {
        struct leash *leash = session->leashes;

        session->leashes = leash->next;
        hub_leave(session->services->hub, &leash->sub);
        mem_free(leash);
    }
}
