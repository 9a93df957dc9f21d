/* Socket.IO packets: every form that clients send, every one that closes their connection, and
 * what is written. */
#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "gateway/proto/sio_packet.h"

/* The packet in one line: type, attachments, space, id (- = none), name, args. */
static void tell(const struct sio_packet *packet, struct buf *line)
{
    buf_clear(line);
    buf_addf(line, "%u %u %.*s ", packet->type, packet->attachments, STR_ARG(packet->space));
    if (packet->has_id) {
        buf_add_u64(line, packet->id);
    } else {
        buf_add_char(line, '-');
    }
    buf_addf(line, " %.*s(", STR_ARG(packet->name));
    buf_add(line, packet->args);
    buf_add_char(line, ')');
}

static void assert_good(struct str text, const char *expected)
{
    struct buf scratch = {0};
    struct buf line = {0};
    struct sio_packet packet;
    const char *why = NULL;

    if (sio_packet_parse(text, &scratch, &packet, &why) != ERR_OK) {
        fail_msg("%.*s: %s", STR_ARG(text), why);
    }
    assert_null(why);
    tell(&packet, &line);
    assert_str(buf_str(&line), expected);
    buf_finish(&line);
    buf_finish(&scratch);
}

static void assert_bad(struct str text, const char *expected)
{
    struct buf scratch = {0};
    struct sio_packet packet;
    const char *why = NULL;

    if (sio_packet_parse(text, &scratch, &packet, &why) != ERR_INVALID) {
        fail_msg("%.*s: accepted", STR_ARG(text));
    }
    assert_non_null(why);
    assert_string_equal(why, expected);
    buf_finish(&scratch);
}

struct row {
    const char *text;
    const char *expected;
};

#define EACH(rows, assertion)                                                                  \
    for (size_t each = 0; each < sizeof(rows) / sizeof((rows)[0]); each++) {                   \
        assertion(str_of((rows)[each].text), (rows)[each].expected);                           \
    }

static void the_comma_behind_a_namespace_may_be_missing(void **state)
{
    static const struct row rows[] = {
        {"0", "0 0 / - ()"},
        {"0/", "0 0 / - ()"},
        {"0/,", "0 0 / - ()"},
        {"0/custom", "0 0 /custom - ()"},
        {"0/custom,", "0 0 /custom - ()"},
        {"0/a/b,", "0 0 /a/b - ()"},
        {"1", "1 0 / - ()"},
        {"1/custom", "1 0 /custom - ()"},
        {"1/custom,", "1 0 /custom - ()"},
        {"0/\xc3\xa9,", "0 0 /\xc3\xa9 - ()"},
        /* As with the official parser: without a comma all of it is the name. */
        {"0/custom{}", "0 0 /custom{} - ()"},
    };

    (void)state;
    EACH(rows, assert_good)
}

static void a_query_behind_a_namespace_is_cut_off(void **state)
{
    static const struct row rows[] = {
        {"0/custom?token=abc,", "0 0 /custom - ()"},
        {"0/custom?a=b", "0 0 /custom - ()"},
        {"0/?a=b,{}", "0 0 / - ()"},
        {"2/custom?a=/b?c,7[\"x\"]", "2 0 /custom 7 x()"},
    };

    (void)state;
    EACH(rows, assert_good)
}

static void the_payload_of_a_connect_is_an_object(void **state)
{
    static const struct row good[] = {
        {"0{}", "0 0 / - ()"},
        {"0{\"token\":\"x\"}", "0 0 / - ()"},
        {"0/custom,{\"a\":[1,{}]}", "0 0 /custom - ()"},
    };
    static const struct row bad[] = {
        {"0[]", "data must be an object"},         {"0\"abc\"", "data must be an object"},
        {"0null", "data must be an object"},       {"0true", "data must be an object"},
        {"0/custom,[]", "data must be an object"}, {"0{", "unexpected end"},
        {"0{}x", "something follows the value"},   {"0{}{}", "something follows the value"},
        {"0123", "id where none belongs"},         {"0-1", "data must be an object"},
        {"0/custom,1{}", "id where none belongs"}, {"0 ", "unexpected end"},
        {"0abc", "unexpected character"},
    };
    struct buf scratch = {0};
    struct sio_packet packet;
    const char *why;

    (void)state;
    EACH(good, assert_good)
    EACH(bad, assert_bad)
    assert_int_equal(
        sio_packet_parse(STR("0/custom, {\"token\": 1} "), &scratch, &packet, &why), ERR_OK);
    assert_str(packet.data, "{\"token\": 1}");
    assert_null(scratch.at);
}

