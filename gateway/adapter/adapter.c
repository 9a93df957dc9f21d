/* Backends that publish for Socket.IO servers: each publication becomes an event, once.
 *
 *     emitter --PUBLISH--> every gateway --emit_add(mark, number)--> the first one is taken:
 *                                                 XADD and PUBLISH --> every gateway, as usual
 *
 * A publication reaches all gateways at once. If each told its own sockets, it would be no
 * event: not kept, not recovered, not seen by those who poll. So it becomes an event of the
 * user's stream, by a script, and exactly one of the gateways may do that.
 *
 * Which one? A leader with a lease would have to die first for others to know, and what is
 * published in between would be lost, since PUBLISH keeps nothing. So all of them try, and the
 * script takes the first. That needs a name for each publication that is the same everywhere,
 * and there is none in it: the emitter's uid is the word "emitter", and the same event may be
 * emitted twice on purpose. But Redis sends everything that is published to every subscriber
 * in one order. So a script publishes marks there too, with a number that never comes again,
 * and a publication's name is the newest mark and how many came behind it. Who saw the mark
 * agrees with all others on every name until his connection breaks; then he waits for a new
 * mark, which he has set himself. As long as one gateway that saw the mark lives, nothing is
 * lost; who is behind is told that it was taken. Each gateway tries in the order in which
 * things were published, so an event is never told before one that was published earlier. A
 * gateway that comes in did not hear what was published before its first mark, and others may
 * still be at it: what follows that mark waits with it for HOLD_MS. Only one that lags by more
 * than that may be overtaken.
 *
 * The price: one call per gateway, publication and user; those who come late cost a look-up.
 * The limits: what is published while no gateway is subscribed is lost (that is PUBLISH), and
 * so is what a script can't take within a minute of its mark. In a Redis Cluster, where what is
 * published anywhere reaches every node, all gateways subscribe at the node that has the marks:
 * that one's order is the order.
 *
 * Everything is subscribed by pattern, marks too, so that it comes in one order and adapters
 * of Socket.IO servers that run beside us do not count us among those who answer requests. */
#include "gateway/adapter/adapter.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "gateway/adapter/emission.h"
#include "gateway/proto/away.h"
#include "gateway/store/keys.h"

enum {
    MARK_MS = 5000,  /* a mark older than that ... */
    LOOK_MS = 1000,  /* ... is followed by a new one: how often that is looked at */
    JITTER_MS = 500, /* so that mostly one process sets it */
    HOLD_MS = 250,   /* what a gateway that comes in hears at first waits so long ... */
    HOLD_BYTES = 16 * 1024 * 1024, /* ... unless there is more of it */
    COMPLAIN_MS = 1000,            /* what was refused is said once in so many ms */
    DIGITS_MAX = 20                /* of a mark or a number */
};

enum pattern {
    PATTERN_EVENTS,
    PATTERN_REQUESTS,
    PATTERN_MARKS,
    PATTERN_COUNT
};

/* A publication or mark that waits. */
struct held_word {
    struct held_word *next;
    uint64_t due_ms;
    size_t channel_len, len;
    char text[]; /* the channel, then the bytes */
};

struct adapter {
    const struct config *config;
    struct store *store;
    struct metrics *metrics;
    struct store_calls calls;
    uv_timer_t timer;
    struct buf events, requests, marks; /* channels; of events: what all of them begin with */
    struct buf patterns[PATTERN_COUNT];
    bool asked;               /* for the patterns */
    unsigned watched;         /* those that hold */
    bool marked;              /* a mark came since we hear */
    uint64_t marked_ms;       /* when the newest came */
    uint64_t hold_ms;         /* until when what comes is held */
    uv_timer_t release;       /* of what is held */
    struct held_word *held;   /* the first; owned */
    struct held_word *newest; /* the last */
    size_t held_bytes;
    /* of the publications that are being told */
    struct buf mark;          /* the newest mark and our prefix */
    unsigned long long count; /* of publications behind it */
    uint64_t complained_ms;
    struct emission emission; /* of the publication at hand */
};

/* ---- marks ---- */

