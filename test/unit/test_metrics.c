/* The metrics page, read back by a small parser of the Prometheus text format: whatever
 * metrics_print writes must pass it. */
#include "test/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/metrics.h"

enum {
    FAMILIES_MAX = 64,
    SAMPLES_MAX = 1024,
    NAME_MAX_LENGTH = 64,
    LABELS_MAX = 128
};

struct family {
    char name[NAME_MAX_LENGTH];
    char type[16];
};

struct sample {
    char name[NAME_MAX_LENGTH];
    char labels[LABELS_MAX]; /* between the braces */
    double value;
    size_t family;
};

static struct family families[FAMILIES_MAX];
static size_t family_count;
static struct sample samples[SAMPLES_MAX];
static size_t sample_count;

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static void take_name(const char **at, char name[NAME_MAX_LENGTH])
{
    size_t len = 0;

    assert_true(**at >= 'a' && **at <= 'z');
    while (is_name_char(**at)) {
        assert_true(len < NAME_MAX_LENGTH - 1);
        name[len++] = *(*at)++;
    }
    name[len] = '\0';
}

/* "# HELP name text" opens a family, "# TYPE name type" follows at once. */
static void read_comment(const char *line)
{
    char name[NAME_MAX_LENGTH];
    const char *at = line + 7;
    struct family *newest = &families[family_count > 0 ? family_count - 1 : 0];

    take_name(&at, name);
    assert_int_equal(*at, ' ');
    at++;
    if (strncmp(line, "# HELP ", 7) == 0) {
        for (size_t i = 0; i < family_count; i++) {
            assert_string_not_equal(families[i].name, name);
        }
        assert_true(family_count < FAMILIES_MAX && strlen(at) > 0);
        assert_true(family_count == 0 || newest->type[0] != '\0');
        families[family_count] = (struct family){0};
        memcpy(families[family_count++].name, name, sizeof(name));
        return;
    }
    assert_int_equal(strncmp(line, "# TYPE ", 7), 0);
    assert_true(family_count > 0);
    assert_string_equal(newest->name, name);
    assert_string_equal(newest->type, "");
    assert_true(strcmp(at, "counter") == 0 || strcmp(at, "gauge") == 0 ||
                strcmp(at, "histogram") == 0);
    snprintf(newest->type, sizeof(newest->type), "%s", at);
}

/* label="value",... without anything that would need escaping. */
static void take_labels(const char **at, char labels[LABELS_MAX])
{
    const char *from = ++*at;
    char name[NAME_MAX_LENGTH];

    do {
        *at += **at == ',';
        take_name(at, name);
        assert_int_equal(strncmp(*at, "=\"", 2), 0);
        *at += 2;
        while (**at != '"') {
            assert_true(**at >= ' ' && **at <= '~' && **at != '\\');
            ++*at;
        }
        ++*at;
    } while (**at == ',');
    assert_int_equal(**at, '}');
    assert_true(*at - from < LABELS_MAX);
    memcpy(labels, from, (size_t)(*at - from));
    labels[*at - from] = '\0';
    ++*at;
}

static void read_sample(const char *line)
{
    const char *at = line;
    char *end;
    struct sample *sample = &samples[sample_count];
    const struct family *family;

    assert_true(sample_count < SAMPLES_MAX && family_count > 0);
    family = &families[family_count - 1];
    *sample = (struct sample){.family = family_count - 1};
    take_name(&at, sample->name);
    if (*at == '{') {
        take_labels(&at, sample->labels);
    }
    assert_int_equal(*at, ' ');
    assert_true((at[1] >= '0' && at[1] <= '9') || at[1] == '-');
    sample->value = strtod(at + 1, &end);
    assert_int_equal(*end, '\0');
    assert_true(isfinite(sample->value));
    assert_int_equal(strncmp(sample->name, family->name, strlen(family->name)), 0);
    if (strcmp(family->type, "histogram") != 0) {
        assert_string_equal(sample->name, family->name);
    }
    for (size_t i = 0; i < sample_count; i++) {
        assert_true(strcmp(samples[i].name, sample->name) != 0 ||
                    strcmp(samples[i].labels, sample->labels) != 0);
    }
    sample_count++;
}

