/* The transitions alone: EVALSHA with the keys and arguments that the gateway sends, pipelined,
 * and a second connection that is subscribed to all channels, as a gateway's is. What this
 * takes is the least that Redis takes for an update. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/mem.h"
#include "gateway/store/keys.h"
#include "gateway/store/resp.h"
#include "gateway/store/scripts.h"
#include "test/bench/bench.h"
#include "test/bench/update.h"

enum {
    READ_MAX = 256 * 1024,
    DIGITS_MAX = 24
};

/* A connection to Redis: bytes out, replies in. */
struct pipe_line {
    int fd;
    redisReader *reader; /* owned */
    struct buf out;      /* what is to be sent */
    bool shared;         /* one of several masters: keys of others are skipped ... */
    uint64_t skipped;    /* ... and counted */
};

struct transitions {
    const struct bench *bench;
    struct pipe_line commands, events;
    uint64_t *sent_ns; /* owned: ring, by number of the call */
    uint64_t sent, answered, published, due;
    uint64_t start_ns;
    bool measuring;
    struct hist latency;
};

/* ---- the connection ---- */

static void line_open(struct pipe_line *line, const struct sockaddr_in *address)
{
    memset(line, 0, sizeof(*line));
    line->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (line->fd < 0 ||
        connect(line->fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        die("Redis: %s", strerror(errno));
    }
    line->reader = redisReaderCreate();
}

static void line_close(struct pipe_line *line)
{
    close(line->fd);
    redisReaderFree(line->reader);
    buf_finish(&line->out);
}

static void line_flush(struct pipe_line *line)
{
    size_t sent = 0;

    while (sent < line->out.len) {
        ssize_t part = send(line->fd, line->out.at + sent, line->out.len - sent, MSG_NOSIGNAL);

        if (part < 0 && errno != EINTR) {
            die("Redis: %s", strerror(errno));
        }
        sent += part > 0 ? (size_t)part : 0;
    }
    buf_clear(&line->out);
}

static void line_read(struct pipe_line *line)
{
    static char room[READ_MAX];
    ssize_t got = recv(line->fd, room, sizeof(room), 0);

    if (got <= 0) {
        die("Redis: %s", got == 0 ? "closed the connection" : strerror(errno));
    }
    redisReaderFeed(line->reader, room, (size_t)got);
}

/* False: there is no complete reply. An error in Redis is fatal, and so is a transition that
 * was not applied. */
static bool line_take(struct pipe_line *line, bool transition)
{
    void *taken = NULL;
    const redisReply *reply;

    if (redisReaderGetReply(line->reader, &taken) != REDIS_OK) {
        die("Redis: %s", line->reader->errstr);
    }
    if (taken == NULL) {
        return false;
    }
    reply = taken;
    if (reply->type == REDIS_REPLY_ERROR) {
        if (!line->shared || strncmp(reply->str, "MOVED ", 6) != 0) {
            die("Redis: %s", reply->str);
        }
        line->skipped++;
    } else if (transition &&
               (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, "applied") != 0)) {
        die("Redis: a transition came to '%s'", reply->str != NULL ? reply->str : "nothing");
    }
    freeReplyObject(taken);
    return true;
}

static void line_await(struct pipe_line *line, uint64_t replies, bool transitions)
{
    line_flush(line);
    while (replies > 0) {
        if (line_take(line, transitions)) {
            replies--;
        } else {
            line_read(line);
        }
    }
}

/* ---- commands ---- */

static void load_scripts(struct pipe_line *line)
{
    for (int script = 0; script < SCRIPT_COUNT; script++) {
        struct str words[] = {STR("SCRIPT"), STR("LOAD"),
                              str_of(script_row((enum script)script)->body)};

        resp_add_command(&line->out, words, 3);
    }
    line_await(line, SCRIPT_COUNT, false);
}

static struct str name_user(unsigned user, char room[32])
{
    return str_from(room, (size_t)snprintf(room, 32, "user-%u", user));
}

/* One call of a player's transition: origin, message, at, time, and `more`. */
static void add_call(struct buf *to, enum script script, unsigned user, struct str message,
                     uint64_t at_ms, const struct str *more, size_t more_count)
{
    static const char origin[] = "0123456789abcdef0123";
    struct key_name state, channel;
    char name[32], at[DIGITS_MAX];
    struct str tag = name_user(user, name);

    resp_add_count(to, 3 + 2 + 4 + more_count);
    resp_add_word(to, STR("EVALSHA"));
    resp_add_word(to, script_sha(script));
    resp_add_word(to, STR("2"));
    resp_add_word(to, keys_name(&state, KEY_PLAYER, tag));
    resp_add_word(to, keys_name(&channel, KEY_USER, tag));
    resp_add_word(to, str_from(origin, sizeof(origin) - 1));
    resp_add_word(to, message);
    snprintf(at, sizeof(at), "%llu", (unsigned long long)at_ms);
    resp_add_word(to, str_of(at));
    resp_add_word(to, str_of(update_time(at_ms)));
    for (size_t i = 0; i < more_count; i++) {
        resp_add_word(to, more[i]);
    }
}

