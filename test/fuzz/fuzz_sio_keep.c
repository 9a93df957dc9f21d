/* What is kept of a polling Socket.IO session: state and marks. Whatever the bytes are, they
 * are refused, or make a session that saves the same again and goes on; and all of it can be
 * let go.
 */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "gateway/proto/room_local.h"
#include "gateway/proto/socketio_core.h"
#include "gateway/store/keys.h"

static void carry_nothing(void *carrier)
{
    (void)carrier;
}

static void carry_refuse(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    (void)err;
    (void)why;
}

static bool carry_send(void *carrier, struct msg *msg)
{
    (void)carrier;
    MUST(msg_payload(msg).len > 0 || msg->binary);
    return true;
}

static void carry_pause(void *carrier, bool paused)
{
    (void)carrier;
    (void)paused;
}

static void carry_wake(void *carrier, uint64_t in_ms)
{
    (void)carrier;
    (void)in_ms;
}

static void carry_close(void *carrier, enum reason reason)
{
    (void)carrier;
    (void)reason;
}

static const struct transport transport = {.metric = METRICS_TRANSPORT_POLLING,
                                           .accept = carry_nothing,
                                           .refuse = carry_refuse,
                                           .send = carry_send,
                                           .trim = carry_nothing,
                                           .pause = carry_pause,
                                           .wake = carry_wake,
                                           .settled = carry_nothing,
                                           .close = carry_close};

static void ignore_store(void *owner)
{
    (void)owner;
}

static void ignore_channel(void *owner, struct str channel)
{
    (void)owner;
    (void)channel;
}

static bool take_channel(void *owner, struct str channel)
{
    (void)owner;
    (void)channel;
    return true;
}

static const struct store_events store_events = {.up = ignore_store, .down = ignore_store};
static const struct hub_events hub_events = {take_channel, ignore_channel, NULL};
static struct config config = {.burst = 100,
                               .max_message = 16384,
                               .ping_interval_ms = 25000,
                               .ping_timeout_ms = 20000,
                               .connect_timeout_ms = 10000};
static struct metrics metrics;
static uv_loop_t loop;
static struct services services;

/* A Redis that is not there: every call is refused at the end of its turn. */
static void set_up(void)
{
    struct url url = {0};

    if (services.loop != NULL) {
        return;
    }
    keys_setup("segue:");
    uv_loop_init(&loop);
    services = (struct services){
        .config = &config, .metrics = &metrics, .loop = &loop, .name = "fuzz"};
    services.hub = hub_create(&hub_events, NULL, &metrics.channels);
    services.store = store_create(&loop, &url, NULL, &metrics, &store_events, NULL);
    services.rooms = rooms_create(&services);
}

static struct session *load(struct str saved, struct str marks, bool *loaded)
{
    struct session *session =
        session_create(&services, &socketio_row.proto, &transport, NULL, NULL);

    session->brief = session->deaf = true;
    session_adopt(session, STR("0123456789abcdefGH-_"));
    *loaded = session->proto->load(session, saved, marks);
    return session;
}

static void end(struct session *session)
{
    session_destroy(session);
    store_flush(services.store);
}

/* The client goes on, as a POST would bring it. */
static void talk(struct session *session)
{
    struct buf stamped = {0};

    session_woken(session);
    session_receive_binary(session, STR("bytes"));
    session_receive(session, STR("2[\"ping\"]"));
    session_receive(session, STR("0/feed,"));
    session_receive(session, STR("2/feed,[\"nothing\"]"));
    session->proto->stamp(session, STR("42[\"pong\",\"\x1f/\x1f\"]"), &stamped);
    buf_finish(&stamped);
}

static void check(struct str saved, struct str marks)
{
    bool good, again;
    struct session *session = load(saved, marks, &good);
    struct buf once = {0}, twice = {0};

    if (good) {
        session->proto->save(session, &once);
        end(session);
        session = load(buf_str(&once), marks, &again);
        MUST(again);
        session->proto->save(session, &twice);
        MUST(str_equal(buf_str(&once), buf_str(&twice)));
        talk(session);
    }
    end(session);
    buf_finish(&once);
    buf_finish(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_from((const char *)data, size), saved, marks;

    set_up();
    str_cut(input, '\n', &saved, &marks);
    check(saved, marks);
    check(input, str_from("", 0));
    return 0;
}