static void a_disconnect_has_nothing_behind_its_namespace(void **state)
{
    static const struct row bad[] = {
        {"1{}", "data where none belongs"},         {"1\"\"", "data where none belongs"},
        {"1/custom,[]", "data where none belongs"}, {"11", "id where none belongs"},
        {"1 ", "data where none belongs"},
    };

    (void)state;
    EACH(bad, assert_bad)
}

static void an_event_has_a_name_and_arguments(void **state)
{
    static const struct row rows[] = {
        {"2[\"message\"]", "2 0 / - message()"},
        {"2[\"message\",1,\"2\",{\"3\":[true]}]", "2 0 / - message(1,\"2\",{\"3\":[true]})"},
        {"2/custom,[\"a\",null]", "2 0 /custom - a(null)"},
        {"27[\"a\"]", "2 0 / 7 a()"},
        {"2/custom,0[\"a\"]", "2 0 /custom 0 a()"},
        {"2007[\"a\"]", "2 0 / 7 a()"},
        {"29007199254740991[\"a\"]", "2 0 / 9007199254740991 a()"},
        {"2/,[\"a\"]", "2 0 / - a()"},
        {"2 [ \"a\" , 1 , [ ] ] ", "2 0 / - a(1 , [ ])"},
        {"2[\"\\u0061\\n\\ud83d\\ude00\",1]", "2 0 / - a\n\xf0\x9f\x98\x80(1)"},
        {"2[\"\xc3\xa9\"]", "2 0 / - \xc3\xa9()"},
        {"2[\"/\"]", "2 0 / - /()"},
        {"2[\"Connect\"]", "2 0 / - Connect()"},
        {"2[\"connect \"]", "2 0 / - connect ()"},
    };

    (void)state;
    EACH(rows, assert_good)
}

static void a_number_is_a_name_as_well(void **state)
{
    static const struct row rows[] = {
        {"2[1]", "2 0 / - 1()"},
        {"2[-1.5e3,2]", "2 0 / - -1.5e3(2)"},
        {"20[0]", "2 0 / 0 0()"},
    };

    (void)state;
    EACH(rows, assert_good)
}

static void an_event_is_an_array_that_is_not_empty(void **state)
{
    static const struct row rows[] = {
        {"2", "data expected"},
        {"2{}", "data must be an array"},
        {"2abc[\"a\"]", "unexpected character"},
        {"2[]", "event name expected"},
        {"2[ ]", "event name expected"},
        {"2\"a\"", "data must be an array"},
        {"2null", "data must be an array"},
        {"2[null]", "event name must be a string or a number"},
        {"2[true]", "event name must be a string or a number"},
        {"2[[\"a\"]]", "event name must be a string or a number"},
        {"2[{}]", "event name must be a string or a number"},
        {"2[\"a\"]x", "something follows the value"},
        {"2[\"a\"][\"a\"]", "something follows the value"},
        {"2[\"a\",]", "unexpected character"},
        {"2[\"a\"", "unexpected end"},
        {"2/custom", "data expected"},
        {"2/custom,", "data expected"},
        {"2/custom,7", "data expected"},
        {"2custom,[\"a\"]", "unexpected character"},
        {"2,[\"a\"]", "unexpected character"},
        {"21-[\"a\"]", "bad number"},
    };

    (void)state;
    EACH(rows, assert_bad)
}

