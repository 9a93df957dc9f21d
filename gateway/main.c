/* Wiring: creates everything, ties the callbacks, waits for signals. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "gateway/adapter/adapter.h"
#include "gateway/config.h"
#include "gateway/config_advice.h"
#include "gateway/feeds/feeds.h"
#include "gateway/limits/limits.h"
#include "gateway/net/listen.h"
#include "gateway/net/net.h"
#include "gateway/newer.h"
#include "gateway/proto/proto.h"
#include "gateway/proto/rest.h"
#include "gateway/proto/room.h"
#include "gateway/store/keys.h"

/* scripts/lua/lib/time.lua and hub/msg.h must agree on what is published. */
_Static_assert(SCRIPTS_ENVELOPE == MSG_VERSION, "the scripts publish another envelope");

enum {
    EXIT_WRONG = 2,
    LAG_MS = 500,         /* how often the loop's lag is measured */
    LAST_CALLS_MS = 1000, /* after the drain: time for the last calls to reach Redis */
    TOLD_MAX = 256        /* publications of one turn whose delivery is timed */
};

struct gateway {
    uv_loop_t loop;
    struct config *config;
    struct metrics metrics;
    struct services services;
    struct net *net;
    struct feeds *feeds;
    struct newer *newer;
    struct adapter *adapter; /* NULL: off */
    struct listener *public_door, *admin_door;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_idle_t more; /* runs while a crowd waits to be told: then no poll sleeps */
    uv_signal_t term, interrupt, hangup;
    uv_timer_t lag;
    uint64_t lag_due_us;
    uint64_t polled_ms; /* when the last poll returned */
    uint64_t last_calls_until_ms;
    bool ended;              /* everything is being closed */
    uint64_t told[TOLD_MAX]; /* publication times of messages that leave with this turn */
    size_t told_count;
};

/* ---- the end of a turn ---- */

static void note_delivery(struct gateway *gateway)
{
    uint64_t now;

    if (gateway->told_count == 0) {
        return;
    }
    now = store_now_us(gateway->services.store);
    for (size_t i = 0; i < gateway->told_count; i++) {
        uint64_t then = gateway->told[i];

        metrics_observe(&gateway->metrics.delivery_latency, now > then ? now - then : 0);
    }
    gateway->told_count = 0;
}

static void end_turn(struct gateway *gateway)
{
    net_run_laters(gateway->net);
    store_flush(gateway->services.store);
    net_flush(gateway->net);
    note_delivery(gateway);
    log_flush();
}

/* After the poll: what its callbacks queued leaves before closed connections are freed. */
static void on_after_poll(uv_check_t *check)
{
    struct gateway *gateway = check->data;

    gateway->polled_ms = uv_now(&gateway->loop);
    end_turn(gateway);
}

static void on_more(uv_idle_t *more)
{
    (void)more; /* that it runs is enough */
}

/* What came during a turn waited for its end. The loop's own clock, which it has read anyway,
 * costs nothing; it tells milliseconds. */
static void note_turn(struct gateway *gateway)
{
    uint64_t now = uv_now(&gateway->loop);
    uint64_t turn_ms = gateway->polled_ms != 0 ? now - gateway->polled_ms : 0;

    metrics_peak_add(&gateway->metrics.loop_lag_us, turn_ms * 1000, now);
}

/* Before the next poll: the next slice of a crowd, and what timers and closings queued. */
static void on_before_poll(uv_prepare_t *prepare)
{
    struct gateway *gateway = prepare->data;

    note_turn(gateway);
    if (hub_turn(gateway->services.hub)) {
        uv_idle_start(&gateway->more, on_more);
    } else {
        uv_idle_stop(&gateway->more);
    }
    end_turn(gateway);
}

/* ---- store and hub, tied to each other ---- */

static void on_store_up(void *owner)
{
    struct gateway *gateway = owner;

    rooms_restored(gateway->services.rooms);
    hub_restore(gateway->services.hub);
    adapter_restore(gateway->adapter);
}

static bool is_lost(void *owner, struct str channel)
{
    return store_lost(((struct gateway *)owner)->services.store, channel);
}

