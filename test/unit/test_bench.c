/* The load generator's judgement: quantiles, updates known again, frames. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/bench/fetch.h"
#include "test/bench/frame.h"
#include "test/bench/hist.h"
#include "test/bench/update.h"
#include "test/unit/unit.h"

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void quantiles_are_right_to_one_per_cent(void **state)
{
    enum {
        COUNT = 10000
    };
    static struct hist hist;
    static uint64_t values[COUNT];
    uint64_t random = 1;
    static const double parts[] = {0.001, 0.5, 0.9, 0.99, 0.999, 1};

    (void)state;
    hist_clear(&hist);
    for (int i = 0; i < COUNT; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        values[i] = random >> (24 + i % 40); /* of all magnitudes below 2^40 */
        hist_add(&hist, values[i]);
    }
    qsort(values, COUNT, sizeof(values[0]), by_value);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        uint64_t exact = values[(size_t)(parts[i] * COUNT + 0.5) - 1];
        uint64_t found = hist_quantile(&hist, parts[i]);

        assert_true(found >= exact && (double)found <= (double)exact * 1.01);
    }
    assert_int_equal(hist.total, COUNT);
    assert_int_equal(hist.max, values[COUNT - 1]);
}

static void a_quantile_of_nothing_is_zero(void **state)
{
    static struct hist hist;

    (void)state;
    assert_int_equal(hist_quantile(&hist, 0.5), 0);
}

static void what_is_beyond_the_histogram_counts_as_its_end(void **state)
{
    static struct hist hist;

    (void)state;
    hist_clear(&hist);
    hist_add(&hist, UINT64_MAX);
    assert_int_equal(hist.total, 1);
    assert_int_equal(hist.max, UINT64_MAX);
    assert_int_equal(hist_quantile(&hist, 1), (1ULL << 40) - 1);
}

static void an_update_is_known_again(void **state)
{
    char room[UPDATE_MAX], wrapped[UPDATE_MAX + 32];

    (void)state;
    for (int verb = 0; verb < UPDATE_VERBS; verb++) {
        struct update update = {.verb = (enum update_verb)verb,
                                .number = 9007199254740991,
                                .sent_ns = 123456789012,
                                .position = 299,
                                .at_ms = 1652087347007};
        struct str text = update_write(&update, room);
        uint64_t number, sent_ns;
        int length = snprintf(wrapped, sizeof(wrapped), "42[\"update\",%.*s]", STR_ARG(text));

        assert_true(update_read(text, &number, &sent_ns));
        assert_int_equal(number, update.number);
        assert_int_equal(sent_ns, update.sent_ns);
        assert_non_null(memmem(text.at, text.len, "2022-05-09T09:09:07.007+0000", 28));
        assert_true(update_read(str_from(wrapped, (size_t)length), &number, &sent_ns));
        assert_int_equal(number, update.number);
    }
}

static void other_texts_are_no_updates(void **state)
{
    static const char *const texts[] = {"",
                                        "}",
                                        "1",
                                        ",\"t\":",
                                        ",\"t\":1}",
                                        ",\"n\":,\"t\":1}",
                                        ",\"n\":1,\"t\":x}",
                                        "{\"type_push_state\":\"no_track_state\"}",
                                        ",\"n\":1,\"t\":99999999999999999999999999}"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t number, sent_ns;

        assert_false(update_read(str_of(texts[i]), &number, &sent_ns));
    }
}

/* What a server makes of a client's frame, written plainly. */
static struct str unmasked(struct buf *frame, size_t head)
{
    const char *mask = frame->at + head;
    char *at = frame->at + head + 4;

    for (size_t i = 0; i < frame->len - head - 4; i++) {
        at[i] = (char)(at[i] ^ mask[i % 4]);
    }
    return str_from(at, frame->len - head - 4);
}

static void frames_are_masked_and_carry_their_length(void **state)
{
    static const size_t lengths[] = {0, 1, 7, 8, 125, 126, 300, 65535};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t length = lengths[i], head = length <= 125 ? 2 : 4;
        char *payload = malloc(length + 1);
        struct buf frame = {0};

        memset(payload, 'x', length);
        frame_write(FRAME_TEXT, str_from(payload, length), 0xdeadbeef, &frame);
        assert_int_equal((unsigned char)frame.at[0], 0x81);
        assert_int_equal((unsigned char)frame.at[1], 0x80 | (length <= 125 ? length : 126));
        assert_int_equal(frame.len, head + 4 + length);
        assert_true(str_equal(unmasked(&frame, head), str_from(payload, length)));
        buf_finish(&frame);
        free(payload);
    }
}

