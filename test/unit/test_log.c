/* The log: what a line looks like, what hostile values cannot do to it, and what a stuck stderr
 * costs. */
#include "test/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/iso8601.h"
#include "common/json.h"
#include "common/log.h"

enum {
    LINE_BYTES = 4096,
    TIME_LEN = 24
};

static int real_stderr;
static char caught[64 * 1024];

/* Stands in for stderr until `leave`: a file, so that nothing blocks and nothing is too long.
 */
static FILE *enter(void)
{
    FILE *file = tmpfile();

    assert_non_null(file);
    real_stderr = dup(STDERR_FILENO);
    assert_true(real_stderr >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    return file;
}

static void leave(FILE *file)
{
    size_t len;

    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    close(real_stderr);
    rewind(file);
    len = fread(caught, 1, sizeof(caught) - 1, file);
    caught[len] = '\0';
    fclose(file);
}

/* The only line that was caught, without its time and its end. */
static struct str line_behind_time(void)
{
    size_t len = strlen(caught);
    int64_t ms;

    assert_true(len > TIME_LEN + 1);
    assert_int_equal(iso8601_parse(str_from(caught, TIME_LEN), &ms, NULL), ERR_OK);
    assert_int_equal(caught[TIME_LEN], ' ');
    assert_ptr_equal(strchr(caught, '\n'), caught + len - 1);
    return str_from(caught + TIME_LEN + 1, len - TIME_LEN - 2);
}

static void a_line_tells_time_level_event_and_fields(void **state)
{
    FILE *file = enter();

    (void)state;
    log_setup(LOG_INFO, LOG_FORMAT_TEXT);
    log_write(LOG_INFO, "admin listening", LOG_TEXT("address", "127.0.0.1:43212"),
              LOG_NUMBER("age_ms", -12), LOG_STR("part", str_from("abcdef", 3)));
    leave(file);
    assert_str(line_behind_time(),
               "info admin listening address=127.0.0.1:43212 age_ms=-12 part=abc");
}

static void an_event_may_stand_alone(void **state)
{
    FILE *file = enter();

    (void)state;
    log_setup(LOG_DEBUG, LOG_FORMAT_TEXT);
    log_write(LOG_ERROR, "redis down");
    leave(file);
    assert_str(line_behind_time(), "error redis down");
}

static void the_time_is_now_in_utc(void **state)
{
    time_t before = time(NULL);
    FILE *file = enter();
    int64_t ms = 0;

    (void)state;
    log_write(LOG_ERROR, "x");
    leave(file);
    assert_int_equal(iso8601_parse(str_from(caught, TIME_LEN), &ms, NULL), ERR_OK);
    /* time() reads a coarser clock, which may be a tick behind. */
    assert_true(ms / 1000 >= before && ms / 1000 <= time(NULL) + 1);
    assert_int_equal(caught[TIME_LEN - 1], 'Z');
}

static void json_has_the_same_in_an_object(void **state)
{
    struct json_field fields[] = {
        {.name = "time", .kind = JSON_TEXT, .required = true, .min = TIME_LEN, .max = TIME_LEN},
        {.name = "level", .kind = JSON_TEXT, .required = true},
        {.name = "event", .kind = JSON_TEXT, .required = true},
        {.name = "address", .kind = JSON_TEXT, .required = true},
        {.name = "age_ms", .kind = JSON_INTEGER, .required = true},
        {.name = "empty", .kind = JSON_TEXT, .required = true},
    };
    char why[JSON_WHY_MAX];
    const char *reason;
    FILE *file = enter();
    cJSON *object;

    (void)state;
    log_setup(LOG_INFO, LOG_FORMAT_JSON);
    log_write(LOG_WARN, "listening", LOG_TEXT("address", "a \"b\" \\c"),
              LOG_NUMBER("age_ms", 12), LOG_TEXT("empty", ""));
    leave(file);
    object = json_parse(str_of(caught), &reason);
    assert_non_null(object);
    assert_int_equal(json_read(object, fields, sizeof(fields) / sizeof(fields[0]), why),
                     ERR_OK);
    assert_str(fields[1].text, "warn");
    assert_str(fields[2].text, "listening");
    assert_str(fields[3].text, "a \"b\" \\c");
    assert_true(fields[4].number == 12);
    assert_str(fields[5].text, "");
    cJSON_Delete(object);
}

static int worked_out;

static const char *work_out(void)
{
    worked_out++;
    return "value";
}

static void what_is_not_wanted_is_not_worked_out(void **state)
{
    FILE *file = enter();

    (void)state;
    worked_out = 0;
    log_setup(LOG_WARN, LOG_FORMAT_TEXT);
    assert_false(log_wants(LOG_INFO));
    assert_true(log_wants(LOG_WARN));
    log_write(LOG_DEBUG, "no", LOG_TEXT("x", work_out()));
    log_write(LOG_INFO, "no", LOG_TEXT("x", work_out()));
    log_write(LOG_WARN, "yes", LOG_TEXT("x", work_out()));
    leave(file);
    assert_int_equal(worked_out, 1);
    assert_str(line_behind_time(), "warn yes x=value");
}

static void log_one(enum log_format format, struct str value)
{
    FILE *file = enter();

    log_setup(LOG_INFO, format);
    log_write(LOG_INFO, "e", LOG_STR("v", value));
    leave(file);
}

static void assert_value(const char *value, const char *text, const char *json)
{
    char expected[256];

    log_one(LOG_FORMAT_TEXT, str_of(value));
    snprintf(expected, sizeof(expected), "info e v=%s", text);
    assert_str(line_behind_time(), expected);
    log_one(LOG_FORMAT_JSON, str_of(value));
    snprintf(expected, sizeof(expected), "\"event\":\"e\",\"v\":%s}\n", json);
    assert_non_null(strstr(caught, expected));
}

static void values_are_quoted_when_they_must_be(void **state)
{
    (void)state;
    assert_value("bare-1:2,3/4", "bare-1:2,3/4", "\"bare-1:2,3/4\"");
    assert_value("", "\"\"", "\"\"");
    assert_value("a b", "\"a b\"", "\"a b\"");
    assert_value("a=b", "\"a=b\"", "\"a=b\"");
    assert_value("a\"b", "\"a\\\"b\"", "\"a\\\"b\"");
    assert_value("a\\b", "\"a\\\\b\"", "\"a\\\\b\"");
}

static void values_cannot_forge_a_line_or_order_a_terminal(void **state)
{
    /* Turns around what follows it; spelled out, lest a tool takes this file for a trick. */
    const char turn[] = {(char)0xe2, (char)0x80, (char)0xae, '\0'};

    (void)state;
    assert_value("a\nb\r", "\"a\\x0ab\\x0d\"", "\"a\\u000ab\\u000d\"");
    assert_value("\x1b[31m\x7f", "\"\\x1b[31m\\x7f\"", "\"\\u001b[31m\\u007f\"");
    assert_value("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
                 "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
                 "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    assert_value("\xff\xc3", "\"\\xff\\xc3\"", "\"\\u00ff\\u00c3\"");
    assert_value("\xc2\x9b", "\"\\xc2\\x9b\"", "\"\\u00c2\\u009b\""); /* C1: CSI */
    assert_value(turn, "\"\\xe2\\x80\\xae\"", "\"\\u00e2\\u0080\\u00ae\"");
    assert_value("\xe2\x80\xa8", "\"\\xe2\\x80\\xa8\"", "\"\\u00e2\\u0080\\u00a8\""); /* LS */
    assert_value("\xed\xa0\x80", "\"\\xed\\xa0\\x80\"", "\"\\u00ed\\u00a0\\u0080\"");
}

static void every_pair_of_bytes_makes_one_clean_line(void **state)
{
    (void)state;
    for (int first = 0; first < 256; first += 3) {
        char value[256 * 3];
        const char *why = NULL;

        for (int second = 0; second < 256; second++) {
            value[3 * second] = (char)first;
            value[3 * second + 1] = (char)second;
            value[3 * second + 2] = 'x';
        }
        log_one(LOG_FORMAT_TEXT, str_from(value, sizeof(value)));
        for (const char *at = caught; *at != '\n'; at++) {
            assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
        }
        line_behind_time();
        for (size_t i = 0; i < sizeof(value); i++) {
            value[i] = value[i] ? value[i] : 'x'; /* our scanner refuses \u0000 on principle */
        }
        log_one(LOG_FORMAT_JSON, str_from(value, sizeof(value)));
        assert_int_equal(json_check(str_of(caught), &why), ERR_OK);
    }
}

/* Values that fill a line by pieces, each of `width` bytes there, of every number around the
 * bound: the line is whole, or cut and says so. */
static void assert_cut(enum log_format format, const char *piece, size_t width,
                       const char *mark)
{
    struct buf value = {0};
    bool was_cut = false;
    size_t whole = 0;
    size_t count = 0;

    while (count < LINE_BYTES / width - 160 / width) {
        buf_add_text(&value, piece);
        count++;
    }
    for (; count < LINE_BYTES / width + 8; count++) {
        const char *why = NULL;
        bool cut;
        size_t len;

        log_one(format, buf_str(&value));
        len = strlen(caught);
        cut = strstr(caught, mark) != NULL;
        assert_true(len <= LINE_BYTES && len > LINE_BYTES - 200);
        assert_ptr_equal(strchr(caught, '\n'), caught + len - 1);
        assert_true(!was_cut || cut);
        assert_true(!cut || len > LINE_BYTES - 64);
        assert_true(format != LOG_FORMAT_JSON || json_check(str_of(caught), &why) == ERR_OK);
        was_cut = cut;
        whole += !cut;
        buf_add_text(&value, piece);
    }
    assert_true(was_cut);
    assert_true(whole > 0);
    buf_finish(&value);
}

static void a_long_line_is_cut_with_a_mark(void **state)
{
    (void)state;
    assert_cut(LOG_FORMAT_TEXT, "x", 1, " cut=true\n");
    assert_cut(LOG_FORMAT_TEXT, " ", 1, "\" cut=true\n");
    assert_cut(LOG_FORMAT_TEXT, "\n", 4, "\" cut=true\n");
    assert_cut(LOG_FORMAT_TEXT, "\xe2\x82\xac", 3, "\" cut=true\n");
    assert_cut(LOG_FORMAT_JSON, "x", 1, "\",\"cut\":true}\n");
    assert_cut(LOG_FORMAT_JSON, "\n", 6, "\",\"cut\":true}\n");
    assert_cut(LOG_FORMAT_JSON, "\xe2\x82\xac", 3, "\",\"cut\":true}\n");
    assert_cut(LOG_FORMAT_JSON, "\\", 2, "\",\"cut\":true}\n");
}

static void fields_behind_a_cut_are_left_out_whole(void **state)
{
    char value[LINE_BYTES + 100];
    const char *why = NULL;

    (void)state;
    memset(value, 'x', sizeof(value));
    for (int json = 0; json < 2; json++) {
        for (size_t len = LINE_BYTES - 200; len < sizeof(value); len++) {
            FILE *file = enter();
            size_t seen;

            log_setup(LOG_INFO, json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
            log_write(LOG_INFO, "e", LOG_STR("v", str_from(value, len)),
                      LOG_NUMBER("number", 12345678), LOG_TEXT("text", "y"));
            leave(file);
            seen = strlen(caught);
            assert_true(seen <= LINE_BYTES && caught[seen - 1] == '\n');
            assert_true(!json || json_check(str_of(caught), &why) == ERR_OK);
            /* A number is there with all its digits or not at all, and never behind a gap. */
            assert_int_equal(!strstr(caught, "number"), !strstr(caught, "12345678"));
            assert_true(!strstr(caught, "text") || strstr(caught, "number"));
            assert_true(strstr(caught, "text") || strstr(caught, "cut"));
        }
    }
}

static void an_endless_event_is_cut_as_well(void **state)
{
    char event[2 * LINE_BYTES];
    const char *why = NULL;

    (void)state;
    memset(event, 'e', sizeof(event));
    event[sizeof(event) - 1] = '\0';
    for (int json = 0; json < 2; json++) {
        FILE *file = enter();

        log_setup(LOG_INFO, json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
        log_write(LOG_INFO, event, LOG_NUMBER("n", 1));
        leave(file);
        assert_true(strlen(caught) <= LINE_BYTES);
        assert_non_null(strstr(caught, "cut"));
        assert_true(!json || json_check(str_of(caught), &why) == ERR_OK);
    }
}

static void a_full_stderr_costs_lines_but_no_time_and_the_loss_is_told(void **state)
{
    struct timespec start;
    struct timespec end;
    int ends[2];
    int lines = 0;
    ssize_t got;
    char *told;
    int count = 0;

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    real_stderr = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    log_setup(LOG_INFO, LOG_FORMAT_TEXT);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < 5000; i++) {
        log_write(LOG_INFO, "event", LOG_NUMBER("number", i));
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - start.tv_sec < 10); /* waiting at each would take far longer */
    while ((got = read(ends[0], caught, sizeof(caught) - 1)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            lines += caught[i] == '\n';
        }
    }
    log_write(LOG_INFO, "after");
    got = read(ends[0], caught, sizeof(caught) - 1);
    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    close(real_stderr);
    close(ends[0]);
    close(ends[1]);
    assert_true(got > 0);
    caught[got] = '\0';
    told = strstr(caught, " warn log lines lost count=");
    assert_non_null(told);
    assert_int_equal(sscanf(told, " warn log lines lost count=%d\n", &count), 1);
    assert_int_equal(lines + count, 5000);
    assert_non_null(strstr(told, " info after\n"));
}

/* ---- lines that are kept ---- */

/* stderr becomes a pipe that takes no more than a few pages, and blocks. */
static int enter_pipe(void)
{
    int ends[2];

    assert_int_equal(pipe2(ends, 0), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 16384) >= 16384);
    real_stderr = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    log_setup(LOG_INFO, LOG_FORMAT_TEXT);
    return ends[0];
}

static void leave_pipe(int end)
{
    assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
    close(real_stderr);
    close(end);
}

/* What stands in the pipe; returns its lines. */
static int drain(int end)
{
    ssize_t got, len = 0;
    int lines = 0;

    while ((size_t)len < sizeof(caught) - 1 &&
           (got = read(end, caught + len, sizeof(caught) - 1 - (size_t)len)) > 0) {
        len += got;
    }
    caught[len] = '\0';
    for (ssize_t i = 0; i < len; i++) {
        lines += caught[i] == '\n';
    }
    return lines;
}

static void kept_lines_leave_together_and_warnings_at_once(void **state)
{
    int end = enter_pipe();

    (void)state;
    log_hold();
    log_write(LOG_INFO, "first");
    log_write(LOG_INFO, "second");
    assert_int_equal(drain(end), 0);
    log_flush();
    assert_int_equal(drain(end), 2);
    assert_non_null(strstr(caught, " info first\n"));
    log_write(LOG_INFO, "third");
    log_write(LOG_WARN, "fourth");
    assert_int_equal(drain(end), 2);
    assert_true(strstr(caught, " info third\n") < strstr(caught, " warn fourth\n"));
    log_flush();
    log_write(LOG_INFO, "fifth");
    log_release();
    assert_int_equal(drain(end), 1);
    log_write(LOG_INFO, "sixth");
    assert_int_equal(drain(end), 1);
    leave_pipe(end);
}

/* Nobody reads: what is kept has a bound, and the process waits once for a moment. What is read
 * later is whole lines, in order, and the loss is told. */
static void a_reader_that_stands_still_costs_lines_but_no_time(void **state)
{
    struct timespec start, stop;
    unsigned long long before = log_lost();
    int end = enter_pipe(), lines = 0, count = 0;
    char *told;

    (void)state;
    log_hold();
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < 20000; i++) {
        log_write(LOG_INFO, "event", LOG_NUMBER("number", i));
    }
    log_flush();
    clock_gettime(CLOCK_MONOTONIC, &stop);
    assert_true(stop.tv_sec - start.tv_sec < 10); /* 20 ms for each would take far longer */
    assert_true(log_lost() - before > 10000);
    while (drain(end) > 0) {
        for (char *line = strtok(caught, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            int number;

            assert_int_equal(
                sscanf(strstr(line, " info event "), " info event number=%d", &number), 1);
            assert_int_equal(number, lines++);
        }
        log_flush();
    }
    assert_int_equal(lines + (int)(log_lost() - before), 20000);
    log_write(LOG_INFO, "after");
    log_release();
    assert_int_equal(drain(end), 2);
    leave_pipe(end);
    told = strstr(caught, " warn log lines lost count=");
    assert_non_null(told);
    assert_int_equal(sscanf(told, " warn log lines lost count=%d\n", &count), 1);
    assert_int_equal(count, 20000 - lines);
}

static void the_end_waits_a_second_for_a_reader_and_no_more(void **state)
{
    struct timespec start, stop;
    int end = enter_pipe();
    double took;

    (void)state;
    log_hold();
    for (int i = 0; i < 1000; i++) {
        log_write(LOG_INFO, "event", LOG_NUMBER("number", i));
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    log_release();
    clock_gettime(CLOCK_MONOTONIC, &stop);
    took = (double)(stop.tv_sec - start.tv_sec) + (double)(stop.tv_nsec - start.tv_nsec) / 1e9;
    leave_pipe(end);
    assert_true(took > 0.5 && took < 10);
}

static void a_stderr_that_is_closed_harms_nobody(void **state)
{
    int end = enter_pipe();

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    close(end);
    log_hold();
    log_write(LOG_INFO, "nobody hears it");
    log_flush();
    log_write(LOG_WARN, "nor this");
    log_release();
    leave_pipe(open("/dev/null", O_RDONLY));
}

/* A full disk takes a part of a line. */
static void a_torn_line_does_not_swallow_the_next(void **state)
{
    FILE *file = enter();
    struct rlimit before;
    struct rlimit small;

    (void)state;
    log_setup(LOG_INFO, LOG_FORMAT_TEXT);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = TIME_LEN + 3;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    log_write(LOG_INFO, "torn");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    log_write(LOG_INFO, "next");
    log_write(LOG_INFO, "last");
    leave(file);
    assert_memory_equal(caught + TIME_LEN, " in\n", 4);
    assert_non_null(strstr(caught, "Z info next\n"));
    assert_memory_equal(strstr(caught, "next\n") + 5 + TIME_LEN, " info last\n", 12);
}

static void a_closed_stderr_is_harmless(void **state)
{
    FILE *file = enter();

    (void)state;
    close(STDERR_FILENO);
    log_write(LOG_ERROR, "unheard");
    leave(file);
    assert_string_equal(caught, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_tells_time_level_event_and_fields),
        cmocka_unit_test(an_event_may_stand_alone),
        cmocka_unit_test(the_time_is_now_in_utc),
        cmocka_unit_test(json_has_the_same_in_an_object),
        cmocka_unit_test(what_is_not_wanted_is_not_worked_out),
        cmocka_unit_test(values_are_quoted_when_they_must_be),
        cmocka_unit_test(values_cannot_forge_a_line_or_order_a_terminal),
        cmocka_unit_test(every_pair_of_bytes_makes_one_clean_line),
        cmocka_unit_test(a_long_line_is_cut_with_a_mark),
        cmocka_unit_test(fields_behind_a_cut_are_left_out_whole),
        cmocka_unit_test(an_endless_event_is_cut_as_well),
        cmocka_unit_test(a_full_stderr_costs_lines_but_no_time_and_the_loss_is_told),
        cmocka_unit_test(a_torn_line_does_not_swallow_the_next),
        cmocka_unit_test(kept_lines_leave_together_and_warnings_at_once),
        cmocka_unit_test(a_reader_that_stands_still_costs_lines_but_no_time),
        cmocka_unit_test(the_end_waits_a_second_for_a_reader_and_no_more),
        cmocka_unit_test(a_stderr_that_is_closed_harms_nobody),
        cmocka_unit_test(a_closed_stderr_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