static uint64_t wall_ms(void)
{
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    return (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
}

/* The same updates in the same turns as in talk.c. */
static void add_update(struct transitions *all, uint64_t intended_ns)
{
    static const enum script scripts[UPDATE_VERBS] = {
        [UPDATE_SEEK] = SCRIPT_player_seek,
        [UPDATE_PAUSE] = SCRIPT_player_pause,
        [UPDATE_RESUME] = SCRIPT_player_resume,
    };
    unsigned users = all->bench->users;
    struct update update = {.verb = (enum update_verb)(all->sent / users % UPDATE_VERBS),
                            .number = all->sent / users,
                            .sent_ns = intended_ns,
                            .position = (unsigned)(all->sent / users % 300),
                            .at_ms = wall_ms()};
    char room[UPDATE_MAX], digits[DIGITS_MAX];
    struct str text = update_write(&update, room), position;

    snprintf(digits, sizeof(digits), "%u", update.position);
    position = str_of(digits);
    add_call(&all->commands.out, scripts[update.verb], (unsigned)(all->sent % users), text,
             update.at_ms, &position, update.verb == UPDATE_SEEK ? 1 : 0);
    all->sent_ns[all->sent % all->bench->window] = intended_ns;
    all->sent++;
}

/* ---- the run ---- */

static void subscribe(struct transitions *all)
{
    struct key_name channel;
    char name[32];

    resp_add_count(&all->events.out, 1 + all->bench->users);
    resp_add_word(&all->events.out, STR("SUBSCRIBE"));
    for (unsigned user = 0; user < all->bench->users; user++) {
        resp_add_word(&all->events.out, keys_name(&channel, KEY_USER, name_user(user, name)));
    }
    line_await(&all->events, all->bench->users, false);
}

/* Returns how long to wait for the next one: by rate, else by window only. */
static uint64_t add_due(struct transitions *all)
{
    const struct bench *bench = all->bench;
    uint64_t now = now_ns() - all->start_ns;

    while (all->sent - all->answered < bench->window) {
        uint64_t due_ns =
            bench->rate > 0 ? (uint64_t)((double)all->sent * 1e9 / bench->rate) : now;

        if (due_ns > now) {
            return due_ns - now;
        }
        add_update(all, due_ns);
    }
    return 1000000000;
}

static void take_answers(struct transitions *all)
{
    uint64_t now;

    line_read(&all->commands);
    now = now_ns() - all->start_ns;
    while (line_take(&all->commands, true)) {
        if (all->measuring) {
            hist_add(&all->latency, now - all->sent_ns[all->answered % all->bench->window]);
        }
        all->answered++;
    }
}

static void turn(struct transitions *all, uint64_t wait_ns)
{
    struct pollfd fds[2] = {{.fd = all->commands.fd, .events = POLLIN},
                            {.fd = all->events.fd, .events = POLLIN}};
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000),
                            .tv_nsec = (long)(wait_ns % 1000000000)};

    line_flush(&all->commands);
    if (ppoll(fds, 2, &wait, NULL) <= 0) {
        return;
    }
    if (fds[0].revents != 0) {
        take_answers(all);
    }
    if (fds[1].revents != 0) {
        line_read(&all->events);
        while (line_take(&all->events, false)) {
            all->published++;
        }
    }
}

static void run_until(struct transitions *all, uint64_t end_ns)
{
    for (uint64_t now = now_ns(); now < end_ns; now = now_ns()) {
        uint64_t next = add_due(all);

        turn(all, next < end_ns - now ? next : end_ns - now);
    }
}

void transitions(const struct bench *bench)
{
    static struct transitions all;
    struct watch_use before[WATCH_NAMES_MAX] = {0}, after[WATCH_NAMES_MAX] = {0};
    uint64_t answered, began, drained;

    all.bench = bench;
    all.sent_ns = mem_zero(bench->window * sizeof(all.sent_ns[0]));
    line_open(&all.commands, &bench->redis);
    line_open(&all.events, &bench->redis);
    load_scripts(&all.commands);
    subscribe(&all);
    all.start_ns = now_ns();
    run_until(&all, all.start_ns + (uint64_t)(bench->warmup * 1e9));
    watch_read_cpu(&bench->watch, before);
    all.measuring = true;
    answered = all.answered;
    began = now_ns();
    run_until(&all, began + (uint64_t)(bench->seconds * 1e9));
    watch_read_cpu(&bench->watch, after);
    report_number("seconds", (double)(now_ns() - began) / 1e9);
    report_number("updates", (double)(all.answered - answered));
    report_cpu(bench, before, after);
    report_latency(&all.latency);
    all.measuring = false;
    for (drained = now_ns() + (uint64_t)(bench->patience * 1e9);
         all.published < all.sent && now_ns() < drained;) {
        turn(&all, 10000000);
    }
    report_number("sent", (double)all.sent);
    report_number("lost", (double)(all.sent - all.published));
    line_close(&all.commands);
    line_close(&all.events);
    mem_free(all.sent_ns);
}

void seed(const struct bench *bench)
{
    static const struct str more[] = {{"2", 1}, {"playlist", 8}, {"2", 1}};
    struct pipe_line line;
    uint64_t at = wall_ms();

    line_open(&line, &bench->redis);
    line.shared = true;
    load_scripts(&line);
    for (unsigned user = 0; user < bench->users; user++) {
        add_call(&line.out, SCRIPT_player_new_track, bench->first + user, STR("{}"), at, more,
                 3);
        if (user % 64 == 63 || user + 1 == bench->users) {
            line_await(&line, user % 64 + 1, true);
        }
    }
    report_number("users", (double)(bench->users - line.skipped));
    line_close(&line);
}
