/* Whoever has a user can be sent away by the server API, whatever he is doing here.
 *
 * The word comes on the user's channel, between all that his devices are told; protocols that
 * listen there anyway hear it themselves. */
#include "gateway/proto/exile.h"

#include <stddef.h>

#include "gateway/store/keys.h"

static void on_ready(struct hub_sub *sub)
{
    (void)sub; /* what was said before was not meant for this session */
}

static void on_published(struct hub_sub *sub, struct msg *msg)
{
    struct exile *exile = (struct exile *)((char *)sub - offsetof(struct exile, sub));

    if (msg->kind == 'd') {
        session_close(exile->session, REASON_DISCONNECTED);
    }
}

static const struct hub_listener listener = {on_ready, on_published};

void exile_watch(struct exile *exile, struct session *session, struct str user)
{
    struct key_name channel;
    struct buf tag = {0};

    if (user.len == 0) {
        return;
    }
    exile->session = session;
    keys_tag(user, &tag);
    hub_join(session->services->hub, &exile->sub, &listener,
             keys_name(&channel, KEY_USER, buf_str(&tag)));
    buf_finish(&tag);
}

void exile_unwatch(struct exile *exile)
{
    if (exile->session != NULL) {
        hub_leave(exile->session->services->hub, &exile->sub);
        exile->session = NULL;
    }
}