static void on_store_down(void *owner)
{
    struct gateway *gateway = owner;

    if (store_is_away(gateway->services.store)) {
        rooms_lost(gateway->services.rooms); /* slots that move take the leases along */
    }
    hub_lost(gateway->services.hub, is_lost);
    adapter_lost(gateway->adapter);
}

static void on_store_changed(void *owner, struct str channel, bool watched)
{
    struct gateway *gateway = owner;

    hub_changed(gateway->services.hub, channel, watched);
    adapter_changed(gateway->adapter, channel, watched);
}

static void on_store_matched(void *owner, struct str channel, struct str bytes)
{
    adapter_matched(((struct gateway *)owner)->adapter, channel, bytes);
}

static void on_store_message(void *owner, struct str channel, struct str envelope)
{
    struct gateway *gateway = owner;
    struct msg *msg = msg_from_envelope(envelope);

    if (msg == NULL) {
        log_write(LOG_WARN, "envelope not understood", LOG_STR("channel", channel));
        return;
    }
    if (msg->published_us != 0) {
        msg->published_us -= (uint64_t)store_ahead_us(gateway->services.store);
    }
    if (msg->version > MSG_VERSION) {
        newer_heard(gateway->newer, channel, msg);
    } else {
        hub_publish(gateway->services.hub, channel, msg);
    }
    msg_unref(msg);
}

static bool on_hub_watch(void *owner, struct str channel)
{
    return store_watch(((struct gateway *)owner)->services.store, channel);
}

static void on_hub_unwatch(void *owner, struct str channel)
{
    store_unwatch(((struct gateway *)owner)->services.store, channel);
}

static void on_hub_told(void *owner, struct msg *msg)
{
    struct gateway *gateway = owner;

    if (gateway->told_count < TOLD_MAX && msg->published_us != 0) {
        gateway->told[gateway->told_count++] = msg->published_us;
    }
}

static const struct store_events store_events = {on_store_up, on_store_down, on_store_changed,
                                                 on_store_message, on_store_matched};
static const struct hub_events hub_events = {on_hub_watch, on_hub_unwatch, on_hub_told};

/* ---- the end ---- */

