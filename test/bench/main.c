/* segue-bench: the load generator of scripts/bench; one workload against one server. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "gateway/store/keys.h"
#include "test/bench/bench.h"

static const struct workload {
    const char *name;
    void (*run)(const struct bench *bench);
    bool needs_server, needs_redis;
    unsigned users, devices, window; /* defaults */
    const char *what;
} workloads[] = {
    {"sync", talk, true, false, 1000, 3, 256, "updates of many users with few devices each"},
    {"fanout", talk, true, false, 1, 1000, 1, "updates of one user with many devices"},
    {"idle", idle, true, false, 10000, 1, 0, "connections that say nothing"},
    {"hold", hold, true, false, 10000, 1, 0, "the same until stdin ends"},
    {"connect", connect_all, true, false, 10000, 1, 0, "connections as fast as they are taken"},
    {"redis", transitions, false, true, 1000, 1, 256, "the transitions alone, pipelined"},
    {"seed", seed, false, true, 10000, 1, 0, "gives every user a state in Redis"},
};

enum {
    WORKLOAD_COUNT = sizeof(workloads) / sizeof(workloads[0]),
    WINDOW_MAX = 65536,
    CLIENTS_MAX = 1000000
};

static int report_count;

void die(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    fputs("segue-bench: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- the report ---- */

static void name_next(const char *name)
{
    printf("%s\"%s\":", report_count++ == 0 ? "{" : ",", name);
}

void report_number(const char *name, double value)
{
    name_next(name);
    printf("%.15g", value);
}

void report_cpu(const struct bench *bench, const struct watch_use *before,
                const struct watch_use *after)
{
    name_next("cpu");
    putchar('{');
    for (unsigned i = 0; i < bench->watch.count; i++) {
        printf("%s\"%s\":{\"cpu\":%.6f,\"waited\":%.6f,\"user\":%.2f,\"system\":%.2f}",
               i == 0 ? "" : ",", bench->watch.names[i].name, after[i].cpu - before[i].cpu,
               after[i].waited - before[i].waited, after[i].user - before[i].user,
               after[i].system - before[i].system);
    }
    putchar('}');
}

void report_memory(const struct bench *bench, const char *when, const struct watch_use *uses)
{
    name_next(when);
    putchar('{');
    for (unsigned i = 0; i < bench->watch.count; i++) {
        printf("%s\"%s\":{\"rss\":%llu,\"pss\":%llu}", i == 0 ? "" : ",",
               bench->watch.names[i].name, (unsigned long long)uses[i].rss,
               (unsigned long long)uses[i].pss);
    }
    putchar('}');
}

void report_latency(const struct hist *hist)
{
    name_next("latency");
    printf("{\"count\":%llu,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}",
           (unsigned long long)hist->total, (double)hist_quantile(hist, 0.5) / 1e3,
           (double)hist_quantile(hist, 0.99) / 1e3, (double)hist_quantile(hist, 0.999) / 1e3,
           (double)hist->max / 1e3);
}

/* ---- options ---- */

static void print_help(void)
{
    puts("usage: segue-bench WORKLOAD [OPTIONS]\n\nWORKLOAD, with its default of "
         "users x devices, window:");
    for (unsigned i = 0; i < WORKLOAD_COUNT; i++) {
        const struct workload *work = &workloads[i];

        printf("  %-8s %s (%u x %u, %u)\n", work->name, work->what, work->users, work->devices,
               work->window);
    }
    printf("\n  --server HOST:PORT  the contestant\n"
           "  --redis HOST:PORT   for redis and seed\n"
           "  --dialect NAME      %s (default player)\n"
           "  --secret TEXT       key of the tokens (HS256); without it there are none\n"
           "  --prefix TEXT       in front of Redis's keys (default segue:)\n"
           "  --users N, --devices N\n"
           "  --first N           number of the first user (default 0): generators share the "
           "users\n"
           "  --from IPV4         the clients' address; each has some 28,000 ports\n"
           "  --window N          updates in flight, of all users together\n"
           "  --rate N            updates per second instead of a window\n"
           "  --opening N         connections being opened at the same time (default 64)\n"
           "  --warmup S, --seconds S   (defaults 1, 5)\n"
           "  --patience S        how long what is under way may take at the end (default 10)\n"
           "  --watch NAME:PID[,PID]    report CPU and memory of these processes\n"
           "\nThe result is one JSON object on stdout. Times are in microseconds.\n",
           dialect_names());
}

static double number_of(const char *name, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= least && value <= most)) {
        die("--%s wants a number from %g to %g, not '%s'", name, least, most, text);
    }
    return value;
}