static void a_frame_is_read_once_it_is_whole(void **state)
{
    char bytes[4 + 200] = "\x81\x7e\x00\xc8";
    enum frame_kind kind;
    struct str payload;
    size_t size;

    (void)state;
    memset(bytes + 4, 'y', 200);
    for (size_t length = 0; length < sizeof(bytes); length++) {
        assert_int_equal(frame_read(str_from(bytes, length), &kind, &payload, &size),
                         FRAME_MORE);
    }
    assert_int_equal(frame_read(str_from(bytes, sizeof(bytes)), &kind, &payload, &size),
                     FRAME_DONE);
    assert_int_equal(kind, FRAME_TEXT);
    assert_int_equal(size, sizeof(bytes));
    assert_true(str_equal(payload, str_from(bytes + 4, 200)));
}

static void frames_that_no_server_here_sends_are_bad(void **state)
{
    static const char *const frames[] = {"\x01\x01", "\xc1\x01", "\x81\x81", "\x81\x7f"};
    enum frame_kind kind;
    struct str payload;
    size_t size;

    (void)state;
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        assert_int_equal(frame_read(str_from(frames[i], 2), &kind, &payload, &size), FRAME_BAD);
    }
}

static void an_answer_to_a_poll_is_read_once_it_is_whole(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nA: b\r\n\r\n0{}\x1e"
                                 "40\x1e"
                                 "42HTTP";
    size_t whole = sizeof(answer) - 1 - 4, size;
    struct str body, packet;

    (void)state;
    for (size_t length = 0; length < whole; length++) {
        assert_int_equal(fetch_read(str_from(answer, length), &body, &size), FRAME_MORE);
    }
    assert_int_equal(fetch_read(str_from(answer, sizeof(answer) - 1), &body, &size),
                     FRAME_DONE);
    assert_int_equal(size, whole);
    assert_true(fetch_next(&body, &packet) && str_equal(packet, STR("0{}")));
    assert_true(fetch_next(&body, &packet) && str_equal(packet, STR("40")));
    assert_true(fetch_next(&body, &packet) && str_equal(packet, STR("42")));
    assert_false(fetch_next(&body, &packet));
}

static void an_answer_to_a_poll_that_is_none_is_bad(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n\r\nContent-Length: 1\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    };
    struct str body;
    size_t size;

    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        assert_int_equal(fetch_read(str_of(answers[i]), &body, &size), FRAME_BAD);
    }
}

static void a_session_is_known_by_its_opening(void **state)
{
    char sid[FETCH_SID_MAX] = "";
    struct buf request = {0};

    (void)state;
    assert_false(fetch_open(STR("0{\"upgrades\":[]}"), sid));
    assert_false(fetch_open(STR("0{\"sid\":\"unfinished"), sid));
    assert_true(fetch_open(STR("0{\"sid\":\"abc\",\"upgrades\":[]}"), sid));
    assert_string_equal(sid, "abc");
    fetch_request("/p?a=b", sid, STR("3"), &request);
    assert_true(str_starts(buf_str(&request), STR("POST /p?a=b&sid=abc HTTP/1.1\r\n")));
    assert_string_equal(strstr(buf_text(&request), "\r\n\r\n"), "\r\n\r\n3");
    buf_finish(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_right_to_one_per_cent),
        cmocka_unit_test(a_quantile_of_nothing_is_zero),
        cmocka_unit_test(what_is_beyond_the_histogram_counts_as_its_end),
        cmocka_unit_test(an_update_is_known_again),
        cmocka_unit_test(other_texts_are_no_updates),
        cmocka_unit_test(frames_are_masked_and_carry_their_length),
        cmocka_unit_test(a_frame_is_read_once_it_is_whole),
        cmocka_unit_test(frames_that_no_server_here_sends_are_bad),
        cmocka_unit_test(an_answer_to_a_poll_is_read_once_it_is_whole),
        cmocka_unit_test(an_answer_to_a_poll_that_is_none_is_bad),
        cmocka_unit_test(a_session_is_known_by_its_opening),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
