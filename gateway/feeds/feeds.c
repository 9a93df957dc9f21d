/* The built-in feeds: timers that ask, a script that decides.
 *
 *     waiting --the next period begins--> asking --applied, taken: how long to wait--> waiting
 *                                         ^    +--stale: whose turn it is--+ Redis away: a
 * moment
 *                                         +--------------------------------+
 *
 * Whose turn it is cannot be known before asking; it is guessed from the last answer, which is
 * right unless this process missed a period. After SIGHUP processes may have different files
 * for a moment: each period tells the line of that number of the file of whoever was first. */
#include "gateway/feeds/feeds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/feeds/lines.h"
#include "gateway/feeds/wisdom.h"
#include "gateway/proto/feed.h"
#include "gateway/store/keys.h"

enum {
    WISDOM_MS = 10000,
    TOPICS_MAX = CONFIG_LIST_MAX + 1, /* those of --feed, and wisdom */
    JITTER_MS = 40,    /* not all processes need to ask in the same millisecond */
    AWAY_MS = 500,     /* until asking again when there was no answer */
    LONGEST_MS = 60000 /* without asking: Redis's clock may be put right */
};

static const struct str wisdom = {"wisdom", 6};

struct topic {
    struct feeds *feeds; /* borrowed: it owns us */
    struct str name;     /* borrowed from the config */
    char *file;          /* owned; NULL = the lines in the binary */
    uint64_t period_ms;
    struct lines lines;
    size_t next; /* the line whose turn it is, as far as is known here */
    uv_timer_t timer;
};

struct feeds {
    struct store *store; /* borrowed */
    struct store_calls calls;
    size_t longest; /* line, in bytes */
    struct topic topics[TOPICS_MAX];
    size_t count;
};

/* Where an answer's parts stand. */
enum tick_reply {
    TICK_WAIT = 1,
    TICK_NEXT
};

/* ---- files ---- */

static bool read_file(const char *path, struct buf *to, char why[LINES_WHY_MAX])
{
    FILE *file = fopen(path, "re");
    size_t got = 1;
    bool failed;

    if (file == NULL) {
        snprintf(why, LINES_WHY_MAX, "%s", strerror(errno));
        return false;
    }
    while (got > 0 && to->len <= LINES_BYTES_MAX) {
        got = fread(buf_reserve(to, BUFSIZ), 1, BUFSIZ, file);
        to->len += got;
    }
    failed = ferror(file) != 0;
    if (failed) {
        snprintf(why, LINES_WHY_MAX, "%s", strerror(errno));
    } else if (to->len > LINES_BYTES_MAX) {
        snprintf(why, LINES_WHY_MAX, "is larger than %d bytes", LINES_BYTES_MAX);
        failed = true;
    }
    fclose(file);
    return !failed;
}

static bool read_lines(struct topic *topic, char why[LINES_WHY_MAX])
{
    size_t longest = topic->feeds->longest;
    struct buf bytes = {0};
    struct lines lines;

    if (topic->file == NULL) {
        buf_add(&bytes, wisdom_text());
        longest = LINES_BYTES_MAX; /* what we say ourselves is no operator's mistake */
    } else if (!read_file(topic->file, &bytes, why)) {
        buf_finish(&bytes);
        return false;
    }
    if (lines_read(&lines, &bytes, longest, why) != ERR_OK) {
        return false;
    }
    lines_finish(&topic->lines);
    topic->lines = lines;
    return true;
}

void feeds_reload(struct feeds *feeds)
{
    char why[LINES_WHY_MAX];

    for (size_t i = 0; i < feeds->count; i++) {
        struct topic *topic = &feeds->topics[i];

        if (topic->file == NULL) {
            continue;
        }
        if (read_lines(topic, why)) {
            log_write(LOG_INFO, "feed read", LOG_STR("topic", topic->name),
                      LOG_TEXT("file", topic->file), LOG_NUMBER("lines", topic->lines.count));
        } else {
            log_write(LOG_WARN, "feed not read, the old lines stay",
                      LOG_STR("topic", topic->name), LOG_TEXT("file", topic->file),
                      LOG_TEXT("why", why));
        }
    }
}

/* ---- asking ---- */

static void ask(struct topic *topic);

static void on_time(uv_timer_t *timer)
{
    ask(timer->data);
}

static void wait_for(struct topic *topic, uint64_t ms)
{
    uint64_t jitter = uv_hrtime() / 1000 % JITTER_MS;

    uv_timer_start(&topic->timer, on_time, ms + jitter, 0);
}