static struct sockaddr_in address_of(const char *name, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct str host, port;
    char room[INET_ADDRSTRLEN] = "";

    if (!str_cut(str_of(text), ':', &host, &port) || host.len >= sizeof(room)) {
        die("--%s wants IPV4:PORT, not '%s'", name, text);
    }
    memcpy(room, host.at, host.len);
    if (inet_pton(AF_INET, room, &address.sin_addr) != 1) {
        die("--%s wants IPV4:PORT, not '%s'", name, text);
    }
    address.sin_port = htons((uint16_t)number_of(name, port.at, 1, 65535));
    return address;
}

enum option_code {
    OPTION_SERVER = 1,
    OPTION_REDIS,
    OPTION_DIALECT,
    OPTION_SECRET,
    OPTION_PREFIX,
    OPTION_USERS,
    OPTION_DEVICES,
    OPTION_FIRST,
    OPTION_FROM,
    OPTION_WINDOW,
    OPTION_RATE,
    OPTION_OPENING,
    OPTION_WARMUP,
    OPTION_SECONDS,
    OPTION_PATIENCE,
    OPTION_WATCH,
    OPTION_HELP
};

static const struct option options[] = {{"server", required_argument, NULL, OPTION_SERVER},
                                        {"redis", required_argument, NULL, OPTION_REDIS},
                                        {"dialect", required_argument, NULL, OPTION_DIALECT},
                                        {"secret", required_argument, NULL, OPTION_SECRET},
                                        {"prefix", required_argument, NULL, OPTION_PREFIX},
                                        {"users", required_argument, NULL, OPTION_USERS},
                                        {"devices", required_argument, NULL, OPTION_DEVICES},
                                        {"first", required_argument, NULL, OPTION_FIRST},
                                        {"from", required_argument, NULL, OPTION_FROM},
                                        {"window", required_argument, NULL, OPTION_WINDOW},
                                        {"rate", required_argument, NULL, OPTION_RATE},
                                        {"opening", required_argument, NULL, OPTION_OPENING},
                                        {"warmup", required_argument, NULL, OPTION_WARMUP},
                                        {"seconds", required_argument, NULL, OPTION_SECONDS},
                                        {"patience", required_argument, NULL, OPTION_PATIENCE},
                                        {"watch", required_argument, NULL, OPTION_WATCH},
                                        {"help", no_argument, NULL, OPTION_HELP},
                                        {NULL, 0, NULL, 0}};

static void set_number(struct bench *bench, enum option_code code, const char *name)
{
    switch (code) {
    case OPTION_USERS:
        bench->users = (unsigned)number_of(name, optarg, 1, CLIENTS_MAX);
        break;
    case OPTION_DEVICES:
        bench->devices = (unsigned)number_of(name, optarg, 1, CLIENTS_MAX);
        break;
    case OPTION_FIRST:
        bench->first = (unsigned)number_of(name, optarg, 0, 1e9);
        break;
    case OPTION_WINDOW:
        bench->window = (unsigned)number_of(name, optarg, 1, WINDOW_MAX);
        break;
    case OPTION_RATE:
        bench->rate = number_of(name, optarg, 0, 1e7);
        break;
    case OPTION_OPENING:
        bench->opening = (unsigned)number_of(name, optarg, 1, CLIENTS_MAX);
        break;
    case OPTION_WARMUP:
        bench->warmup = number_of(name, optarg, 0, 3600);
        break;
    case OPTION_SECONDS:
        bench->seconds = number_of(name, optarg, 0, 3600);
        break;
    case OPTION_PATIENCE:
        bench->patience = number_of(name, optarg, 0, 3600);
        break;
    default:
        break;
    }
}