/* Prints the metrics and reads them. */
static void scrape(const struct metrics *metrics)
{
    struct buf text = {0};
    char *line, *rest;

    family_count = sample_count = 0;
    metrics_print(metrics, &text);
    assert_int_equal(text.at[text.len - 1], '\n');
    for (line = strtok_r((char *)buf_text(&text), "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        line[0] == '#' ? read_comment(line) : read_sample(line);
    }
    buf_finish(&text);
}

static bool has(const char *name, const char *labels)
{
    for (size_t i = 0; i < sample_count; i++) {
        if (strcmp(samples[i].name, name) == 0 && strcmp(samples[i].labels, labels) == 0) {
            return true;
        }
    }
    return false;
}

static double value(const char *name, const char *labels)
{
    for (size_t i = 0; i < sample_count; i++) {
        if (strcmp(samples[i].name, name) == 0 && strcmp(samples[i].labels, labels) == 0) {
            return samples[i].value;
        }
    }
    fail_msg("%s{%s} is missing", name, labels);
    return 0;
}

static void assert_type(const char *name, const char *type)
{
    for (size_t i = 0; i < family_count; i++) {
        if (strcmp(families[i].name, name) == 0) {
            assert_string_equal(families[i].type, type);
            return;
        }
    }
    fail_msg("%s is missing", name);
}

static void every_family_of_the_contract_is_printed_with_its_type(void **state)
{
    static const struct {
        const char *name, *type;
    } wanted[] = {
        {"segue_connections", "gauge"},
        {"segue_opened_total", "counter"},
        {"segue_closed_total", "counter"},
        {"segue_connection_age_seconds", "histogram"},
        {"segue_sockets", "gauge"},
        {"segue_sockets_limit", "gauge"},
        {"segue_messages_received_total", "counter"},
        {"segue_messages_sent_total", "counter"},
        {"segue_bytes_received_total", "counter"},
        {"segue_bytes_sent_total", "counter"},
        {"segue_transitions_total", "counter"},
        {"segue_redis_up", "gauge"},
        {"segue_redis_lost_total", "counter"},
        {"segue_pending_calls", "gauge"},
        {"segue_redis_latency_seconds", "histogram"},
        {"segue_delivery_latency_seconds", "histogram"},
        {"segue_loop_lag_seconds", "gauge"},
        {"segue_draining", "gauge"},
        {"segue_log_lines_lost_total", "counter"},
        {"segue_slow_consumers_total", "counter"},
        {"segue_admitted_total", "counter"},
        {"segue_rejected_total", "counter"},
        {"segue_newer_version_seen_total", "counter"},
        {"segue_limited_total", "counter"},
        {"segue_channels", "gauge"},
        {"process_resident_memory_bytes", "gauge"},
        {"process_cpu_seconds_total", "counter"},
        {"process_open_fds", "gauge"},
        {"process_max_fds", "gauge"},
        {"process_start_time_seconds", "gauge"},
        {"segue_build_info", "gauge"},
        {"segue_process_info", "gauge"},
    };
    struct metrics metrics = {0};

    (void)state;
    scrape(&metrics);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        assert_type(wanted[i].name, wanted[i].type);
    }
    assert_int_equal(family_count, sizeof(wanted) / sizeof(wanted[0]));
}

