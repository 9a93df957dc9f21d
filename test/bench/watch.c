/* CPU time and memory of processes: /proc/PID/stat counts in ticks of 10 ms, schedstat of each
 * thread in nanoseconds; /proc/PID/smaps_rollup knows the pages. */
#include "test/bench/watch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/bench/bench.h"

bool watch_add(struct watch *watch, const char *text)
{
    struct watched *watched = &watch->names[watch->count];
    const char *colon = strchr(text, ':');
    char *end = (char *)colon;

    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof(watched->name) ||
        watch->count == WATCH_NAMES_MAX) {
        return false;
    }
    memcpy(watched->name, text, (size_t)(colon - text));
    while (*end != '\0' && watched->pid_count < WATCH_PIDS_MAX) {
        pid_t pid = (pid_t)strtol(end + 1, &end, 10);

        if (pid <= 0 || (*end != ',' && *end != '\0')) {
            return false;
        }
        watched->pids[watched->pid_count++] = pid;
    }
    watch->count++;
    return true;
}

static FILE *open_proc(pid_t pid, const char *file)
{
    char path[64];
    FILE *stream;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    stream = fopen(path, "r");
    if (stream == NULL) {
        die("process %d, which is to be watched, is gone", (int)pid);
    }
    return stream;
}

/* Fields 14 and 15 count from the name in parentheses, which may hold anything. */
static void read_stat(pid_t pid, struct watch_use *use)
{
    char line[1024];
    FILE *stream = open_proc(pid, "stat");
    unsigned long user, system;
    const char *rest;
    double tick = (double)sysconf(_SC_CLK_TCK);

    if (fgets(line, sizeof(line), stream) == NULL || (rest = strrchr(line, ')')) == NULL ||
        sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2) {
        die("/proc/%d/stat can't be understood", (int)pid);
    }
    fclose(stream);
    use->user += (double)user / tick;
    use->system += (double)system / tick;
}

struct thread_time {
    unsigned long long ran_ns, waited_ns;
};

/* Of one thread; 0 when it has just ended, or when the kernel doesn't keep them. */
static struct thread_time read_thread(pid_t pid, const char *thread)
{
    char path[64];
    struct thread_time time = {0};
    FILE *stream;

    snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", (int)pid, thread);
    stream = fopen(path, "r");
    if (stream != NULL) {
        if (fscanf(stream, "%llu %llu", &time.ran_ns, &time.waited_ns) != 2) {
            time = (struct thread_time){0};
        }
        fclose(stream);
    }
    return time;
}

static void read_cpu(pid_t pid, struct watch_use *use)
{
    double earlier = use->user + use->system;
    unsigned long long ns = 0;
    char path[64];
    DIR *threads;

    read_stat(pid, use);
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    threads = opendir(path);
    for (const struct dirent *entry; threads != NULL && (entry = readdir(threads)) != NULL;) {
        if (entry->d_name[0] != '.') {
            struct thread_time time = read_thread(pid, entry->d_name);

            ns += time.ran_ns;
            use->waited += (double)time.waited_ns / 1e9;
        }
    }
    if (threads != NULL) {
        closedir(threads);
    }
    use->cpu += ns > 0 ? (double)ns / 1e9 : use->user + use->system - earlier;
}

static void read_memory(pid_t pid, struct watch_use *use)
{
    char line[256];
    FILE *stream = open_proc(pid, "smaps_rollup");
    unsigned long long kib;

    while (fgets(line, sizeof(line), stream) != NULL) {
        if (sscanf(line, "Rss: %llu kB", &kib) == 1) {
            use->rss += kib * 1024;
        } else if (sscanf(line, "Pss: %llu kB", &kib) == 1) {
            use->pss += kib * 1024;
        }
    }
    fclose(stream);
}

static void read_all(const struct watch *watch, struct watch_use uses[WATCH_NAMES_MAX],
                     void (*read)(pid_t pid, struct watch_use *use))
{
    for (unsigned i = 0; i < watch->count; i++) {
        for (unsigned k = 0; k < watch->names[i].pid_count; k++) {
            read(watch->names[i].pids[k], &uses[i]);
        }
    }
}

void watch_read_cpu(const struct watch *watch, struct watch_use uses[WATCH_NAMES_MAX])
{
    for (unsigned i = 0; i < watch->count; i++) {
        uses[i].cpu = uses[i].waited = uses[i].user = uses[i].system = 0;
    }
    read_all(watch, uses, read_cpu);
}

void watch_read_memory(const struct watch *watch, struct watch_use uses[WATCH_NAMES_MAX])
{
    for (unsigned i = 0; i < watch->count; i++) {
        uses[i].rss = uses[i].pss = 0;
    }
    read_all(watch, uses, read_memory);
}

double watch_machine(void)
{
    FILE *stream = fopen("/proc/stat", "r");
    unsigned long long user = 0, nice = 0, system = 0, idle, waiting, irq = 0, soft = 0,
                       steal = 0;

    if (stream == NULL || fscanf(stream, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user,
                                 &nice, &system, &idle, &waiting, &irq, &soft, &steal) != 8) {
        die("/proc/stat can't be understood");
    }
    fclose(stream);
    return (double)(user + nice + system + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK);
}