static void reserved_names_are_refused_however_they_are_spelt(void **state)
{
    static const char *const names[] = {"connect",       "connect_error", "disconnect",
                                        "disconnecting", "newListener",   "removeListener"};
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_true(sio_is_reserved(str_of(names[i])));
        snprintf(text, sizeof(text), "2[\"%s\"]", names[i]);
        assert_bad(str_of(text), "reserved event name");
        snprintf(text, sizeof(text), "2/custom,1[ \"%s\", 1]", names[i]);
        assert_bad(str_of(text), "reserved event name");
        snprintf(text, sizeof(text), "2[\"\\u%04x%s\"]", names[i][0], names[i] + 1);
        assert_bad(str_of(text), "reserved event name");
        assert_false(sio_is_reserved(str_of(names[i] + 1)));
    }
    assert_false(sio_is_reserved(STR("")));
    assert_false(sio_is_reserved(STR("message")));
}

static void a_name_may_be_long_and_is_unescaped(void **state)
{
    struct buf text = {0};
    struct buf scratch = {0};
    struct sio_packet packet;
    const char *why;

    (void)state;
    buf_add_text(&text, "2[\"");
    for (int i = 0; i < 1000; i++) {
        buf_add_text(&text, "\\u0061");
    }
    buf_add_text(&text, "\"]");
    assert_int_equal(sio_packet_parse(buf_str(&text), &scratch, &packet, &why), ERR_OK);
    assert_int_equal(packet.name.len, 1000);
    assert_int_equal(packet.name.at[999], 'a');
    buf_finish(&scratch);
    buf_finish(&text);
}

static void an_ack_has_an_id_and_an_array(void **state)
{
    static const struct row good[] = {
        {"31[]", "3 0 / 1 ()"},
        {"31[ ]", "3 0 / 1 ()"},
        {"3/custom,12[1,\"a\"]", "3 0 /custom 12 (1,\"a\")"},
        {"30[\"connect\"]", "3 0 / 0 (\"connect\")"},
    };
    static const struct row bad[] = {
        {"3", "id expected"},
        {"3[]", "id expected"},
        {"3/custom,[]", "id expected"},
        {"31", "data expected"},
        {"31{}", "data must be an array"},
        {"31[", "unexpected end"},
        {"3-1[]", "id expected"},
        {"39007199254740992[]", "id out of range"},
        {"399999999999999999999999[]", "id out of range"},
        {"61-[{\"_placeholder\":true,\"num\":0}]", "id expected"},
    };

    (void)state;
    EACH(good, assert_good)
    EACH(bad, assert_bad)
}

static void other_types_are_refused(void **state)
{
    static const struct row rows[] = {
        {"", "unknown packet type"},          {"4", "unknown packet type"},
        {"4{}", "unknown packet type"},       {"4{\"message\":\"x\"}", "unknown packet type"},
        {"7", "unknown packet type"},         {"7[\"a\"]", "unknown packet type"},
        {"9", "unknown packet type"},         {"abc", "unknown packet type"},
        {"/", "unknown packet type"},         {":", "unknown packet type"},
        {" 2[\"a\"]", "unknown packet type"}, {"\xff", "unknown packet type"},
        {"[\"a\"]", "unknown packet type"},
    };

    (void)state;
    EACH(rows, assert_bad)
    assert_bad(str_from(NULL, 0), "unknown packet type");
    assert_bad(STR("\0"), "unknown packet type");
}