static void numbers_are_printed_as_counted(void **state)
{
    struct metrics metrics = {
        .bytes_received = 9007199254740991,
        .bytes_sent = 2,
        .slow_consumers = 3,
        .channels = 4,
        .redis_up = 1,
        .loop_lag_us = {.now = 1500042},
        .redis_lost = 10,
        .sockets = 11,
        .sockets_limit = 12,
        .pending_calls = 13,
        .draining = true,
        .name = "abc123",
    };

    (void)state;
    metrics.connections[METRICS_PROTOCOL_PLAYER][METRICS_TRANSPORT_WEBSOCKET] = 5;
    metrics.connections[METRICS_PROTOCOL_API][METRICS_TRANSPORT_HTTP] = 6;
    metrics.messages_received[METRICS_PROTOCOL_PLAYER] = 7;
    metrics.messages_sent[METRICS_PROTOCOL_CHAT] = 8;
    metrics.rejected[METRICS_REJECTION_RATE] = 9;
    metrics.opened[METRICS_PROTOCOL_FEED][METRICS_TRANSPORT_POLLING] = 14;
    metrics.closed[METRICS_TRANSPORT_WEBSOCKET][REASON_RESTART] = 15;
    metrics.closed[METRICS_TRANSPORT_HTTP][REASON_HTTP_DONE] = 16;
    scrape(&metrics);
    assert_true(value("segue_bytes_received_total", "") == 9007199254740991.0);
    assert_true(value("segue_bytes_sent_total", "") == 2);
    assert_true(value("segue_slow_consumers_total", "") == 3);
    assert_true(value("segue_channels", "") == 4);
    assert_true(value("segue_redis_up", "") == 1);
    assert_true(value("segue_loop_lag_seconds", "") == 1.500042);
    assert_true(value("segue_connections", "protocol=\"player\",transport=\"websocket\"") == 5);
    assert_true(value("segue_connections", "protocol=\"api\",transport=\"http\"") == 6);
    assert_true(value("segue_messages_received_total", "protocol=\"player\"") == 7);
    assert_true(value("segue_messages_sent_total", "protocol=\"chat\"") == 8);
    assert_true(value("segue_rejected_total", "reason=\"rate_limited\"") == 9);
    assert_true(value("segue_redis_lost_total", "") == 10);
    assert_true(value("segue_sockets", "") == 11);
    assert_true(value("segue_sockets_limit", "") == 12);
    assert_true(value("segue_pending_calls", "") == 13);
    assert_true(value("segue_draining", "") == 1);
    assert_true(value("segue_process_info", "name=\"abc123\"") == 1);
    assert_true(value("segue_opened_total", "protocol=\"feed\",transport=\"polling\"") == 14);
    assert_true(value("segue_closed_total",
                      "transport=\"websocket\",reason=\"service_restart\"") == 15);
    assert_true(value("segue_closed_total", "transport=\"http\",reason=\"http_done\"") == 16);
}

static void rows_that_can_move_start_at_zero_and_others_are_left_out(void **state)
{
    struct metrics metrics = {0};

    (void)state;
    scrape(&metrics);
    assert_true(value("segue_connections", "protocol=\"player\",transport=\"websocket\"") == 0);
    assert_true(value("segue_messages_received_total", "protocol=\"player\"") == 0);
    assert_true(value("segue_rejected_total", "reason=\"draining\"") == 0);
    assert_false(has("segue_connections", "protocol=\"chat\",transport=\"polling\""));
    assert_false(has("segue_messages_received_total", "protocol=\"chat\""));
}

static void transitions_have_a_row_for_every_script_and_outcome_with_a_name(void **state)
{
    struct metrics metrics = {
        .script_names = {"player_join", "player_pause"},
        .outcome_names = {"ok", "no_state"},
    };

    (void)state;
    metrics.transitions[1][0] = 11;
    metrics.transitions[1][1] = 12;
    metrics.transitions[2][0] = 13; /* a row without a name does not exist */
    scrape(&metrics);
    assert_true(value("segue_transitions_total", "script=\"player_join\",outcome=\"ok\"") == 0);
    assert_true(value("segue_transitions_total", "script=\"player_pause\",outcome=\"ok\"") ==
                11);
    assert_true(
        value("segue_transitions_total", "script=\"player_pause\",outcome=\"no_state\"") == 12);
    for (size_t i = 0; i < sample_count; i++) {
        assert_true(samples[i].value != 13);
    }
}

