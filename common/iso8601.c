/* Points in time as text: reading is strict, writing has one form. */
#include "common/iso8601.h"

#include <assert.h>
#include <stdio.h>

enum {
    DAY_MS = 24 * 60 * 60 * 1000
};

struct scan {
    struct str rest;
    const char *why; /* the first complaint; NULL = none */
};

static void complain(struct scan *scan, const char *why)
{
    if (!scan->why) {
        scan->why = why;
    }
}

/* Exactly `count` digits; 0 with a complaint otherwise. */
static int take_number(struct scan *scan, size_t count, const char *why)
{
    int value = 0;

    for (size_t i = 0; i < count; i++) {
        if (i >= scan->rest.len || scan->rest.at[i] < '0' || scan->rest.at[i] > '9') {
            complain(scan, why);
            return 0;
        }
        value = value * 10 + (scan->rest.at[i] - '0');
    }
    scan->rest = str_skip(scan->rest, count);
    return value;
}

static bool take_mark(struct scan *scan, char mark)
{
    if (scan->rest.len == 0 || scan->rest.at[0] != mark) {
        return false;
    }
    scan->rest = str_skip(scan->rest, 1);
    return true;
}

static void want_mark(struct scan *scan, char mark, const char *why)
{
    if (!take_mark(scan, mark)) {
        complain(scan, why);
    }
}

static void want_range(struct scan *scan, int value, int from, int to, const char *why)
{
    if (value < from || value > to) {
        complain(scan, why);
    }
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    assert(month >= 1 && month <= 12);
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01. Years start in March here, so that the leap day comes last and a
 * month's first day is a straight line. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           day_of_year - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;

    *day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    *month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

static int64_t scan_date(struct scan *scan)
{
    int year = take_number(scan, 4, "year must have four digits");
    int month;
    int day;

    want_mark(scan, '-', "'-' expected after the year");
    month = take_number(scan, 2, "month must have two digits");
    want_range(scan, month, 1, 12, "month out of range");
    want_mark(scan, '-', "'-' expected after the month");
    day = take_number(scan, 2, "day must have two digits");
    if (scan->why) {
        return 0;
    }
    want_range(scan, day, 1, days_in_month(year, month), "day out of range");
    return days_of(year, month, day) * DAY_MS;
}

static int64_t scan_fraction(struct scan *scan)
{
    int64_t ms = 0;
    int unit = 100;
    size_t digits = 0;

    if (!take_mark(scan, '.')) {
        return 0;
    }
    while (digits < scan->rest.len && scan->rest.at[digits] >= '0' &&
           scan->rest.at[digits] <= '9') {
        ms += unit * (scan->rest.at[digits] - '0');
        unit /= 10;
        if (++digits > 3) {
            complain(scan, "fraction must have one to three digits");
            return 0;
        }
    }
    if (digits == 0) {
        complain(scan, "fraction must have one to three digits");
    }
    scan->rest = str_skip(scan->rest, digits);
    return ms;
}

static int64_t scan_time(struct scan *scan)
{
    int hour = take_number(scan, 2, "hour must have two digits");
    int minute;
    int second;

    want_range(scan, hour, 0, 23, "hour out of range");
    want_mark(scan, ':', "':' expected after the hour");
    minute = take_number(scan, 2, "minute must have two digits");
    want_range(scan, minute, 0, 59, "minute out of range");
    want_mark(scan, ':', "':' expected after the minute");
    second = take_number(scan, 2, "second must have two digits");
    want_range(scan, second, 0, 59, "second out of range");
    return ((int64_t)hour * 60 + minute) * 60000 + second * 1000 + scan_fraction(scan);
}

/* Milliseconds that local time is ahead of UTC. */
static int64_t scan_zone(struct scan *scan)
{
    bool behind;
    int hour;
    int minute;

    if (take_mark(scan, 'Z')) {
        return 0;
    }
    behind = take_mark(scan, '-');
    if (!behind) {
        want_mark(scan, '+', "time zone missing");
    }
    hour = take_number(scan, 2, "time zone must be Z, +hhmm or +hh:mm");
    want_range(scan, hour, 0, 23, "time zone out of range");
    take_mark(scan, ':');
    minute = take_number(scan, 2, "time zone must be Z, +hhmm or +hh:mm");
    want_range(scan, minute, 0, 59, "time zone out of range");
    return (behind ? -1 : 1) * ((int64_t)hour * 60 + minute) * 60000;
}

enum err iso8601_parse(struct str text, int64_t *ms, const char **why)
{
    struct scan scan = {text, NULL};
    int64_t date = scan_date(&scan);
    int64_t time;
    int64_t zone;

    want_mark(&scan, 'T', "'T' expected after the date");
    time = scan_time(&scan);
    zone = scan_zone(&scan);
    if (scan.rest.len > 0) {
        complain(&scan, "something follows the time zone");
    }
    if (scan.why) {
        if (why) {
            *why = scan.why;
        }
        return ERR_INVALID;
    }
    *ms = date + time - zone;
    return ERR_OK;
}

void iso8601_format(int64_t ms, char to[ISO8601_TEXT_MAX])
{
    const int64_t first = days_of(0, 1, 1) * DAY_MS;
    const int64_t last = days_of(10000, 1, 1) * DAY_MS - 1;
    int64_t day_ms;
    int year;
    int month;
    int day;

    ms = ms < first ? first : ms > last ? last : ms;
    day_ms = ms % DAY_MS;
    if (day_ms < 0) {
        day_ms += DAY_MS; /* before 1970 the remainder is negative */
    }
    date_of((ms - day_ms) / DAY_MS, &year, &month, &day);
    snprintf(to, ISO8601_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)year % 10000, (unsigned)month % 100, (unsigned)day % 100,
             (unsigned)(day_ms / 3600000 % 24), (unsigned)(day_ms / 60000 % 60),
             (unsigned)(day_ms / 1000 % 60), (unsigned)(day_ms % 1000));
}
