/* Paths and the patterns they fit. */
#include "test/unit/unit.h"

#include "common/path.h"

static void a_plain_pattern_fits_itself_alone(void **state)
{
    static const char *const others[] = {"", "/", "/wisdo", "/wisdom/", "/wisdom2", "/Wisdom"};
    struct str param;

    (void)state;
    assert_true(path_fits("/wisdom", STR("/wisdom"), &param));
    assert_int_equal(param.len, 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(path_fits("/wisdom", str_of(others[i]), &param));
    }
}

static void a_star_fits_one_segment_that_is_not_empty(void **state)
{
    static const struct {
        const char *pattern, *path, *param; /* NULL: does not fit */
    } rows[] = {
        {"/feed/*", "/feed/news", "news"},
        {"/feed/*", "/feed/a%2Fb", "a%2Fb"},
        {"/feed/*", "/feed/*", "*"},
        {"/feed/*", "/feed/", NULL},
        {"/feed/*", "/feed", NULL},
        {"/feed/*", "/feed/a/b", NULL},
        {"/feed/*", "/feed//", NULL},
        {"/feed/*", "/FEED/a", NULL},
        {"/api/users/*/events", "/api/users/u1/events", "u1"},
        {"/api/users/*/events", "/api/users/events/events", "events"},
        {"/api/users/*/events", "/api/users//events", NULL},
        {"/api/users/*/events", "/api/users/events", NULL},
        {"/api/users/*/events", "/api/users/a/b/events", NULL},
        {"/api/users/*/events", "/api/users/a/events/", NULL},
        {"/api/users/*/events", "/api/users/a/event", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str param;
        bool fits = path_fits(rows[i].pattern, str_of(rows[i].path), &param);

        assert_int_equal(fits, rows[i].param != NULL);
        if (fits) {
            assert_str(param, rows[i].param);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_pattern_fits_itself_alone),
        cmocka_unit_test(a_star_fits_one_segment_that_is_not_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