static void on_asked(void *context, enum err err, const struct redisReply *reply)
{
    struct topic *topic = context;
    int64_t ms, next;

    if (err != ERR_OK) {
        wait_for(topic, AWAY_MS);
        return;
    }
    ms = reply_int(reply, TICK_WAIT);
    next = reply_int(reply, TICK_NEXT);
    topic->next = next > 0 ? (size_t)next : 0;
    if (reply_outcome(reply) == OUTCOME_STALE) {
        ask(topic);
    } else {
        wait_for(topic, ms < 0 || ms > LONGEST_MS ? LONGEST_MS : (uint64_t)ms);
    }
}

static void ask(struct topic *topic)
{
    struct feeds *feeds = topic->feeds;
    char period[24], count[24], number[24];
    struct buf line = {0}, event = {0};
    struct key_name key, lately;
    struct str name;

    if (!store_is_up(feeds->store)) {
        wait_for(topic, AWAY_MS);
        return;
    }
    if (topic->next >= topic->lines.count) { /* the file was read again */
        topic->next = 0;
    }
    name = keys_name(&key, KEY_FEED, topic->name);
    feed_write_line(&line, topic->lines.at[topic->next]);
    feed_write_event(&event, topic->name, topic->lines.at[topic->next]);
    snprintf(period, sizeof(period), "%llu", (unsigned long long)topic->period_ms);
    snprintf(count, sizeof(count), "%zu", topic->lines.count);
    snprintf(number, sizeof(number), "%zu", topic->next);
    store_call(
        feeds->store, SCRIPT_feed_tick,
        STRS(name, keys_name(&lately, KEY_LATELY, topic->name), name),
        STRS(str_of(period), str_of(count), str_of(number), buf_str(&line), buf_str(&event)),
        &feeds->calls, on_asked, topic);
    buf_finish(&line);
    buf_finish(&event);
}

/* ---- the beginning and the end ---- */

/* False: the file is no good. */
static bool add(struct feeds *feeds, struct str name, struct str file, uint64_t period_ms,
                char why[FEEDS_WHY_MAX])
{
    struct topic *topic = &feeds->topics[feeds->count++];
    char what[LINES_WHY_MAX];

    topic->feeds = feeds;
    topic->name = name;
    topic->file = file.len > 0 ? mem_copy(file.at, file.len) : NULL;
    topic->period_ms = period_ms;
    if (read_lines(topic, what)) {
        return true;
    }
    snprintf(why, FEEDS_WHY_MAX, "%.*s: %.300s: %s", STR_ARG(name),
             topic->file != NULL ? topic->file : "the lines in the binary", what);
    return false;
}

struct feeds *feeds_create(const struct config *config, struct store *store,
                           char why[FEEDS_WHY_MAX])
{
    struct feeds *feeds = mem_zero(sizeof(*feeds));
    bool has_wisdom = false, good = true;

    feeds->store = store;
    feeds->longest = config->max_message;
    for (size_t i = 0; i < config->feeds.count && good; i++) {
        struct config_feed feed;

        good = config_read_feed(str_of(config->feeds.items[i]), &feed) &&
               add(feeds, feed.name, feed.file, feed.seconds * 1000, why);
        has_wisdom |= good && str_equal(feed.name, wisdom);
    }
    if (good && !has_wisdom) {
        good = add(feeds, wisdom, str_from("", 0), WISDOM_MS, why);
    }
    if (!good) {
        feeds_destroy(feeds);
        return NULL;
    }
    return feeds;
}

void feeds_start(struct feeds *feeds, uv_loop_t *loop)
{
    for (size_t i = 0; i < feeds->count; i++) {
        struct topic *topic = &feeds->topics[i];

        uv_timer_init(loop, &topic->timer);
        topic->timer.data = topic;
        wait_for(topic, 0);
    }
}

void feeds_stop(struct feeds *feeds)
{
    store_forget(&feeds->calls);
    for (size_t i = 0; i < feeds->count; i++) {
        uv_close((uv_handle_t *)&feeds->topics[i].timer, NULL);
    }
}

void feeds_destroy(struct feeds *feeds)
{
    if (feeds == NULL) {
        return;
    }
    for (size_t i = 0; i < feeds->count; i++) {
        mem_free(feeds->topics[i].file);
        lines_finish(&feeds->topics[i].lines);
    }
    mem_free(feeds);
}
