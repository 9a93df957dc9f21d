/* Points in time: every form a client may write, what is refused, and the way back. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/iso8601.h"

static const int64_t FIRST_MS = INT64_C(-62167219200000); /* 0000-01-01T00:00:00Z */
static const int64_t LAST_MS = INT64_C(253402300799999);  /* 9999-12-31T23:59:59.999Z */
static const int64_t DAY_MS = INT64_C(86400000);

static void assert_time(const char *text, int64_t expected)
{
    int64_t ms = 1;
    const char *why = "nothing";

    if (iso8601_parse(str_of(text), &ms, &why) != ERR_OK) {
        fail_msg("%s: %s", text, why);
    }
    assert_int_equal(ms, expected);
    assert_string_equal(why, "nothing");
}

static void assert_refused(const char *text, const char *expected)
{
    int64_t ms = 1;
    const char *why = NULL;

    if (iso8601_parse(str_of(text), &ms, &why) != ERR_INVALID) {
        fail_msg("%s: accepted", text);
    }
    assert_int_equal(ms, 1);
    assert_string_equal(why, expected);
    assert_int_equal(iso8601_parse(str_of(text), &ms, NULL), ERR_INVALID);
}

static void all_forms_of_one_moment_are_the_same(void **state)
{
    static const int64_t moment = INT64_C(1652087347000);

    (void)state;
    assert_time("2022-05-09T09:09:07+0000", moment);
    assert_time("2022-05-09T09:09:07-0000", moment);
    assert_time("2022-05-09T09:09:07+00:00", moment);
    assert_time("2022-05-09T09:09:07Z", moment);
    assert_time("2022-05-09T12:09:07+0300", moment);
    assert_time("2022-05-09T12:09:07+03:00", moment);
    assert_time("2022-05-09T03:39:07-0530", moment);
    assert_time("2022-05-09T03:39:07-05:30", moment);
    assert_time("2022-05-10T09:08:07+23:59", moment);
    assert_time("2022-05-08T09:10:07-23:59", moment);
    assert_time("2022-05-09T09:09:07.0Z", moment);
    assert_time("2022-05-09T09:09:07.00Z", moment);
    assert_time("2022-05-09T09:09:07.000+0000", moment);
}

static void a_fraction_counts_tenths_hundredths_thousandths(void **state)
{
    (void)state;
    assert_time("1970-01-01T00:00:00.1Z", 100);
    assert_time("1970-01-01T00:00:00.12Z", 120);
    assert_time("1970-01-01T00:00:00.123Z", 123);
    assert_time("1970-01-01T00:00:00.007Z", 7);
    assert_time("1970-01-01T00:00:00.999-0000", 999);
    assert_time("1969-12-31T23:59:59.999Z", -1);
}

static void leap_days_exist_where_they_exist(void **state)
{
    (void)state;
    assert_time("2000-02-29T00:00:00Z", INT64_C(951782400000));
    assert_time("2024-02-29T00:00:00Z", INT64_C(1709164800000));
    assert_refused("1900-02-29T00:00:00Z", "day out of range");
    assert_refused("2100-02-29T00:00:00Z", "day out of range");
    assert_refused("2023-02-29T00:00:00Z", "day out of range");
    assert_refused("2024-02-30T00:00:00Z", "day out of range");
}

static void the_ends_of_the_range_are_read(void **state)
{
    (void)state;
    assert_time("0000-01-01T00:00:00Z", FIRST_MS);
    assert_time("9999-12-31T23:59:59.999Z", LAST_MS);
    assert_time("0000-01-01T00:00:00+2359", FIRST_MS - DAY_MS + 60000);
    assert_time("9999-12-31T23:59:59.999-23:59", LAST_MS + DAY_MS - 60000);
}

static void a_refusal_names_the_part(void **state)
{
    (void)state;
    assert_refused("", "year must have four digits");
    assert_refused("22-05-09T09:09:07Z", "year must have four digits");
    assert_refused("-022-05-09T09:09:07Z", "year must have four digits");
    assert_refused("+2022-05-09T09:09:07Z", "year must have four digits");
    assert_refused("20220509T090907Z", "'-' expected after the year");
    assert_refused("2022-13-09T09:09:07Z", "month out of range");
    assert_refused("2022-00-09T09:09:07Z", "month out of range");
    assert_refused("2022-5-09T09:09:07Z", "month must have two digits");
    assert_refused("2022-05-00T09:09:07Z", "day out of range");
    assert_refused("2022-05-32T09:09:07Z", "day out of range");
    assert_refused("2022-04-31T09:09:07Z", "day out of range");
    assert_refused("2022-05-9T09:09:07Z", "day must have two digits");
    assert_refused("2022-05-09", "'T' expected after the date");
    assert_refused("2022-05-09 09:09:07Z", "'T' expected after the date");
    assert_refused("2022-05-09t09:09:07Z", "'T' expected after the date");
    assert_refused("2022-05-09T24:00:00Z", "hour out of range");
    assert_refused("2022-05-09T9:09:07Z", "hour must have two digits");
    assert_refused("2022-05-09T09:60:07Z", "minute out of range");
    assert_refused("2022-05-09T09:09Z", "':' expected after the minute");
    assert_refused("2022-05-09T09:09:60Z", "second out of range");
    assert_refused("2022-05-09T09:09:7Z", "second must have two digits");
    assert_refused("2022-05-09T09:09:07.Z", "fraction must have one to three digits");
    assert_refused("2022-05-09T09:09:07.1234Z", "fraction must have one to three digits");
    assert_refused("2022-05-09T09:09:07,123Z", "time zone missing");
    assert_refused("2022-05-09T09:09:07", "time zone missing");
    assert_refused("2022-05-09T09:09:07.123", "time zone missing");
    assert_refused("2022-05-09T09:09:07z", "time zone missing");
    assert_refused("2022-05-09T09:09:07+2400", "time zone out of range");
    assert_refused("2022-05-09T09:09:07+0060", "time zone out of range");
    assert_refused("2022-05-09T09:09:07+03", "time zone must be Z, +hhmm or +hh:mm");
    assert_refused("2022-05-09T09:09:07+3:00", "time zone must be Z, +hhmm or +hh:mm");
    assert_refused("2022-05-09T09:09:07+03:0", "time zone must be Z, +hhmm or +hh:mm");
    assert_refused("2022-05-09T09:09:07+03::00", "time zone must be Z, +hhmm or +hh:mm");
    assert_refused("2022-05-09T09:09:07ZZ", "something follows the time zone");
    assert_refused("2022-05-09T09:09:07Z ", "something follows the time zone");
    assert_refused("2022-05-09T09:09:07+00000", "something follows the time zone");
    assert_refused(" 2022-05-09T09:09:07Z", "year must have four digits");
}

