/* Publications of a newer release: what happened must not be missed, though it can't be read.
 */
#include "gateway/newer.h"

#include <string.h>

#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"

enum {
    REMIND_MS = 60000,
    VERSIONS = 8 /* that are told apart in the log, counted from the first that is newer */
};

/* A channel on which something newer was said during the last period. */
struct missing {
    UT_hash_handle hh;
    bool again; /* and once more since it was told */
    char channel[];
};

struct newer {
    struct hub *hub;         /* borrowed */
    struct metrics *metrics; /* borrowed */
    struct missing *missing; /* owned; no more than the hub has channels */
    uv_timer_t timer;        /* runs while somebody is missing something */
    uint64_t said_ms[VERSIONS];
};

struct newer *newer_create(struct hub *hub, struct metrics *metrics)
{
    struct newer *newer = mem_zero(sizeof(*newer));

    newer->hub = hub;
    newer->metrics = metrics;
    return newer;
}

static void forget(struct newer *newer, struct missing *missing)
{
    HASH_DEL(newer->missing, missing);
    mem_free(missing);
}

static void tell_missed(struct newer *newer, struct str channel)
{
    struct msg *msg = msg_missed();

    hub_publish(newer->hub, channel, msg);
    msg_unref(msg);
}

/* Those to whom nothing newer was said since are looked at no more. */
static void on_period(uv_timer_t *timer)
{
    struct newer *newer = timer->data;
    struct missing *missing, *next;

    HASH_ITER(hh, newer->missing, missing, next)
    {
        if (missing->again) {
            missing->again = false;
            tell_missed(newer, str_from(missing->channel, missing->hh.keylen));
        } else {
            forget(newer, missing);
        }
    }
    if (newer->missing == NULL) {
        uv_timer_stop(timer);
    }
}

void newer_start(struct newer *newer, uv_loop_t *loop)
{
    uv_timer_init(loop, &newer->timer);
    newer->timer.data = newer;
}

/* Once a minute: it goes on until this process is replaced. */
static void say(struct newer *newer, uint32_t version)
{
    uint32_t above = version - MSG_VERSION - 1;
    uint64_t *said = &newer->said_ms[above < VERSIONS ? above : VERSIONS - 1];
    uint64_t now = uv_now(newer->timer.loop);

    newer->metrics->newer_seen[METRICS_NEWER_ENVELOPE]++;
    if (*said != 0 && now - *said < REMIND_MS) {
        return;
    }
    *said = now;
    log_write(LOG_WARN, "newer version met", LOG_TEXT("what", "envelope"),
              LOG_NUMBER("version", version), LOG_NUMBER("ours", MSG_VERSION),
              LOG_TEXT("hint", "this process reads the state instead: replace it"));
}

void newer_heard(struct newer *newer, struct str channel, struct msg *msg)
{
    struct missing *missing;

    say(newer, msg->version);
    if (msg->kind != MSG_MISSED) { /* what all versions understand */
        hub_publish(newer->hub, channel, msg);
        return;
    }
    HASH_FIND(hh, newer->missing, channel.at, channel.len, missing);
    if (missing != NULL) {
        missing->again = true;
        return;
    }
    missing = mem_zero(sizeof(*missing) + channel.len);
    memcpy(missing->channel, channel.at, channel.len);
    HASH_ADD_KEYPTR(hh, newer->missing, missing->channel, channel.len, missing);
    if (!uv_is_active((const uv_handle_t *)&newer->timer)) {
        uv_timer_start(&newer->timer, on_period, NEWER_PACE_MS, NEWER_PACE_MS);
    }
    tell_missed(newer, channel);
}

void newer_stop(struct newer *newer)
{
    uv_close((uv_handle_t *)&newer->timer, NULL);
}

void newer_destroy(struct newer *newer)
{
    struct missing *missing, *next;

    if (newer == NULL) {
        return;
    }
    HASH_ITER(hh, newer->missing, missing, next)
    {
        forget(newer, missing);
    }
    mem_free(newer);
}
