/* Connections that are there: how fast they come, and what they cost while they say nothing. */
#include <poll.h>
#include <stdio.h>

#include "test/bench/swarm.h"

enum {
    SETTLE_S = 2,       /* between the last opening and the first look at the memory */
    LOOK_NS = 100000000 /* how often a holder looks whether it is still wanted */
};

static void on_ready(void *context, struct client *client)
{
    hist_add(context, now_ns() - client->open_ns);
}

static void rest(struct swarm *swarm, double seconds)
{
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);

    for (uint64_t now = now_ns(); now < end; now = now_ns()) {
        swarm_turn(swarm, end - now);
    }
}

void idle(const struct bench *bench)
{
    struct watch_use uses[WATCH_NAMES_MAX] = {0}, before[WATCH_NAMES_MAX] = {0};
    struct swarm swarm;
    uint64_t began;

    swarm_init(&swarm, bench);
    watch_read_memory(&bench->watch, uses);
    report_memory(bench, "empty", uses);
    swarm_open(&swarm);
    rest(&swarm, SETTLE_S);
    watch_read_cpu(&bench->watch, before);
    began = now_ns();
    rest(&swarm, bench->seconds);
    watch_read_cpu(&bench->watch, uses);
    report_number("seconds", (double)(now_ns() - began) / 1e9);
    report_cpu(bench, before, uses);
    watch_read_memory(&bench->watch, uses);
    report_memory(bench, "memory", uses);
    report_number("connections", swarm.ready);
    swarm_finish(&swarm);
}

static bool stdin_ended(void)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    char byte;

    return poll(&input, 1, 0) > 0 && fread(&byte, 1, 1, stdin) == 0;
}

void hold(const struct bench *bench)
{
    static struct hist latency;
    struct swarm swarm;
    uint64_t began = now_ns();

    swarm_init(&swarm, bench);
    swarm.on_ready = on_ready;
    swarm.context = &latency;
    swarm_open(&swarm);
    fprintf(stderr, "segue-bench: holding %u connections\n", swarm.ready);
    while (!stdin_ended()) {
        swarm_turn(&swarm, LOOK_NS);
    }
    report_number("seconds", (double)(now_ns() - began) / 1e9);
    report_number("connections", swarm.ready);
    report_latency(&latency);
    swarm_finish(&swarm);
}

void connect_all(const struct bench *bench)
{
    static struct hist latency;
    struct watch_use before[WATCH_NAMES_MAX] = {0}, after[WATCH_NAMES_MAX] = {0};
    struct swarm swarm;
    uint64_t began;

    swarm_init(&swarm, bench);
    swarm.on_ready = on_ready;
    swarm.context = &latency;
    watch_read_cpu(&bench->watch, before);
    began = now_ns();
    swarm_open(&swarm);
    watch_read_cpu(&bench->watch, after);
    report_number("seconds", (double)(now_ns() - began) / 1e9);
    report_number("connections", swarm.ready);
    report_cpu(bench, before, after);
    report_latency(&latency);
    swarm_finish(&swarm);
}