static void end(struct gateway *gateway)
{
    if (gateway->ended) {
        return;
    }
    gateway->ended = true;
    listen_close(gateway->admin_door);
    net_close(gateway->net);
    rooms_close(gateway->services.rooms);
    feeds_stop(gateway->feeds);
    newer_stop(gateway->newer);
    adapter_stop(gateway->adapter);
    limits_stop(gateway->services.limits);
    store_stop(gateway->services.store);
    uv_close((uv_handle_t *)&gateway->term, NULL);
    uv_close((uv_handle_t *)&gateway->interrupt, NULL);
    uv_close((uv_handle_t *)&gateway->hangup, NULL);
    uv_close((uv_handle_t *)&gateway->lag, NULL);
    uv_close((uv_handle_t *)&gateway->before_poll, NULL);
    uv_close((uv_handle_t *)&gateway->after_poll, NULL);
    uv_close((uv_handle_t *)&gateway->more, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct gateway *gateway = signal->data;

    if (gateway->services.draining) {
        log_write(LOG_WARN, "exit", LOG_TEXT("why", "a second signal"));
        log_release();
        exit(EXIT_SUCCESS);
    }
    log_write(LOG_INFO, "draining", LOG_NUMBER("signal", number),
              LOG_NUMBER("seconds", gateway->config->drain_s));
    gateway->services.draining = true;
    listen_close(gateway->public_door);
    gateway->public_door = NULL;
    net_drain(gateway->net, gateway->config->drain_s * 1000);
}

static void on_hangup(uv_signal_t *signal, int number)
{
    (void)number;
    feeds_reload(((struct gateway *)signal->data)->feeds);
}

/* While draining: once nobody is connected, the last calls get a moment to reach Redis, then
 * everything ends. */
static void look_for_end(struct gateway *gateway)
{
    uint64_t now = uv_now(&gateway->loop);

    if (!gateway->services.draining || gateway->net->conn_count > 0) {
        return;
    }
    if (gateway->last_calls_until_ms == 0) {
        gateway->last_calls_until_ms = now + LAST_CALLS_MS;
        limits_flush(gateway->services.limits);
    }
    if (store_pending(gateway->services.store) == 0 || now >= gateway->last_calls_until_ms) {
        end(gateway);
    }
}

static void on_lag(uv_timer_t *timer)
{
    struct gateway *gateway = timer->data;
    uint64_t now = uv_hrtime() / 1000;

    metrics_peak_add(&gateway->metrics.loop_lag_us,
                     now > gateway->lag_due_us ? now - gateway->lag_due_us : 0,
                     uv_now(&gateway->loop));
    gateway->lag_due_us =
        now + (uint64_t)(gateway->services.draining ? LAG_MS / 10 : LAG_MS) * 1000;
    uv_timer_start(timer, on_lag, gateway->services.draining ? LAG_MS / 10 : LAG_MS, 0);
    look_for_end(gateway);
}

/* ---- the beginning ---- */

static int wrong(const char *option, const char *why)
{
    fprintf(stderr, "segue: %s: %s\n", option, why);
    return EXIT_WRONG;
}

static int create_store(struct gateway *gateway)
{
    const struct config *config = gateway->config;
    const struct tls_files files = {config->redis_ca, config->redis_cert, config->redis_key};
    struct tls *tls = NULL;
    char why[TLS_WHY_MAX];
    const char *reason;
    struct url url;

    if (url_parse(str_of(config->redis), &url, &reason) != ERR_OK) {
        return wrong("--redis (SEGUE_REDIS)", reason);
    }
    if (url.tls && (tls = tls_create(&files, why)) == NULL) {
        url_finish(&url);
        return wrong("--redis (SEGUE_REDIS)", why);
    }
    gateway->services.store =
        store_create(&gateway->loop, &url, tls, &gateway->metrics, &store_events, gateway);
    return EXIT_SUCCESS;
}

/* What can only be checked by those who use it: keys and the Redis URL. */
static int create_services(struct gateway *gateway)
{
    struct services *services = &gateway->services;
    char why[FEEDS_WHY_MAX];
    int status;

    codec_random_hex(services->name, (SERVICES_NAME_SIZE - 1) / 2);
    services->config = gateway->config;
    services->metrics = &gateway->metrics;
    services->loop = &gateway->loop;
    services->auth = auth_create(gateway->config, why, sizeof(why));
    if (services->auth == NULL) {
        return wrong("--jwt-key (SEGUE_JWT_KEY)", why);
    }
    status = create_store(gateway);
    if (status != EXIT_SUCCESS) {
        return status;
    }
    keys_setup(gateway->config->redis_prefix);
    services->hub = hub_create(&hub_events, gateway, &gateway->metrics.channels);
    gateway->newer = newer_create(services->hub, &gateway->metrics);
    gateway->adapter = adapter_create(gateway->config, services->store, &gateway->metrics);
    gateway->feeds = feeds_create(gateway->config, services->store, why);
    if (gateway->feeds == NULL) {
        return wrong("--feed (SEGUE_FEED)", why);
    }
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        gateway->metrics.script_names[i] = script_row((enum script)i)->name;
    }
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        gateway->metrics.outcome_names[i] = outcome_word((enum outcome)i);
    }
    return EXIT_SUCCESS;
}

static void destroy_services(struct gateway *gateway)
{
    net_destroy(gateway->net);
    rooms_destroy(gateway->services.rooms);
    feeds_destroy(gateway->feeds);
    newer_destroy(gateway->newer);
    adapter_destroy(gateway->adapter);
    store_destroy(gateway->services.store);
    limits_destroy(gateway->services.limits);
    hub_destroy(gateway->services.hub);
    auth_destroy(gateway->services.auth);
}

static void watch_signal(struct gateway *gateway, uv_signal_t *signal, int number,
                         uv_signal_cb call)
{
    uv_signal_init(&gateway->loop, signal);
    signal->data = gateway;
    uv_signal_start(signal, call, number);
}