static void transitions_may_fill_the_table(void **state)
{
    static char names[METRICS_SCRIPTS_MAX][16], outcomes[METRICS_OUTCOMES_MAX][16];
    struct metrics metrics = {0};
    size_t rows = 0;

    (void)state;
    for (size_t i = 0; i < METRICS_SCRIPTS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "script_%zu", i);
        metrics.script_names[i] = names[i];
    }
    for (size_t i = 0; i < METRICS_OUTCOMES_MAX; i++) {
        snprintf(outcomes[i], sizeof(outcomes[i]), "outcome_%zu", i);
        metrics.outcome_names[i] = outcomes[i];
    }
    scrape(&metrics);
    for (size_t i = 0; i < sample_count; i++) {
        rows += strcmp(samples[i].name, "segue_transitions_total") == 0;
    }
    assert_int_equal(rows, METRICS_SCRIPTS_MAX * METRICS_OUTCOMES_MAX);
}

/* The buckets of a histogram: bounds rise, counts never fall, the last is the count. Returns
 * the count. */
static double check_buckets(const char *family)
{
    char name[NAME_MAX_LENGTH];
    double bound = -1, count = 0;
    size_t buckets = 0;

    snprintf(name, sizeof(name), "%s_bucket", family);
    for (size_t i = 0; i < sample_count; i++) {
        double next;

        if (strcmp(samples[i].name, name) != 0) {
            continue;
        }
        assert_int_equal(strncmp(samples[i].labels, "le=\"", 4), 0);
        next = strcmp(samples[i].labels, "le=\"+Inf\"") == 0
                   ? INFINITY
                   : strtod(samples[i].labels + 4, NULL);
        assert_true(next > bound);
        assert_true(samples[i].value >= count);
        bound = next;
        count = samples[i].value;
        buckets++;
    }
    assert_int_equal(buckets, METRICS_BUCKETS + 1);
    assert_true(isinf(bound));
    snprintf(name, sizeof(name), "%s_count", family);
    assert_true(value(name, "") == count);
    return count;
}

static void buckets_are_cumulative_and_the_last_one_is_the_count(void **state)
{
    struct metrics metrics = {0};
    const char *name = "segue_redis_latency_seconds";

    (void)state;
    for (uint64_t us = 1; us <= 10000000; us *= 10) {
        metrics_observe(&metrics.redis_latency, us); /* 8 times, 1 us to 10 s */
    }
    scrape(&metrics);
    assert_true(check_buckets(name) == 8);
    assert_true(value("segue_redis_latency_seconds_sum", "") == 11.111111);
    assert_true(value("segue_redis_latency_seconds_bucket", "le=\"0.00005\"") == 2);
    assert_true(value("segue_redis_latency_seconds_bucket", "le=\"0.001\"") == 4);
    assert_true(value("segue_redis_latency_seconds_bucket", "le=\"5\"") == 7);
    assert_true(check_buckets("segue_delivery_latency_seconds") == 0);
}

/* The bound that `le` shows is the one by which is counted: a value at it is inside, one more
 * is in the next. */
static void a_bucket_holds_its_own_bound(void **state)
{
    struct metrics empty = {0};

    (void)state;
    scrape(&empty);
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        struct metrics metrics = {0};
        size_t first = 0;
        double seconds;

        scrape(&empty);
        while (strcmp(samples[first].name, "segue_delivery_latency_seconds_bucket") != 0) {
            first++;
        }
        seconds = strtod(samples[first + i].labels + 4, NULL);
        metrics_observe(&metrics.delivery_latency, (uint64_t)lround(seconds * 1e6));
        metrics_observe(&metrics.delivery_latency, (uint64_t)lround(seconds * 1e6) + 1);
        scrape(&metrics);
        assert_true(samples[first + i].value == 1);
        assert_true(samples[first + i + 1].value == 2);
        assert_true(i == 0 || samples[first + i - 1].value == 0);
    }
}