static void set_option(struct bench *bench, enum option_code code, const char *name)
{
    switch (code) {
    case OPTION_SERVER:
        bench->server = address_of(name, optarg);
        break;
    case OPTION_REDIS:
        bench->redis = address_of(name, optarg);
        break;
    case OPTION_FROM:
        bench->from.sin_family = AF_INET;
        if (inet_pton(AF_INET, optarg, &bench->from.sin_addr) != 1) {
            die("--from wants an IPv4 address, not '%s'", optarg);
        }
        break;
    case OPTION_DIALECT:
        bench->dialect = dialect_find(optarg);
        if (bench->dialect == NULL) {
            die("--dialect is one of %s, not '%s'", dialect_names(), optarg);
        }
        break;
    case OPTION_SECRET:
        bench->secret = optarg;
        break;
    case OPTION_PREFIX:
        if (strlen(optarg) > KEYS_PREFIX_MAX) {
            die("--prefix has %d bytes at most", KEYS_PREFIX_MAX);
        }
        keys_setup(optarg);
        break;
    case OPTION_WATCH:
        if (!watch_add(&bench->watch, optarg)) {
            die("--watch wants NAME:PID[,PID], not '%s'", optarg);
        }
        break;
    case OPTION_HELP:
        print_help();
        exit(0);
    default:
        set_number(bench, code, name);
    }
}

static const struct workload *parse(struct bench *bench, int argc, char **argv)
{
    const struct workload *work = NULL;
    int code, index;

    for (unsigned i = 0; argc > 1 && i < WORKLOAD_COUNT; i++) {
        if (strcmp(workloads[i].name, argv[1]) == 0) {
            work = &workloads[i];
        }
    }
    if (work != NULL) {
        bench->workload = work->name;
        bench->users = work->users;
        bench->devices = work->devices;
        bench->window = work->window;
        optind = 2;
    }
    while ((code = getopt_long(argc, argv, "", options, &index)) != -1) {
        if (code == '?') {
            exit(2);
        }
        set_option(bench, (enum option_code)code, options[index].name);
    }
    if (work == NULL || optind != argc) {
        die("which workload? see segue-bench --help");
    }
    if ((work->needs_server && bench->server.sin_port == 0) ||
        (work->needs_redis && bench->redis.sin_port == 0)) {
        die("%s needs --%s", work->name, work->needs_server ? "server" : "redis");
    }
    if (work->run == talk && bench->devices < 2) {
        die("--devices: an update needs somebody else to go to");
    }
    if (work->run == talk && bench->dialect->silent) {
        die("--dialect %s says no updates", bench->dialect->name);
    }
    return work;
}

/* What we take ourselves belongs into the report: a generator at its limit measures itself. */
static void watch_ourselves(struct watch *watch)
{
    char text[32];

    snprintf(text, sizeof(text), "generator:%d", (int)getpid());
    if (!watch_add(watch, text)) {
        die("--watch was given too often");
    }
}

static void allow_files(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.opening = 64, .warmup = 1, .seconds = 5, .patience = 10};
    const struct workload *work;

    keys_setup("segue:");
    bench.dialect = dialect_find("player");
    work = parse(&bench, argc, argv);
    watch_ourselves(&bench.watch);
    signal(SIGPIPE, SIG_IGN);
    allow_files();
    work->run(&bench);
    puts("}");
    return 0;
}