static void set_mark(struct adapter *adapter)
{
    struct str name = buf_str(&adapter->marks);

    store_call(adapter->store, SCRIPT_emit_mark, STRS(name, name), (struct strs){NULL, 0}, NULL,
               NULL, NULL);
}

static bool wants_mark(const struct adapter *adapter)
{
    return adapter->watched == PATTERN_COUNT &&
           (!adapter->marked || uv_now(adapter->timer.loop) - adapter->marked_ms >= MARK_MS);
}

static void on_look(uv_timer_t *timer)
{
    struct adapter *adapter = timer->data;
    uint64_t jitter = uv_hrtime() / 1000 % JITTER_MS;

    if (wants_mark(adapter)) {
        set_mark(adapter);
    }
    uv_timer_start(timer, on_look, LOOK_MS + jitter, 0);
}

/* Numbers of marks are by Redis's clock. */
static bool is_mark(struct str number)
{
    unsigned long long value;

    return number.len <= DIGITS_MAX && str_to_u64(number, UINT64_MAX, &value);
}

/* The prefix, so that processes that were told another one never share a name. */
static void take_mark(struct adapter *adapter, struct str number)
{
    buf_clear(&adapter->mark);
    buf_add(&adapter->mark, number);
    buf_add_char(&adapter->mark, ' ');
    buf_add_text(&adapter->mark, adapter->config->socketio_adapter);
    adapter->count = 0;
}

/* ---- telling ---- */

static void complain(struct adapter *adapter, struct str channel, const char *why)
{
    uint64_t now = uv_now(adapter->timer.loop);

    if (now - adapter->complained_ms >= COMPLAIN_MS) {
        adapter->complained_ms = now;
        log_write(LOG_WARN, "publication refused", LOG_STR("channel", channel),
                  LOG_TEXT("why", why));
    }
}

static void on_event_added(void *context, enum err err, const struct redisReply *reply)
{
    struct adapter *adapter = context;

    if (err != ERR_OK) {
        complain(adapter, buf_str(&adapter->events), "it is not known to be told: Redis away");
    } else if (reply_outcome(reply) == OUTCOME_STALE) {
        complain(adapter, buf_str(&adapter->events), "it came too late to be told");
    }
}

static void on_sent_away(void *context, enum err err, const struct redisReply *reply)
{
    struct adapter *adapter = context;

    on_event_added(context, err, reply);
    if (err == ERR_OK && reply_outcome(reply) == OUTCOME_APPLIED) {
        away_close_polling(adapter->store, reply);
    }
}

/* An event for the stream with that tag, told on its channel. */
static void add_event(struct adapter *adapter, struct str tag, enum key channel,
                      struct str number)
{
    struct key_name events, told, claims;

    store_call(adapter->store, SCRIPT_emit_add,
               STRS(keys_name(&events, KEY_EVENTS, tag), keys_name(&told, channel, tag),
                    keys_name(&claims, KEY_CLAIMS, tag)),
               STRS(buf_str(&adapter->mark), number, buf_str(&adapter->emission.event)),
               &adapter->calls, on_event_added, adapter);
}

static void send_away(struct adapter *adapter, struct str tag, struct str number)
{
    struct key_name devices, told, claims;

    store_call(adapter->store, SCRIPT_emit_disconnect,
               STRS(keys_name(&devices, KEY_DEVICES, tag), keys_name(&told, KEY_USER, tag),
                    keys_name(&claims, KEY_CLAIMS, tag)),
               STRS(buf_str(&adapter->mark), number), &adapter->calls, on_sent_away, adapter);
}

static void tell(struct adapter *adapter, enum emission_verb verb)
{
    struct str rest = buf_str(&adapter->emission.rooms), room, number;
    char digits[DIGITS_MAX + 1];
    struct buf tag = {0};
    int len = snprintf(digits, sizeof(digits), "%llu", adapter->count);

    number = str_from(digits, (size_t)len);
    if (adapter->emission.everybody) {
        add_event(adapter, KEYS_EVERYBODY, KEY_ALL, number);
    }
    while (emission_next_room(&rest, &room)) {
        buf_clear(&tag);
        keys_tag(room, &tag);
        if (verb == EMISSION_EVENT) {
            add_event(adapter, buf_str(&tag), KEY_USER, number);
        } else {
            send_away(adapter, buf_str(&tag), number);
        }
    }
    buf_finish(&tag);
}

