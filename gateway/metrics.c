/* Counters, gauges and histograms of one process, as Prometheus text (version 0.0.4).
 *
 * The numbers lie in struct metrics, where whoever causes an event counts it; here is only how
 * they are printed. Label values are names from our own tables, so nothing needs escaping. What
 * the system knows about the process is read from /proc when somebody asks. */
#include "gateway/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

#ifndef SEGUE_VERSION
#define SEGUE_VERSION "0.0.0-dev"
#endif

enum {
    US_PER_S = 1000000,
    WORD_MAX = 32
};

/* An upper bound in microseconds, and as `le` prints it. A row without text ends a table. */
struct bound {
    uint64_t us;
    const char *seconds;
};

/* From what a local Redis takes to what nobody waits for. */
static const struct bound latencies[METRICS_BUCKETS + 1] = {
    {50, "0.00005"},  {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},
    {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},
    {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},   {2500000, "2.5"},
    {5000000, "5"},   {10000000, "10"},
};

/* From a client that comes and goes at once to one that stays for days. */
static const struct bound ages[METRICS_BUCKETS + 1] = {
    {1000000ull, "1"},         {10000000ull, "10"},       {60000000ull, "60"},
    {300000000ull, "300"},     {1800000000ull, "1800"},   {7200000000ull, "7200"},
    {28800000000ull, "28800"}, {86400000000ull, "86400"}, {604800000000ull, "604800"},
};

#define X(name, text) text,
static const char *const protocols[] = {METRICS_PROTOCOLS(X)};
static const char *const transports[] = {METRICS_TRANSPORTS(X)};
static const char *const rejections[] = {METRICS_REJECTIONS(X)};
static const char *const newer[] = {METRICS_NEWER(X)};
static const char *const limits[] = {METRICS_LIMITS(X)};
#undef X

static void observe(struct metrics_histogram *histogram, const struct bound *bounds,
                    uint64_t us)
{
    size_t bucket = 0;

    while (bounds[bucket].seconds != NULL && us > bounds[bucket].us) {
        bucket++;
    }
    histogram->counts[bucket]++;
    histogram->sum_us += us;
}

void metrics_observe(struct metrics_histogram *histogram, uint64_t us)
{
    observe(histogram, latencies, us);
}

void metrics_observe_age(struct metrics_histogram *histogram, uint64_t ms)
{
    observe(histogram, ages, ms * 1000);
}

void metrics_peak_add(struct metrics_peak *peak, uint64_t value, uint64_t now_ms)
{
    if (now_ms >= peak->until_ms) {
        peak->before = now_ms < peak->until_ms + METRICS_PEAK_MS ? peak->now : 0;
        peak->now = 0;
        peak->until_ms = now_ms + METRICS_PEAK_MS;
    }
    if (value > peak->now) {
        peak->now = value;
    }
}

uint64_t metrics_peak_value(const struct metrics_peak *peak)
{
    return peak->now > peak->before ? peak->now : peak->before;
}

const char *metrics_transport_word(enum metrics_transport transport)
{
    return transports[transport];
}

/* ---- Lines ---- */