static void namespaces_are_short_and_clean(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_add_text(&text, "0/");
    while (text.len < 1 + SIO_SPACE_MAX) {
        buf_add_char(&text, 's');
    }
    buf_add_char(&text, ',');
    {
        struct buf scratch = {0};
        struct sio_packet packet;
        const char *why;

        assert_int_equal(sio_packet_parse(buf_str(&text), &scratch, &packet, &why), ERR_OK);
        assert_int_equal(packet.space.len, SIO_SPACE_MAX);
    }
    text.at[text.len - 1] = 's';
    assert_bad(buf_str(&text), "namespace too long");
    /* A 0x1e would cut the answer in two. */
    assert_bad(STR("0/a\x1e"
                   "b,"),
               "bad namespace");
    assert_bad(STR("0/a\0b,"), "bad namespace");
    assert_bad(STR("0/a\nb"), "bad namespace");
    assert_bad(STR("0/\x7f"), "bad namespace");
    assert_bad(STR("0/\xff,"), "bad namespace");
    assert_bad(STR("2/\xc3,[\"a\"]"), "bad namespace");
    buf_finish(&text);
}

#define P(num) "{\"_placeholder\":true,\"num\":" num "}"

static void attachments_have_their_places(void **state)
{
    static const struct row rows[] = {
        {"51-[\"a\"," P("0") "]", "5 1 / - a(" P("0") ")"},
        {"52-/custom,7[\"a\"," P("1") "," P("0") "]", "5 2 /custom 7 a(" P("1") "," P("0") ")"},
        {"51-[\"a\"," P("0") "," P("0") "]", "5 1 / - a(" P("0") "," P("0") ")"},
        {"51-[\"a\",[{\"b\":[{\"c\":" P("0") "}]}]]",
         "5 1 / - a([{\"b\":[{\"c\":" P("0") "}]}])"},
        {"51-[\"a\",{ \"num\" : 0 , \"_placeholder\" : true }]",
         "5 1 / - a({ \"num\" : 0 , \"_placeholder\" : true })"},
        {"51-[\"a\",{\"x\":1,\"_placeholder\":true,\"num\":0,\"y\":[]}]",
         "5 1 / - a({\"x\":1,\"_placeholder\":true,\"num\":0,\"y\":[]})"},
        {"51-[\"a\",{\"\\u005fplaceholder\":true,\"n\\u0075m\":0}]",
         "5 1 / - a({\"\\u005fplaceholder\":true,\"n\\u0075m\":0})"},
        {"61-3[" P("0") "]", "6 1 / 3 (" P("0") ")"},
        {"501-[\"a\"," P("0") "]", "5 1 / - a(" P("0") ")"},
        /* No placeholders: the value is not true, or it is a text, or the name of something. */
        {"51-[\"a\",{\"_placeholder\":false,\"num\":9}," P("0") "]",
         "5 1 / - a({\"_placeholder\":false,\"num\":9}," P("0") ")"},
        {"51-[\"_placeholder\",true,{\"num\":4},{\"a\":\"_placeholder\"}," P("0") "]",
         "5 1 / - _placeholder(true,{\"num\":4},{\"a\":\"_placeholder\"}," P("0") ")"},
        {"51-[\"a\",{\"_placeholder\":\"true\"},{\"_placeholder\":[true]}," P("0") "]",
         "5 1 / - a({\"_placeholder\":\"true\"},{\"_placeholder\":[true]}," P("0") ")"},
        {"51-[\"a\",{\"_placeholder\":1},{\"_placeholder\":{\"b\":true}}," P("0") "]",
         "5 1 / - a({\"_placeholder\":1},{\"_placeholder\":{\"b\":true}}," P("0") ")"},
    };

    (void)state;
    EACH(rows, assert_good)
}

