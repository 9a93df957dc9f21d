/* Updates of players, each of which all other devices of its user must get exactly once.
 *
 * Closed loop: `window` updates are in flight, over all users in turn; a complete one makes
 * room for the next. Open loop (`rate`): updates leave on time, whatever became of earlier
 * ones, and latency counts from the moment when one should have left: a server that stalls is
 * charged for all who would have waited (no coordinated omission).
 *
 * A user has SLOTS updates in flight at most. Number n uses slot n % SLOTS. Each device has one
 * bit per slot that flips with every update it gets: set in even rounds, clear in odd ones. So
 * a second copy is seen, and what is missing is a count. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/mem.h"
#include "test/bench/swarm.h"
#include "test/bench/update.h"

enum {
    SLOTS = 64,
    SETTLE_NS = 1000000000 /* between the last opening and the first update */
};

struct player {
    uint32_t missing[SLOTS]; /* devices that have not got it yet */
    uint64_t next;           /* number of the next update */
};

struct talk {
    const struct bench *bench;
    struct swarm swarm;
    struct player *players; /* owned */
    uint32_t receivers;     /* of one update */
    uint64_t due;           /* updates that should have been sent by now */
    uint64_t sent, complete, deliveries, doubled;
    bool measuring;
    uint64_t start_ns; /* of the run */
    uint64_t wall_ms;  /* the clock at the start */
    struct hist latency;
};

static bool is_set(const struct client *client, uint64_t number)
{
    return (client->flips >> (number % SLOTS)) & 1;
}

/* What a device's bit is after it got the update. */
static bool wanted(uint64_t number)
{
    return (number / SLOTS) % 2 == 0;
}

static void on_update(void *context, struct client *client, struct str text)
{
    struct talk *talk = context;
    struct player *player = &talk->players[client->user - talk->bench->first];
    uint64_t number, sent_ns;

    if (!update_read(text, &number, &sent_ns)) {
        die("client %u of user-%u got: %.*s", client->number, client->user, STR_ARG(text));
    }
    if (number >= player->next || player->next - number > SLOTS ||
        is_set(client, number) == wanted(number)) {
        talk->doubled++;
        return;
    }
    client->flips ^= 1ULL << (number % SLOTS);
    talk->deliveries++;
    if (--player->missing[number % SLOTS] == 0) {
        talk->complete++;
    }
    if (talk->measuring) {
        uint64_t at = talk->swarm.now_ns - talk->start_ns;

        hist_add(&talk->latency, at > sent_ns ? at - sent_ns : 0);
    }
}

/* False: the player's slots are all in use. */
static bool send_next(struct talk *talk, uint64_t intended_ns)
{
    const struct bench *bench = talk->bench;
    unsigned user = (unsigned)(talk->sent % bench->users);
    struct player *player = &talk->players[user];
    uint64_t number = player->next;
    struct client *sender =
        &talk->swarm.clients[user * bench->devices + number % bench->devices];
    struct update update = {.verb = (enum update_verb)(number % UPDATE_VERBS),
                            .number = number,
                            .sent_ns = intended_ns,
                            .position = (unsigned)(number % 300),
                            .at_ms = talk->wall_ms + intended_ns / 1000000};
    char room[UPDATE_MAX];

    if (player->missing[number % SLOTS] > 0) {
        return false;
    }
    player->next++;
    player->missing[number % SLOTS] = talk->receivers;
    if (!bench->dialect->echoes) {
        sender->flips ^= 1ULL << (number % SLOTS);
    }
    talk->sent++;
    swarm_send(&talk->swarm, sender, update_write(&update, room));
    return true;
}

static void send_by_window(struct talk *talk)
{
    while (talk->sent - talk->complete < talk->bench->window &&
           send_next(talk, now_ns() - talk->start_ns)) {
    }
}

