/* What tests of the hub share: listeners that count, and who asks and tells. One include per
 * test. */
#ifndef SEGUE_TEST_HUB_STAGE_H
#define SEGUE_TEST_HUB_STAGE_H

#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/hub/hub.h"

enum {
    WISHES_MAX = 64,
    LISTENERS = 4
};

/* A hub with Redis played by the test: what it is asked for stands in `wishes`, "+name" or
 * "-name". */
struct stage {
    struct hub *hub;
    uint64_t channels;
    char wishes[WISHES_MAX][16];
    size_t wish_count;
    char away; /* the letter of the channels whose Redis is away; '*' = all */
    struct listener {
        struct hub_sub sub; /* first */
        struct stage *stage;
        unsigned ready, told;
        struct msg *last; /* owned */
        void (*act)(
            struct listener *self); /* what it does when told or ready; NULL = nothing */
    } listeners[LISTENERS];
};

static inline void note(struct stage *stage, char mark, struct str channel)
{
    assert_true(stage->wish_count < WISHES_MAX);
    snprintf(stage->wishes[stage->wish_count++], sizeof(stage->wishes[0]), "%c%.*s", mark,
             STR_ARG(channel));
}

static inline bool is_away(void *owner, struct str channel)
{
    struct stage *stage = owner;

    return stage->away == '*' || stage->away == channel.at[0];
}

static inline bool on_watch(void *owner, struct str channel)
{
    if (is_away(owner, channel)) {
        return false;
    }
    note(owner, '+', channel);
    return true;
}

static inline void on_unwatch(void *owner, struct str channel)
{
    note(owner, '-', channel);
}

static const struct hub_events events = {on_watch, on_unwatch, NULL};

/* The Redis that has the channels which begin with that letter goes away; '*': all. */
static inline void lose(struct stage *stage, char letter)
{
    stage->away = letter;
    hub_lost(stage->hub, is_away);
}

static inline void restore(struct stage *stage)
{
    stage->away = '\0';
    hub_restore(stage->hub);
}

static inline void on_ready(struct hub_sub *sub)
{
    struct listener *self = (struct listener *)sub;

    assert_non_null(sub->channel); /* who left is told nothing */
    self->ready++;
    if (self->act != NULL) {
        self->act(self);
    }
}

static inline void on_message(struct hub_sub *sub, struct msg *msg)
{
    struct listener *self = (struct listener *)sub;

    assert_non_null(sub->channel);
    self->told++;
    msg_unref(self->last);
    self->last = msg_ref(msg);
    if (self->act != NULL) {
        self->act(self);
    }
}

static const struct hub_listener listener = {on_ready, on_message};

/* The next wish that the test did not look at yet; "" = none. */
static inline void assert_wishes(struct stage *stage, const char *expected)
{
    char all[WISHES_MAX * 16] = "";
    size_t len = 0;

    for (size_t i = 0; i < stage->wish_count; i++) {
        len += (size_t)snprintf(all + len, sizeof(all) - len, i > 0 ? " %s" : "%s",
                                stage->wishes[i]);
        assert_true(len < sizeof(all));
    }
    stage->wish_count = 0;
    assert_string_equal(all, expected);
}

static inline int setup(void **state)
{
    static struct stage stage;

    memset(&stage, 0, sizeof(stage));
    stage.hub = hub_create(&events, &stage, &stage.channels);
    for (int i = 0; i < LISTENERS; i++) {
        stage.listeners[i].stage = &stage;
    }
    *state = &stage;
    return 0;
}

/* Every test ends with nobody listening, no channel left and every wish fulfilled. */
static inline int teardown(void **state)
{
    struct stage *stage = *state;

    for (int i = 0; i < LISTENERS; i++) {
        hub_leave(stage->hub, &stage->listeners[i].sub);
        msg_unref(stage->listeners[i].last);
    }
    for (int round = 0; round < 4 && stage->channels > 0; round++) {
        hub_changed(stage->hub, STR("a"), round % 2 == 0);
        hub_changed(stage->hub, STR("b"), round % 2 == 0);
    }
    hub_destroy(stage->hub);
    return stage->channels == 0 ? 0 : -1;
}

static inline bool join(struct stage *stage, int who, const char *channel)
{
    return hub_join(stage->hub, &stage->listeners[who].sub, &listener, str_of(channel));
}

static inline void leave(struct stage *stage, int who)
{
    hub_leave(stage->hub, &stage->listeners[who].sub);
}

static inline void confirm(struct stage *stage, const char *channel, bool watched)
{
    hub_changed(stage->hub, str_of(channel), watched);
}

static inline void publish(struct stage *stage, const char *channel)
{
    struct msg *msg = msg_text(STR("hello"));

    hub_publish(stage->hub, str_of(channel), msg);
    msg_unref(msg);
}

/* How often each listener was told so far. */
static inline void assert_told(const struct stage *stage, unsigned a, unsigned b, unsigned c,
                               unsigned d)
{
    const unsigned expected[LISTENERS] = {a, b, c, d};

    for (int i = 0; i < LISTENERS; i++) {
        assert_int_equal(stage->listeners[i].told, expected[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
