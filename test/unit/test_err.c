/* The tables of errors and of reasons: every row answers, and words do not repeat. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/err.h"
#include "common/reason.h"

static const enum err errors[] = {
#define X(name, word, status, text) ERR_##name,
    ERR_TABLE(X)
#undef X
};

enum {
    ERROR_COUNT = sizeof(errors) / sizeof(errors[0])
};

static void every_error_is_negative_and_has_a_word_of_its_own_but_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < ERROR_COUNT; i++) {
        assert_true(errors[i] < 0);
        assert_true(err_status(errors[i]) >= 400 && err_status(errors[i]) <= 599);
        assert_true(strlen(err_text(errors[i])) > 0);
        for (size_t j = 0; j < i; j++) {
            bool same = strcmp(err_word(errors[i]), err_word(errors[j])) == 0;

            assert_int_equal(same, errors[j] == ERR_UNAVAILABLE && errors[i] == ERR_NEWER);
        }
    }
}

static void errors_answer_as_the_contract_says(void **state)
{
    (void)state;
    assert_string_equal(err_word(ERR_UNAUTHORIZED), "unauthorized");
    assert_int_equal(err_status(ERR_UNAUTHORIZED), 401);
    assert_string_equal(err_word(ERR_RATE_LIMITED), "rate_limited");
    assert_int_equal(err_status(ERR_RATE_LIMITED), 429);
    assert_string_equal(err_word(ERR_UNAVAILABLE), "unavailable");
    assert_int_equal(err_status(ERR_UNAVAILABLE), 503);
    assert_string_equal(err_word(ERR_NEWER), "unavailable");
    assert_int_equal(err_status(ERR_NEWER), 503);
    assert_int_equal(err_status(ERR_BAD_REQUEST), 400);
    assert_int_equal(err_status(ERR_INVALID), 400);
}

static void success_is_no_error(void **state)
{
    (void)state;
    assert_int_equal(ERR_OK, 0);
    assert_int_equal(err_status(ERR_OK), 200);
    assert_string_equal(err_word(ERR_OK), "ok");
}

static void every_reason_has_a_word_and_a_code_for_the_wire_or_none(void **state)
{
    (void)state;
    for (int i = 0; i < REASON_COUNT; i++) {
        unsigned code = reason_code((enum reason)i);

        assert_true(code == 0 || (code >= 1000 && code <= 1013) ||
                    (code >= 4000 && code < 5000));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(reason_word((enum reason)i), reason_word((enum reason)j));
        }
    }
    assert_int_equal(reason_code(REASON_RESTART), 1012);
    assert_int_equal(reason_code(REASON_SLOW), 1013);
    assert_int_equal(reason_code(REASON_TOKEN_EXPIRED), 4401);
    assert_int_equal(reason_code(REASON_HEARTBEAT), 4408);
    assert_string_equal(reason_word(REASON_PEER_LOST), "peer lost");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_is_negative_and_has_a_word_of_its_own_but_one),
        cmocka_unit_test(errors_answer_as_the_contract_says),
        cmocka_unit_test(success_is_no_error),
        cmocka_unit_test(every_reason_has_a_word_and_a_code_for_the_wire_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
