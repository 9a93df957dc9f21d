/* A GET of a polling session, brought to where it waits. One include per test. */
#ifndef SEGUE_TEST_EIO_GET_STAGE_H
#define SEGUE_TEST_EIO_GET_STAGE_H

#include "test/unit/eio_stage.h"

#define CLAIM(instead, t) "eio_claim fake CLAIM " instead " " t " 20000\n"
#define READ              "eio_read CLAIM 20000 1000\n"
#define TAKE(version, t, items, ping, bytes)                                                   \
    "eio_take CLAIM " version " " t " marks " items " " ping " " bytes " 20000\n"
#define SUBSCRIBE          "SUBSCRIBE " CHANNEL "\n"
#define UNSUBSCRIBE        "UNSUBSCRIBE " CHANNEL "\n"
#define CLOSE(words, told) "eio_close CLAIM " words " " told "\n"

/* A GET that has its claim and a live channel. */
static inline struct client reading(void)
{
    struct client client = get("t1");

    assert_asked(SUBSCRIBE CLAIM("", "t1"));
    confirm();
    assert_asked("");
    REPLY("applied");
    assert_asked(READ);
    return client;
}

static inline struct client waiting(void)
{
    struct client client = reading();

    REPLY("applied", "7", "state", "told", "25000", "0", "0");
    assert_heard("Lstate,told;");
    assert_quiet(&client);
    return client;
}

static inline struct client taking(void)
{
    struct client client = waiting();

    session_say(proto_side.session, STR("hello"));
    turns();
    assert_asked(TAKE("7", "t1", "0", "0", "6"));
    return client;
}

#endif