static void a_placeholder_without_attachment_is_bad_and_the_other_way_round(void **state)
{
    static const char *const rows[] = {
        "51-[\"a\"]",
        "51-[\"a\"," P("1") "]",
        "51-[\"a\"," P("0") "," P("1") "]",
        "52-[\"a\"," P("0") "]",
        "52-[\"a\"," P("0") "," P("0") "]",
        "52-[\"a\"," P("0") "," P("2") "]",
        "51-[\"a\"," P("-1") "]",
        "51-[\"a\"," P("-0") "]",
        "51-[\"a\"," P("0.0") "]",
        "51-[\"a\"," P("0.5") "]",
        "51-[\"a\"," P("0e0") "]",
        "51-[\"a\"," P("1e400000000") "]",
        "51-[\"a\"," P("\"0\"") "]",
        "51-[\"a\"," P("null") "]",
        "51-[\"a\"," P("[0]") "]",
        "51-[\"a\"," P("{}") "]",
        "51-[\"a\"," P("18446744073709551616") "]",
        "51-[\"a\"," P("64") "]",
        "51-[\"a\",{\"_placeholder\":true}]",
        "51-[\"a\",{\"_placeholder\":true,\"Num\":0}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":0,\"num\":0}]",
        "51-[\"a\",{\"_placeholder\":true,\"num\":0,\"n\\u0075m\":1}]",
        "51-[\"a\",{\"num\":0,\"b\":{\"_placeholder\":true}}]",
        "51-[\"a\",{\"_placeholder\":true,\"b\":{\"num\":0}}]",
        "51-[\"a\",{\"_placeholder\":true,\"b\":[\"num\",0]}]",
        "61-1[]",
        "61-1[" P("1") "]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_bad(str_of(rows[i]), "bad placeholder");
    }
}

static void in_a_packet_without_attachments_a_placeholder_is_plain_data(void **state)
{
    static const struct row rows[] = {
        {"2[\"a\"," P("5") "]", "2 0 / - a(" P("5") ")"},
        {"31[" P("\"x\"") "]", "3 0 / 1 (" P("\"x\"") ")"},
    };

    (void)state;
    EACH(rows, assert_good)
}

static void the_number_of_attachments_is_bounded(void **state)
{
    static const struct row rows[] = {
        {"50-[\"a\"]", "binary packet without attachments"},
        {"500-[\"a\"," P("0") "]", "binary packet without attachments"},
        {"60-1[]", "binary packet without attachments"},
        {"565-[\"a\"]", "too many attachments"},
        {"51000[\"a\"]", "number of attachments expected"},
        {"51000000-[\"a\"]", "too many attachments"},
        {"599999999999999999999999-[\"a\"]", "too many attachments"},
        {"5-[\"a\"]", "number of attachments expected"},
        {"5", "number of attachments expected"},
        {"51", "number of attachments expected"},
        {"5[\"a\"]", "number of attachments expected"},
        {"5-1-[\"a\"]", "number of attachments expected"},
        {"51.0-[\"a\"]", "number of attachments expected"},
        {"5+1-[\"a\"]", "number of attachments expected"},
        {"5/custom,1-[\"a\"]", "number of attachments expected"},
        {"51-", "data expected"},
        {"51-/custom,", "data expected"},
    };
    struct buf text = {0};
    struct buf scratch = {0};
    struct sio_packet packet;
    const char *why;

    (void)state;
    EACH(rows, assert_bad)
    buf_add_text(&text, "564-[\"a\"");
    for (unsigned i = 0; i < SIO_ATTACHMENTS_MAX; i++) {
        buf_addf(&text, "," P("%u"), i);
    }
    buf_add_char(&text, ']');
    assert_int_equal(sio_packet_parse(buf_str(&text), &scratch, &packet, &why), ERR_OK);
    assert_int_equal(packet.attachments, 64);
    buf_finish(&scratch);
    buf_finish(&text);
}

static void nests_are_as_deep_as_json_may_be(void **state)
{
    struct buf text = {0};

    (void)state;
    for (int depth = 30; depth <= 31; depth++) {
        buf_clear(&text);
        buf_add_text(&text, "51-[\"a\",");
        for (int i = 0; i < depth; i++) {
            buf_add_char(&text, '[');
        }
        buf_add_text(&text, P("0"));
        for (int i = 0; i < depth; i++) {
            buf_add_char(&text, ']');
        }
        buf_add_char(&text, ']');
        if (depth == 31) {
            assert_bad(buf_str(&text), "nested too deeply");
        } else {
            struct buf scratch = {0};
            struct sio_packet packet;
            const char *why;

            assert_int_equal(sio_packet_parse(buf_str(&text), &scratch, &packet, &why), ERR_OK);
        }
    }
    buf_finish(&text);
}