static enum err read_bytes(struct adapter *adapter, struct str channel, struct str bytes,
                           enum emission_verb *verb, const char **why)
{
    *verb = EMISSION_NOTHING;
    if (bytes.len > adapter->config->max_batch) {
        *why = "it is longer than --max-batch";
        return ERR_INVALID;
    }
    if (str_equal(channel, buf_str(&adapter->requests))) {
        return emission_read_request(&adapter->emission, bytes, verb, why);
    }
    return emission_read(&adapter->emission, bytes, adapter->config->max_message, verb, why);
}

/* A mark or a publication, in its turn. */
static void take(struct adapter *adapter, struct str channel, struct str bytes)
{
    enum emission_verb verb;
    const char *why = NULL;

    if (str_equal(channel, buf_str(&adapter->marks))) {
        take_mark(adapter, bytes);
        return;
    }
    adapter->count++; /* whatever it is: everybody counts it */
    if (read_bytes(adapter, channel, bytes, &verb, &why) != ERR_OK) {
        complain(adapter, channel, why);
    } else if (verb == EMISSION_NOTHING) {
        log_write(LOG_DEBUG, "publication meant for others", LOG_STR("channel", channel));
    } else {
        tell(adapter, verb);
    }
}

/* ---- the wait behind the first mark ---- */

static void hold(struct adapter *adapter, struct str channel, struct str bytes)
{
    struct held_word *word = mem_alloc(sizeof(*word) + channel.len + bytes.len);

    *word = (struct held_word){NULL, adapter->hold_ms, channel.len, bytes.len};
    memcpy(word->text, channel.at, channel.len);
    memcpy(word->text + channel.len, bytes.at, bytes.len);
    if (adapter->held == NULL) {
        adapter->held = word;
    } else {
        adapter->newest->next = word;
    }
    adapter->newest = word;
    adapter->held_bytes += sizeof(*word) + channel.len + bytes.len;
}

static struct held_word *take_held(struct adapter *adapter)
{
    struct held_word *word = adapter->held;

    adapter->held = word->next;
    adapter->held_bytes -= sizeof(*word) + word->channel_len + word->len;
    return word;
}

/* Those that are due by then, and a look again when the next one is. */
static void release(struct adapter *adapter, uint64_t until_ms)
{
    while (adapter->held != NULL && adapter->held->due_ms <= until_ms) {
        struct held_word *word = take_held(adapter);

        take(adapter, str_from(word->text, word->channel_len),
             str_from(word->text + word->channel_len, word->len));
        mem_free(word);
    }
}

static void on_release(uv_timer_t *timer)
{
    struct adapter *adapter = timer->data;
    uint64_t now = uv_now(timer->loop);

    release(adapter, now);
    if (adapter->held != NULL) {
        uv_timer_start(timer, on_release, adapter->held->due_ms - now, 0);
    }
}

/* False: it is no mark. */
static bool hear_mark(struct adapter *adapter, struct str number, uint64_t now)
{
    if (!is_mark(number)) {
        log_write(LOG_WARN, "mark not understood", LOG_STR("mark", number));
        return false;
    }
    if (!adapter->marked) {
        adapter->marked = true;
        adapter->hold_ms = now + HOLD_MS;
    }
    adapter->marked_ms = now;
    return true;
}

void adapter_matched(struct adapter *adapter, struct str channel, struct str bytes)
{
    uint64_t now;

    if (adapter == NULL) {
        return;
    }
    now = uv_now(adapter->timer.loop);
    if (!str_equal(channel, buf_str(&adapter->marks))) {
        adapter->metrics->messages_received[METRICS_PROTOCOL_API]++;
    } else if (!hear_mark(adapter, bytes, now)) {
        return;
    }
    if (!adapter->marked) {
        return; /* what is published before our first mark has no name that others know as well
                 */
    }
    if (now >= adapter->hold_ms && adapter->held == NULL) {
        take(adapter, channel, bytes);
        return;
    }
    if (adapter->held == NULL) {
        uv_timer_start(&adapter->release, on_release, adapter->hold_ms - now, 0);
    }
    hold(adapter, channel, bytes);
    if (adapter->held_bytes > HOLD_BYTES) {
        release(adapter, UINT64_MAX);
    }
}