/* Returns how long to wait for the next one. What is due at the end is not sent any more. */
static uint64_t send_by_rate(struct talk *talk, uint64_t end_ns)
{
    double gap = 1e9 / talk->bench->rate;

    for (;;) {
        uint64_t due_ns = (uint64_t)((double)talk->due * gap);
        uint64_t now = now_ns() - talk->start_ns;

        if (due_ns > now || due_ns >= end_ns - talk->start_ns) {
            return due_ns > now ? due_ns - now : 0;
        }
        if (!send_next(talk, due_ns)) {
            return 1000000;
        }
        talk->due++;
    }
}

static void run_until(struct talk *talk, uint64_t end_ns)
{
    for (uint64_t now = now_ns(); now < end_ns; now = now_ns()) {
        uint64_t wait = end_ns - now;

        if (talk->bench->rate > 0) {
            uint64_t next = send_by_rate(talk, end_ns);

            wait = next < wait ? next : wait;
        } else {
            send_by_window(talk);
        }
        swarm_turn(&talk->swarm, wait);
    }
}

static void drain(struct talk *talk)
{
    uint64_t end = now_ns() + (uint64_t)(talk->bench->patience * 1e9);

    while (talk->complete < talk->sent && now_ns() < end) {
        swarm_turn(&talk->swarm, 10000000);
    }
    /* A copy too many would come about now. */
    for (end = now_ns() + 100000000; now_ns() < end;) {
        swarm_turn(&talk->swarm, 10000000);
    }
}

static uint64_t count_missing(const struct talk *talk)
{
    uint64_t missing = 0;

    for (unsigned user = 0; user < talk->bench->users; user++) {
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            missing += talk->players[user].missing[slot];
        }
    }
    return missing;
}

/* Some contestants say that a client is connected before it is subscribed. */
static void settle(struct talk *talk)
{
    for (uint64_t end = now_ns() + SETTLE_NS; now_ns() < end;) {
        swarm_turn(&talk->swarm, 10000000);
    }
}

static void measure(struct talk *talk)
{
    const struct bench *bench = talk->bench;
    struct watch_use before[WATCH_NAMES_MAX] = {0}, after[WATCH_NAMES_MAX] = {0};
    uint64_t deliveries, began, ended, end_ns;
    double busy;

    talk->start_ns = now_ns();
    end_ns = talk->start_ns + (uint64_t)(bench->warmup * 1e9);
    run_until(talk, end_ns);
    watch_read_cpu(&bench->watch, before);
    busy = watch_machine();
    talk->measuring = true;
    deliveries = talk->deliveries;
    began = now_ns();
    /* Not from where the warming up came to its end, which is late: a rate would send more than
     * is asked for. */
    run_until(talk, end_ns + (uint64_t)(bench->seconds * 1e9));
    watch_read_cpu(&bench->watch, after);
    busy = watch_machine() - busy;
    ended = now_ns();
    deliveries = talk->deliveries - deliveries;
    talk->measuring = false;
    drain(talk);

    report_number("seconds", (double)(ended - began) / 1e9);
    report_number("updates", (double)deliveries / talk->receivers);
    report_number("deliveries", (double)deliveries);
    report_cpu(bench, before, after);
    report_number("machine", busy);
    report_latency(&talk->latency);
    watch_read_memory(&bench->watch, after);
    report_memory(bench, "memory", after);
    report_number("sent", (double)talk->sent);
    report_number("lost", (double)count_missing(talk));
    report_number("doubled", (double)talk->doubled);
}

void talk(const struct bench *bench)
{
    struct talk *talk = mem_zero(sizeof(*talk));
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    talk->bench = bench;
    talk->wall_ms = (uint64_t)wall.tv_sec * 1000;
    talk->players = mem_zero(bench->users * sizeof(talk->players[0]));
    talk->receivers = bench->dialect->echoes ? bench->devices : bench->devices - 1;
    swarm_init(&talk->swarm, bench);
    talk->swarm.on_update = on_update;
    talk->swarm.context = talk;
    swarm_open(&talk->swarm);
    settle(talk);
    measure(talk);
    swarm_finish(&talk->swarm);
    mem_free(talk->players);
    mem_free(talk);
}