static void no_part_of_a_time_is_a_time(void **state)
{
    static const char *const texts[] = {"2022-05-09T09:09:07+00:00", "2022-05-09T09:09:07.123Z",
                                        "2022-05-09T09:09:07-0000"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t whole = strlen(texts[i]);

        for (size_t from = 0; from < whole; from++) {
            for (size_t to = from; to <= whole; to++) {
                int64_t ms;
                bool good =
                    iso8601_parse(str_from(texts[i] + from, to - from), &ms, NULL) == ERR_OK;

                assert_int_equal(good, from == 0 && to == whole);
            }
        }
    }
}

static void a_foreign_byte_at_any_place_is_refused(void **state)
{
    static const char text[] = "2022-05-09T09:09:07.123+00:00";
    static const char foreign[] = {'\0', '\n', ' ', '/', ';', 'x', (char)0xff, '\x7f'};

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        for (size_t j = 0; j < sizeof(foreign); j++) {
            char copy[sizeof(text)];
            int64_t ms;

            memcpy(copy, text, sizeof(text));
            copy[i] = foreign[j];
            assert_int_equal(iso8601_parse(str_from(copy, sizeof(text) - 1), &ms, NULL),
                             ERR_INVALID);
        }
    }
}

static void assert_written(int64_t ms, const char *expected)
{
    char text[ISO8601_TEXT_MAX];

    iso8601_format(ms, text);
    assert_string_equal(text, expected);
}

static void times_are_written_in_utc_with_milliseconds(void **state)
{
    (void)state;
    assert_written(0, "1970-01-01T00:00:00.000Z");
    assert_written(INT64_C(1652087347123), "2022-05-09T09:09:07.123Z");
    assert_written(-1, "1969-12-31T23:59:59.999Z");
    assert_written(-DAY_MS, "1969-12-31T00:00:00.000Z");
    assert_written(FIRST_MS, "0000-01-01T00:00:00.000Z");
    assert_written(LAST_MS, "9999-12-31T23:59:59.999Z");
}

static void years_beyond_four_digits_are_cut(void **state)
{
    (void)state;
    assert_written(FIRST_MS - 1, "0000-01-01T00:00:00.000Z");
    assert_written(INT64_MIN, "0000-01-01T00:00:00.000Z");
    assert_written(LAST_MS + 1, "9999-12-31T23:59:59.999Z");
    assert_written(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

/* The C library counts days in its own way. */
static void every_eleventh_day_of_ten_thousand_years_agrees_with_the_c_library(void **state)
{
    int64_t ms = FIRST_MS;

    (void)state;
    for (int step = 0; ms <= LAST_MS; step++, ms += 11 * DAY_MS + step % 2) {
        int64_t within = (ms - FIRST_MS) % DAY_MS;
        time_t seconds = (time_t)((ms - FIRST_MS) / 1000 + FIRST_MS / 1000);
        struct tm tm;
        char text[ISO8601_TEXT_MAX];
        char expected[80];
        int64_t back;

        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 (int)(within % 1000));
        iso8601_format(ms, text);
        assert_string_equal(text, expected);
        assert_int_equal(iso8601_parse(str_of(text), &back, NULL), ERR_OK);
        assert_int_equal(back, ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_forms_of_one_moment_are_the_same),
        cmocka_unit_test(a_fraction_counts_tenths_hundredths_thousandths),
        cmocka_unit_test(leap_days_exist_where_they_exist),
        cmocka_unit_test(the_ends_of_the_range_are_read),
        cmocka_unit_test(a_refusal_names_the_part),
        cmocka_unit_test(no_part_of_a_time_is_a_time),
        cmocka_unit_test(a_foreign_byte_at_any_place_is_refused),
        cmocka_unit_test(times_are_written_in_utc_with_milliseconds),
        cmocka_unit_test(years_beyond_four_digits_are_cut),
        cmocka_unit_test(every_eleventh_day_of_ten_thousand_years_agrees_with_the_c_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