static void start_clockwork(struct gateway *gateway)
{
    uv_prepare_init(&gateway->loop, &gateway->before_poll);
    gateway->before_poll.data = gateway;
    uv_prepare_start(&gateway->before_poll, on_before_poll);
    uv_check_init(&gateway->loop, &gateway->after_poll);
    gateway->after_poll.data = gateway;
    uv_check_start(&gateway->after_poll, on_after_poll);
    uv_idle_init(&gateway->loop, &gateway->more);
    uv_timer_init(&gateway->loop, &gateway->lag);
    gateway->lag.data = gateway;
    gateway->lag_due_us = uv_hrtime() / 1000 + LAG_MS * 1000;
    uv_timer_start(&gateway->lag, on_lag, LAG_MS, 0);
    watch_signal(gateway, &gateway->term, SIGTERM, on_signal);
    watch_signal(gateway, &gateway->interrupt, SIGINT, on_signal);
    watch_signal(gateway, &gateway->hangup, SIGHUP, on_hangup);
}

/* `hint`: NULL, or what to do. */
static void say_no_door(enum log_level level, const char *option,
                        const struct config_address *address, const char *why, const char *hint)
{
    bool v6 = strchr(address->host, ':') != NULL;
    struct buf text = {0};

    buf_addf(&text, v6 ? "[%s]:%u" : "%s:%u", address->host, address->port);
    log_write(level, "cannot listen", LOG_TEXT("option", option),
              LOG_STR("address", buf_str(&text)), LOG_TEXT("why", why),
              LOG_TEXT(hint != NULL ? "hint" : NULL, hint));
    buf_finish(&text);
}

/* A second process on a host that did not choose an admin address of its own goes without one;
 * a chosen address must be had. */
static bool open_doors(struct gateway *gateway)
{
    const struct config *config = gateway->config;
    const char *why = NULL;

    gateway->public_door = listen_open(gateway->net, &config->listen, false, "listening", &why);
    if (gateway->public_door == NULL) {
        say_no_door(LOG_ERROR, "--listen", &config->listen, why, NULL);
        return false;
    }
    if (config->admin_listen.off) {
        return true;
    }
    gateway->admin_door =
        listen_open(gateway->net, &config->admin_listen, true, "admin listening", &why);
    if (gateway->admin_door == NULL) {
        enum log_level level = config->admin_listen.chosen ? LOG_ERROR : LOG_WARN;

        say_no_door(level, "--admin-listen", &config->admin_listen, why,
                    "give each process an address of its own");
        return !config->admin_listen.chosen;
    }
    return true;
}

static int run(struct gateway *gateway)
{
    int status = EXIT_SUCCESS;

    gateway->net = net_create(&gateway->loop, &gateway->services, proto_table, rest_table);
    gateway->services.limits = limits_create(gateway->config, gateway->services.store,
                                             &gateway->metrics, &gateway->loop);
    gateway->services.rooms = rooms_create(&gateway->services);
    start_clockwork(gateway);
    store_start(gateway->services.store);
    feeds_start(gateway->feeds, &gateway->loop);
    newer_start(gateway->newer, &gateway->loop);
    adapter_start(gateway->adapter, &gateway->loop);
    if (!open_doors(gateway)) {
        status = EXIT_FAILURE;
        listen_close(gateway->public_door);
        end(gateway);
    } else {
        log_write(LOG_INFO, "process", LOG_TEXT("name", gateway->services.name));
    }
    log_hold();
    uv_run(&gateway->loop, UV_RUN_DEFAULT);
    if (status == EXIT_SUCCESS) {
        log_write(LOG_INFO, "exit");
    }
    log_release();
    return status;
}

int main(int argc, char **argv)
{
    struct gateway *gateway = mem_zero(sizeof(*gateway));
    enum config_outcome outcome;
    int status = EXIT_SUCCESS;

    signal(SIGPIPE, SIG_IGN);
    gateway->config = config_create();
    outcome = config_load(gateway->config, argc, argv);
    if (outcome == CONFIG_WRONG) {
        status = EXIT_WRONG;
    } else if (outcome == CONFIG_RUN) {
        log_setup((enum log_level)gateway->config->log_level,
                  (enum log_format)gateway->config->log_format);
        uv_loop_init(&gateway->loop);
        status = create_services(gateway);
        if (status == EXIT_SUCCESS) {
            config_advise(gateway->config);
        }
        if (status == EXIT_SUCCESS && !gateway->config->check_only) {
            status = run(gateway);
        }
        destroy_services(gateway);
        uv_loop_close(&gateway->loop);
    }
    config_destroy(gateway->config);
    mem_free(gateway);
    return status;
}