/* In memory of exactly that size: valgrind and AddressSanitizer see a byte read beyond it. */
static void a_packet_that_was_cut_is_bad(void **state)
{
    static const struct {
        const char *text;
        size_t good; /* the lengths up to this, but for 0, are packets, too */
    } rows[] = {
        {"2/custom,7[\"a\\u0062\",{}]", 0},
        {"51-[\"a\"," P("0") "]", 0},
        {"31[{\"a\":\"\\ud83d\\ude00\"}]", 0},
        {"0/c,{\"a\":1}", 4},
    };
    struct buf scratch = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t whole = strlen(rows[i].text);

        for (size_t len = 0; len <= whole; len++) {
            char *exact = mem_alloc(len);
            struct sio_packet packet;
            const char *why;
            bool good;

            memcpy(exact, rows[i].text, len);
            good = sio_packet_parse(str_from(exact, len), &scratch, &packet, &why) == ERR_OK;
            assert_int_equal(good, len == whole || (len > 0 && len <= rows[i].good));
            mem_free(exact);
        }
    }
    buf_finish(&scratch);
}

static void heads_are_written_as_the_official_server_does(void **state)
{
    static const struct {
        enum sio_type type;
        unsigned attachments;
        const char *space;
        bool has_id;
        uint64_t id;
        const char *expected;
    } rows[] = {
        {SIO_CONNECT, 0, "/", false, 0, "0"},
        {SIO_CONNECT, 0, "/custom", false, 0, "0/custom,"},
        {SIO_DISCONNECT, 0, "/", false, 0, "1"},
        {SIO_DISCONNECT, 0, "/custom", false, 0, "1/custom,"},
        {SIO_EVENT, 0, "/", false, 7, "2"},
        {SIO_EVENT, 0, "/", true, 0, "20"},
        {SIO_EVENT, 0, "/custom", true, 7, "2/custom,7"},
        {SIO_ACK, 0, "/", true, 9007199254740991, "39007199254740991"},
        {SIO_CONNECT_ERROR, 0, "/none", false, 0, "4/none,"},
        {SIO_BINARY_EVENT, 1, "/", false, 0, "51-"},
        {SIO_BINARY_EVENT, 12, "/custom", true, 3, "512-/custom,3"},
        {SIO_BINARY_ACK, 2, "/", true, 4, "62-4"},
    };
    struct buf head = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_clear(&head);
        sio_add_head(&head, rows[i].type, rows[i].attachments, str_of(rows[i].space),
                     rows[i].has_id, rows[i].id);
        assert_str(buf_str(&head), rows[i].expected);
    }
    buf_finish(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_comma_behind_a_namespace_may_be_missing),
        cmocka_unit_test(a_query_behind_a_namespace_is_cut_off),
        cmocka_unit_test(the_payload_of_a_connect_is_an_object),
        cmocka_unit_test(a_disconnect_has_nothing_behind_its_namespace),
        cmocka_unit_test(an_event_has_a_name_and_arguments),
        cmocka_unit_test(a_number_is_a_name_as_well),
        cmocka_unit_test(an_event_is_an_array_that_is_not_empty),
        cmocka_unit_test(reserved_names_are_refused_however_they_are_spelt),
        cmocka_unit_test(a_name_may_be_long_and_is_unescaped),
        cmocka_unit_test(an_ack_has_an_id_and_an_array),
        cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(namespaces_are_short_and_clean),
        cmocka_unit_test(attachments_have_their_places),
        cmocka_unit_test(a_placeholder_without_attachment_is_bad_and_the_other_way_round),
        cmocka_unit_test(in_a_packet_without_attachments_a_placeholder_is_plain_data),
        cmocka_unit_test(the_number_of_attachments_is_bounded),
        cmocka_unit_test(nests_are_as_deep_as_json_may_be),
        cmocka_unit_test(a_packet_that_was_cut_is_bad),
        cmocka_unit_test(heads_are_written_as_the_official_server_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