static void begin(struct buf *to, const char *name, const char *type, const char *help)
{
    buf_addf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_seconds(struct buf *to, uint64_t us)
{
    buf_addf(to, "%llu.%06llu\n", (unsigned long long)(us / US_PER_S),
             (unsigned long long)(us % US_PER_S));
}

static void print_number(struct buf *to, const char *name, const char *type, const char *help,
                         uint64_t value)
{
    begin(to, name, type, help);
    buf_addf(to, "%s %llu\n", name, (unsigned long long)value);
}

static void print_seconds(struct buf *to, const char *name, const char *type, const char *help,
                          uint64_t us)
{
    begin(to, name, type, help);
    buf_addf(to, "%s ", name);
    add_seconds(to, us);
}

/* One row per name. Rows that are still 0 are left out from `always` on. */
static void print_row(struct buf *to, const char *name, const char *label, const char *help,
                      const char *const *names, const uint64_t *values, size_t count,
                      size_t always)
{
    begin(to, name, "counter", help);
    for (size_t i = 0; i < count; i++) {
        if (i < always || values[i] != 0) {
            buf_addf(to, "%s{%s=\"%s\"} %llu\n", name, label, names[i],
                     (unsigned long long)values[i]);
        }
    }
}

static void print_histogram(struct buf *to, const char *name, const char *help,
                            const struct metrics_histogram *histogram,
                            const struct bound *bounds)
{
    unsigned long long total = 0;
    size_t bucket = 0;

    begin(to, name, "histogram", help);
    for (; bounds[bucket].seconds != NULL; bucket++) {
        total += histogram->counts[bucket];
        buf_addf(to, "%s_bucket{le=\"%s\"} %llu\n", name, bounds[bucket].seconds, total);
    }
    total += histogram->counts[bucket];
    buf_addf(to, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum ", name, total, name);
    add_seconds(to, histogram->sum_us);
    buf_addf(to, "%s_count %llu\n", name, total);
}

/* One row per protocol and transport. */
static void print_carried(struct buf *to, const char *name, const char *type, const char *help,
                          const uint64_t (*values)[METRICS_TRANSPORT_COUNT])
{
    begin(to, name, type, help);
    for (size_t p = 0; p < METRICS_PROTOCOL_COUNT; p++) {
        for (size_t t = 0; t < METRICS_TRANSPORT_COUNT; t++) {
            bool main_row = p == METRICS_PROTOCOL_PLAYER && t == METRICS_TRANSPORT_WEBSOCKET;

            if (main_row || values[p][t] != 0) {
                buf_addf(to, "%s{protocol=\"%s\",transport=\"%s\"} %llu\n", name, protocols[p],
                         transports[t], (unsigned long long)values[p][t]);
            }
        }
    }
}

/* "service restart" as a label's value: service_restart. */
static const char *label_of(enum reason reason, char room[WORD_MAX])
{
    size_t len = 0;

    for (const char *word = reason_word(reason); *word != '\0' && len < WORD_MAX - 1; word++) {
        room[len++] = *word == ' ' ? '_' : *word;
    }
    room[len] = '\0';
    return room;
}

static void print_closed(const struct metrics *metrics, struct buf *to)
{
    char room[WORD_MAX];

    begin(to, "segue_closed_total", "counter",
          "Connections and polling sessions that ended, by why.");
    for (size_t t = 0; t < METRICS_TRANSPORT_COUNT; t++) {
        for (size_t r = 0; r < REASON_COUNT; r++) {
            if (t == METRICS_TRANSPORT_WEBSOCKET || metrics->closed[t][r] != 0) {
                buf_addf(to, "segue_closed_total{transport=\"%s\",reason=\"%s\"} %llu\n",
                         transports[t], label_of((enum reason)r, room),
                         (unsigned long long)metrics->closed[t][r]);
            }
        }
    }
}

static void print_transitions(const struct metrics *metrics, struct buf *to)
{
    begin(to, "segue_transitions_total", "counter",
          "Scripts that Redis ran for this process, by what came of them.");
    for (size_t s = 0; s < METRICS_SCRIPTS_MAX && metrics->script_names[s] != NULL; s++) {
        for (size_t o = 0; o < METRICS_OUTCOMES_MAX && metrics->outcome_names[o] != NULL; o++) {
            buf_addf(to, "segue_transitions_total{script=\"%s\",outcome=\"%s\"} %llu\n",
                     metrics->script_names[s], metrics->outcome_names[o],
                     (unsigned long long)metrics->transitions[s][o]);
        }
    }
}

/* ---- The process, as the system sees it ---- */

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%*u %llu", &pages) != 1) {
        pages = 0;
    }
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t cpu_us(void)
{
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) != 0) {
        return 0;
    }
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * US_PER_S +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static uint64_t open_files(void)
{
    struct stat info;
    uint64_t count = 0;
    DIR *dir;

    /* Linux 6.2 and newer tell the number as the size, without a walk over 100,000 sockets. */
    if (stat("/proc/self/fd", &info) == 0 && info.st_size > 0) {
        return (uint64_t)info.st_size;
    }
    dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count - 1; /* the directory itself was open */
}

static uint64_t files_limit(void)
{
    struct rlimit files;

    return getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 0;
}

/* When the process was started, in microseconds since 1970; 0 when the system doesn't tell. */
static uint64_t read_start(void)
{
    char line[1024];
    const char *behind;
    unsigned long long ticks;
    size_t len;
    struct timespec now, up;
    FILE *file = fopen("/proc/self/stat", "re");

    if (file == NULL) {
        return 0;
    }
    len = fread(line, 1, sizeof(line) - 1, file);
    fclose(file);
    line[len] = '\0';
    behind = strrchr(line, ')'); /* the name in front of it may hold anything */
    if (behind == NULL ||
        sscanf(
            behind + 1,
            " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
            &ticks) != 1) {
        return 0;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &up);
    return (uint64_t)(now.tv_sec - up.tv_sec) * US_PER_S +
           (uint64_t)((now.tv_nsec - up.tv_nsec) / 1000) +
           ticks * US_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
}

