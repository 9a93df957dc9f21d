/* What a session's carrier does in the tests of protocols: it writes down what it is asked for,
 * a letter each. Those who look closer have functions of their own beside these.
 *
 * Included behind the definition of `stage`, a static struct that has `heard`, a buf, and
 * `reason` among its members. */
#ifndef SEGUE_TEST_CARRIER_H
#define SEGUE_TEST_CARRIER_H

#include "gateway/session.h"

static inline void carry_nothing(void *carrier)
{
    (void)carrier;
}

static inline void carry_accept(void *carrier)
{
    (void)carrier;
    buf_add_char(&stage.heard, 'A');
}

static inline void carry_no_refusal(void *carrier, enum err err, const char *why)
{
    (void)carrier;
    (void)err;
    (void)why;
    fail();
}

static inline void carry_trim(void *carrier)
{
    (void)carrier;
    buf_add_char(&stage.heard, 'T');
}

static inline void carry_pause(void *carrier, bool paused)
{
    (void)carrier;
    buf_add_char(&stage.heard, paused ? 'P' : 'r');
}

static inline void carry_settled(void *carrier)
{
    (void)carrier;
    buf_add_char(&stage.heard, 'S');
}

static inline void carry_close(void *carrier, enum reason reason)
{
    (void)carrier;
    stage.reason = reason;
    buf_add_char(&stage.heard, 'C');
}

#endif
