/* The manual: every option has its part, and both forms are well made. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "gateway/config_manual.h"
#include "gateway/config_value.h"

static struct buf page;

static int clean(void **state)
{
    (void)state;
    buf_finish(&page);
    return 0;
}

/* The file that the build laid into the binary. */
static struct str source(void)
{
    static char text[65536];
    FILE *file = fopen("gateway/manual.txt", "r");
    size_t len;

    assert_non_null(file);
    len = fread(text, 1, sizeof(text), file);
    assert_true(len > 0 && len < sizeof(text));
    fclose(file);
    return str_from(text, len);
}

static void every_option_has_a_part_and_no_part_is_of_none(void **state)
{
    size_t count, parts = 0;
    const struct config_option *options = config_options(&count);
    struct str rest = source(), line;
    char heading[64];

    (void)state;
    while (rest.len > 0) {
        str_cut(rest, '\n', &line, &rest);
        if (str_starts(line, STR("## "))) {
            assert_non_null(config_find_option(str_skip(line, 3)));
            parts++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct str whole = source();

        snprintf(heading, sizeof(heading), "\n## %s\n", options[i].name);
        if (memmem(whole.at, whole.len, heading, strlen(heading)) == NULL) {
            fail_msg("gateway/manual.txt has no part \"## %s\"", options[i].name);
        }
    }
    assert_int_equal(parts, count);
}

static void the_text_fits_80_columns_and_tells_every_option_once(void **state)
{
    size_t count, found;
    const struct config_option *options = config_options(&count);
    struct str rest, line;

    (void)state;
    config_manual(&page, CONFIG_FORM_TEXT);
    for (size_t i = 0; i < count; i++) {
        char term[64];

        snprintf(term, sizeof(term), "\n    --%s%c", options[i].name,
                 options[i].placeholder != NULL ? ' ' : '\n');
        found = 0;
        for (const char *at = buf_text(&page); (at = strstr(at, term)) != NULL; at++) {
            found++;
        }
        assert_int_equal(found, 1);
    }
    rest = buf_str(&page);
    while (rest.len > 0) {
        str_cut(rest, '\n', &line, &rest);
        assert_true(line.len <= 80);
        assert_true(line.len == 0 || line.at[line.len - 1] != ' ');
    }
}

static void a_line_of_roff_begins_with_a_dot_only_for_one_of_our_macros(void **state)
{
    static const char *const macros[] = {".TH ", ".nh", ".SH ", ".SS ", ".TP",
                                         ".PP",  ".IP", ".EX",  ".EE"};
    struct str rest, line;
    size_t open = 0;

    (void)state;
    config_manual(&page, CONFIG_FORM_ROFF);
    rest = buf_str(&page);
    while (rest.len > 0) {
        bool known = false;

        str_cut(rest, '\n', &line, &rest);
        for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
            known = known || str_starts(line, str_of(macros[i]));
        }
        assert_true(line.len > 0 && line.at[0] != '\'' && (line.at[0] != '.' || known));
        assert_null(memchr(line.at, '`', line.len));
        open += str_equal(line, STR(".EX"));
        open -= str_equal(line, STR(".EE"));
        assert_true(open <= 1);
    }
    assert_int_equal(open, 0);
}

static void close_codes_are_those_of_the_table_each_told_once(void **state)
{
    struct buf whole = {0};

    (void)state;
    assert_true(config_manual_part(&page, STR("close codes")));
    assert_non_null(strstr(buf_text(&page), "\n    1012\n        service restart.\n"));
    assert_non_null(
        strstr(buf_text(&page), "\n    1013\n        slow consumer; try again later.\n"));
    config_manual(&whole, CONFIG_FORM_TEXT);
    assert_non_null(strstr(buf_text(&whole), buf_text(&page)));
    buf_finish(&whole);
}

static void a_part_is_found_by_its_option_or_chapter_and_nothing_else(void **state)
{
    static const char *const strangers[] = {"",       "bogus",   "--bogus", "rat",
                                            "rates",  "signal",  "-rate",   "---rate",
                                            "# rate", "## rate", "RATE",    "\n"};

    (void)state;
    assert_true(config_manual_part(&page, STR("rate")));
    assert_non_null(strstr(buf_text(&page), "--rate N\n"));
    assert_non_null(strstr(buf_text(&page), "`SEGUE_RATE`; 0 to 1000000; default `50`."));
    assert_null(strstr(buf_text(&page), "--burst N"));
    buf_clear(&page);
    assert_true(config_manual_part(&page, STR("--jwt-key")));
    assert_non_null(strstr(buf_text(&page), "            --jwt-key 2026="));
    buf_clear(&page);
    assert_true(config_manual_part(&page, STR("Signals")));
    assert_true(str_starts(buf_str(&page), STR("SIGNALS\n")));
    buf_clear(&page);
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        assert_false(config_manual_part(&page, str_of(strangers[i])));
        assert_int_equal(page.len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_option_has_a_part_and_no_part_is_of_none, clean),
        cmocka_unit_test_teardown(the_text_fits_80_columns_and_tells_every_option_once, clean),
        cmocka_unit_test_teardown(a_line_of_roff_begins_with_a_dot_only_for_one_of_our_macros,
                                  clean),
        cmocka_unit_test_teardown(close_codes_are_those_of_the_table_each_told_once, clean),
        cmocka_unit_test_teardown(a_part_is_found_by_its_option_or_chapter_and_nothing_else,
                                  clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