static void print_process(struct buf *to)
{
    static uint64_t started; /* read once: worked out from two clocks, it would tremble */

    if (started == 0) {
        started = read_start();
    }
    print_number(to, "process_resident_memory_bytes", "gauge", "Memory that is in RAM.",
                 resident_bytes());
    print_seconds(to, "process_cpu_seconds_total", "counter", "User and system time.",
                  cpu_us());
    print_number(to, "process_open_fds", "gauge", "Open files and sockets.", open_files());
    print_number(to, "process_max_fds", "gauge", "Limit of open files and sockets.",
                 files_limit());
    print_seconds(to, "process_start_time_seconds", "gauge",
                  "When the process was started, since 1970.", started);
}

/* ---- All ---- */

static void print_clients(const struct metrics *metrics, struct buf *to)
{
    print_carried(to, "segue_connections", "gauge", "Open connections of clients.",
                  metrics->connections);
    print_carried(to, "segue_opened_total", "counter",
                  "Connections and polling sessions that were accepted.", metrics->opened);
    print_closed(metrics, to);
    print_histogram(to, "segue_connection_age_seconds", "How old WebSockets were at their end.",
                    &metrics->age, ages);
    print_number(to, "segue_sockets", "gauge",
                 "Open sockets of the public listener, also those of requests.",
                 metrics->sockets);
    print_number(to, "segue_sockets_limit", "gauge", "How many are let in.",
                 metrics->sockets_limit);
    print_row(to, "segue_messages_received_total", "protocol", "Messages from clients.",
              protocols, metrics->messages_received, METRICS_PROTOCOL_COUNT,
              METRICS_PROTOCOL_PLAYER + 1);
    print_row(to, "segue_messages_sent_total", "protocol", "Messages to clients.", protocols,
              metrics->messages_sent, METRICS_PROTOCOL_COUNT, METRICS_PROTOCOL_PLAYER + 1);
    print_number(to, "segue_bytes_received_total", "counter", "Bytes read from clients.",
                 metrics->bytes_received);
    print_number(to, "segue_bytes_sent_total", "counter", "Bytes written to clients.",
                 metrics->bytes_sent);
    print_number(to, "segue_slow_consumers_total", "counter",
                 "Connections whose queue was full.", metrics->slow_consumers);
    print_number(to, "segue_admitted_total", "counter",
                 "New WebSockets and Engine.IO sessions that were let in.", metrics->admitted);
    print_row(to, "segue_rejected_total", "reason",
              "Requests, connections and messages that were refused.", rejections,
              metrics->rejected, METRICS_REJECTION_COUNT, METRICS_REJECTION_COUNT);
    print_row(to, "segue_limited_total", "limit",
              "Refusals by the limits that hold over all processes.", limits, metrics->limited,
              METRICS_LIMIT_COUNT, METRICS_LIMIT_COUNT);
}

static void print_redis(const struct metrics *metrics, struct buf *to)
{
    print_transitions(metrics, to);
    print_number(to, "segue_redis_up", "gauge",
                 "1 when Redis is there for commands and subscriptions.", metrics->redis_up);
    print_number(to, "segue_redis_lost_total", "counter", "How often Redis went away.",
                 metrics->redis_lost);
    print_number(to, "segue_pending_calls", "gauge", "Calls that Redis has not answered yet.",
                 metrics->pending_calls);
    print_histogram(to, "segue_redis_latency_seconds", "From a command to its reply.",
                    &metrics->redis_latency, latencies);
    print_histogram(to, "segue_delivery_latency_seconds",
                    "From publication in Redis to the write to a client.",
                    &metrics->delivery_latency, latencies);
    print_row(to, "segue_newer_version_seen_total", "what",
              "What a newer release wrote or published, which this process can't read.", newer,
              metrics->newer_seen, METRICS_NEWER_COUNT, METRICS_NEWER_COUNT);
    print_number(to, "segue_channels", "gauge", "Channels that this process listens to.",
                 metrics->channels);
}

void metrics_print(const struct metrics *metrics, struct buf *to)
{
    print_clients(metrics, to);
    print_redis(metrics, to);
    print_seconds(to, "segue_loop_lag_seconds", "gauge",
                  "The longest that the loop kept something waiting, of the last 15 to 30 s.",
                  metrics_peak_value(&metrics->loop_lag_us));
    print_number(to, "segue_draining", "gauge", "1 when the process is about to end.",
                 metrics->draining);
    print_number(to, "segue_log_lines_lost_total", "counter",
                 "Lines of the log that stderr did not take.", log_lost());
    print_process(to);
    begin(to, "segue_build_info", "gauge", "The version, as label.");
    buf_add_text(to, "segue_build_info{version=\"" SEGUE_VERSION "\"} 1\n");
    begin(to, "segue_process_info", "gauge", "The process's name, as in its log.");
    buf_addf(to, "segue_process_info{name=\"%s\"} 1\n",
             metrics->name != NULL ? metrics->name : "");
}
