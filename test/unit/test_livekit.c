/* LiveKit tokens against one that node:crypto made. */
#include "test/unit/unit.h"

#include "gateway/proto/livekit.h"

static void a_token_is_signed_as_everybody_signs_it(void **state)
{
    struct livekit_grant grant = {.room = STR("den"),
                                  .identity = STR("ann"),
                                  .name = STR("A \"B\""),
                                  .now_s = 1652087347};
    struct buf text = {0};

    (void)state;
    buf_add_text(&text, "token:");
    livekit_write_token(&text, STR("APIkey"), STR("secret"), &grant);
    assert_str(buf_str(&text),
               "token:eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
               "eyJpc3MiOiJBUElrZXkiLCJzdWIiOiJhbm4iLCJqdGkiOiJhbm4iLCJuYW1lIjoiQSBcIkJcIiIsIm5"
               "iZiI6MTY1MjA4NzM0NywiZXhwIjoxNjUyMTA4OTQ3LCJ2aWRlbyI6eyJyb29tSm9pbiI6dHJ1ZSwicm"
               "9vbSI6ImRlbiJ9fQ.u4Tu0ZB-ncaSsbXEFtRZQxA_E3Dl5hgPYzhZtuE-Sjo");
    buf_finish(&text);
}

static void a_token_without_a_name_has_none(void **state)
{
    struct livekit_grant grant = {.room = STR("a"), .identity = STR("b")};
    struct buf named = {0}, bare = {0};

    (void)state;
    livekit_write_token(&bare, STR("k"), STR("s"), &grant);
    grant.name = STR("c");
    livekit_write_token(&named, STR("k"), STR("s"), &grant);
    assert_true(named.len > bare.len);
    buf_finish(&named);
    buf_finish(&bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_signed_as_everybody_signs_it),
        cmocka_unit_test(a_token_without_a_name_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