/* ---- Redis comes and goes ---- */

void adapter_restore(struct adapter *adapter)
{
    if (adapter == NULL) {
        return;
    }
    for (size_t i = 0; i < PATTERN_COUNT && !adapter->asked; i++) {
        if (!store_match(adapter->store, buf_str(&adapter->patterns[i]),
                         buf_str(&adapter->marks))) {
            return;
        }
    }
    adapter->asked = true;
}

void adapter_lost(struct adapter *adapter)
{
    if (adapter != NULL && store_lost(adapter->store, buf_str(&adapter->marks))) {
        adapter->asked = false;
        adapter->watched = 0;
        adapter->marked = false; /* what is held has its names, and is told */
    }
}

/* The marks' pattern is asked for last. */
void adapter_changed(struct adapter *adapter, struct str pattern, bool watched)
{
    for (size_t i = 0; adapter != NULL && watched && i < PATTERN_COUNT; i++) {
        if (str_equal(pattern, buf_str(&adapter->patterns[i])) &&
            ++adapter->watched == PATTERN_COUNT) {
            set_mark(adapter);
        }
    }
}

/* ---- life ---- */

/* The channel itself, as a pattern. */
static void add_literally(struct buf *to, struct str channel)
{
    for (size_t i = 0; i < channel.len; i++) {
        if (channel.at[i] == '\0' || strchr("*?[]\\", channel.at[i]) != NULL) {
            buf_add_char(to, '\\');
        }
        buf_add_char(to, channel.at[i]);
    }
}

struct adapter *adapter_create(const struct config *config, struct store *store,
                               struct metrics *metrics)
{
    const char *prefix = config->socketio_adapter;
    struct adapter *adapter;
    struct key_name name;
    struct buf tag = {0};

    if (prefix == NULL || prefix[0] == '\0') {
        return NULL;
    }
    adapter = mem_zero(sizeof(*adapter));
    adapter->config = config;
    adapter->store = store;
    adapter->metrics = metrics;
    keys_tag(str_of(prefix), &tag);
    buf_add(&adapter->marks, keys_name(&name, KEY_EMITS, buf_str(&tag)));
    buf_finish(&tag);
    buf_addf(&adapter->events, "%s#/#", prefix);
    buf_addf(&adapter->requests, "%s-request#/#", prefix);
    add_literally(&adapter->patterns[PATTERN_EVENTS], buf_str(&adapter->events));
    buf_add_char(&adapter->patterns[PATTERN_EVENTS], '*');
    add_literally(&adapter->patterns[PATTERN_REQUESTS], buf_str(&adapter->requests));
    add_literally(&adapter->patterns[PATTERN_MARKS], buf_str(&adapter->marks));
    return adapter;
}

void adapter_start(struct adapter *adapter, uv_loop_t *loop)
{
    if (adapter != NULL) {
        uv_timer_init(loop, &adapter->timer);
        uv_timer_init(loop, &adapter->release);
        adapter->timer.data = adapter->release.data = adapter;
        uv_timer_start(&adapter->timer, on_look, LOOK_MS, 0);
    }
}

void adapter_stop(struct adapter *adapter)
{
    if (adapter != NULL) {
        store_forget(&adapter->calls);
        uv_close((uv_handle_t *)&adapter->timer, NULL);
        uv_close((uv_handle_t *)&adapter->release, NULL);
    }
}

void adapter_destroy(struct adapter *adapter)
{
    if (adapter == NULL) {
        return;
    }
    while (adapter->held != NULL) {
        mem_free(take_held(adapter));
    }
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        buf_finish(&adapter->patterns[i]);
    }
    buf_finish(&adapter->events);
    buf_finish(&adapter->requests);
    buf_finish(&adapter->marks);
    buf_finish(&adapter->mark);
    emission_finish(&adapter->emission);
    mem_free(adapter);
}
