/* How fast newcomers are let in: at most so many in any second, whoever looks. */
#include "gateway/net/pace.h"

enum {
    NS_PER_S = 1000 * 1000 * 1000,
    BURSTS_PER_S = 10
};

/* A bucket of `burst`, filled with `flow` a second, lets fewer than burst + flow pass in a
 * second that does not count its own end. */
void pace_init(struct pace *pace, uint64_t per_second)
{
    uint64_t burst = per_second / BURSTS_PER_S > 0 ? per_second / BURSTS_PER_S : 1;
    uint64_t flow = per_second + 1 - burst;

    *pace = (struct pace){0};
    if (per_second > 0) {
        pace->step_ns = (NS_PER_S + flow - 1) / flow;
        pace->slack_ns = (burst - 1) * pace->step_ns;
    }
}

bool pace_take(struct pace *pace, uint64_t now_ns)
{
    if (pace->step_ns == 0) {
        return true;
    }
    if (pace->next_ns > now_ns + pace->slack_ns) {
        return false;
    }
    pace->next_ns = (pace->next_ns > now_ns ? pace->next_ns : now_ns) + pace->step_ns;
    return true;
}

/* The last second of the way is rounded at random, so that those who are told the same number
 * are not those who came together. Beyond the longest wait places mean nothing: anywhere in its
 * second half. */
unsigned pace_give_place(struct pace *pace, uint64_t now_ns, uint32_t random)
{
    const uint64_t longest = (uint64_t)PACE_WAIT_MAX_S * NS_PER_S;
    uint64_t place = (pace->place_ns > now_ns ? pace->place_ns : now_ns) + pace->step_ns;

    if (place - now_ns >= longest) {
        pace->place_ns = now_ns + longest;
        return PACE_WAIT_MAX_S / 2 + 1 + random % (PACE_WAIT_MAX_S / 2);
    }
    pace->place_ns = place;
    return 1 + (unsigned)((place - now_ns + random % NS_PER_S) / NS_PER_S);
}

unsigned pace_wait(const struct pace *pace, uint64_t now_ns, uint32_t random)
{
    if (pace->place_ns <= now_ns) {
        return 0;
    }
    return 1 + random % (unsigned)((pace->place_ns - now_ns + NS_PER_S - 1) / NS_PER_S);
}