static void ages_have_buckets_of_their_own(void **state)
{
    struct metrics metrics = {0};
    const char *bucket = "segue_connection_age_seconds_bucket";

    (void)state;
    metrics_observe_age(&metrics.age, 1000);
    metrics_observe_age(&metrics.age, 1001);
    metrics_observe_age(&metrics.age, 86400000);
    metrics_observe_age(&metrics.age, 700000000);
    scrape(&metrics);
    assert_true(value(bucket, "le=\"1\"") == 1);
    assert_true(value(bucket, "le=\"10\"") == 2);
    assert_true(value(bucket, "le=\"86400\"") == 3);
    assert_true(value(bucket, "le=\"604800\"") == 3);
    assert_true(value(bucket, "le=\"+Inf\"") == 4);
    assert_true(value("segue_connection_age_seconds_count", "") == 4);
    assert_true(value("segue_connection_age_seconds_sum", "") == 786402.001);
}

/* Whoever looks every 15 s sees every peak, and whoever looks twice sees it twice; it is
 * forgotten after 30 s, also when nothing happened meanwhile. */
static void a_peak_is_seen_for_a_while_and_then_forgotten(void **state)
{
    struct metrics_peak peak = {0};

    (void)state;
    metrics_peak_add(&peak, 7, 1000);
    metrics_peak_add(&peak, 5, 2000);
    assert_int_equal(metrics_peak_value(&peak), 7);
    metrics_peak_add(&peak, 3, 1000 + METRICS_PEAK_MS);
    assert_int_equal(metrics_peak_value(&peak), 7);
    metrics_peak_add(&peak, 2, 1000 + 2 * METRICS_PEAK_MS);
    assert_int_equal(metrics_peak_value(&peak), 3);
    metrics_peak_add(&peak, 1, 1000 + 9 * METRICS_PEAK_MS);
    assert_int_equal(metrics_peak_value(&peak), 1);
}

static size_t count_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        count += entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir);
    }
    closedir(dir);
    return count;
}

static void the_process_is_told_as_the_system_sees_it(void **state)
{
    struct metrics metrics = {0};
    double now = (double)time(NULL), started;
    int file;

    (void)state;
    scrape(&metrics);
    started = value("process_start_time_seconds", "");
    assert_true(started > now - 3600 && started <= now + 1);
    assert_true(value("process_resident_memory_bytes", "") > 100000);
    assert_true(value("process_cpu_seconds_total", "") > 0);
    assert_true(value("process_open_fds", "") == (double)count_files());
    assert_true(value("process_max_fds", "") >= value("process_open_fds", ""));
    file = open("/dev/null", O_RDONLY);
    scrape(&metrics);
    assert_true(value("process_open_fds", "") == (double)count_files());
    close(file);
    assert_true(value("process_start_time_seconds", "") == started);
}

static void the_version_is_a_label(void **state)
{
    struct metrics metrics = {0};

    (void)state;
    scrape(&metrics);
    for (size_t i = 0; i < sample_count; i++) {
        if (strcmp(samples[i].name, "segue_build_info") == 0) {
            assert_int_equal(strncmp(samples[i].labels, "version=\"", 9), 0);
            assert_true(samples[i].labels[9] >= '0' && samples[i].labels[9] <= '9');
            assert_true(samples[i].value == 1);
            return;
        }
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_of_the_contract_is_printed_with_its_type),
        cmocka_unit_test(numbers_are_printed_as_counted),
        cmocka_unit_test(rows_that_can_move_start_at_zero_and_others_are_left_out),
        cmocka_unit_test(transitions_have_a_row_for_every_script_and_outcome_with_a_name),
        cmocka_unit_test(transitions_may_fill_the_table),
        cmocka_unit_test(buckets_are_cumulative_and_the_last_one_is_the_count),
        cmocka_unit_test(a_bucket_holds_its_own_bound),
        cmocka_unit_test(ages_have_buckets_of_their_own),
        cmocka_unit_test(a_peak_is_seen_for_a_while_and_then_forgotten),
        cmocka_unit_test(the_process_is_told_as_the_system_sees_it),
        cmocka_unit_test(the_version_is_a_label),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
