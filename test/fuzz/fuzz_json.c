/* JSON: what passes the scanner, cJSON reads; what is written, reads back the same; reading by
 * fields never leaves its bounds; and who goes through the text by tokens meets what cJSON
 * meets. */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "common/codec.h"
#include "common/json.h"
#include "common/json_text.h"

static void read_fields(const cJSON *item)
{
    struct json_field fields[] = {
        {.name = "data", .kind = JSON_OBJECT},
        {.name = "type_push_state", .kind = JSON_TEXT, .required = true, .max = 32},
        {.name = "track_id", .kind = JSON_ID, .min = 1, .max = 128},
        {.name = "from_is_id", .kind = JSON_ID},
        {.name = "last_sec_position", .kind = JSON_NUMBER},
        {.name = "count", .kind = JSON_INTEGER},
        {.name = "on_pause", .kind = JSON_BOOL},
        {.name = "t", .kind = JSON_ANY},
    };
    char why[JSON_WHY_MAX];
    enum err err = json_read(item, fields, sizeof(fields) / sizeof(fields[0]), why);

    MUST(strlen(why) < JSON_WHY_MAX);
    MUST((err == ERR_OK) == (why[0] == '\0'));
    if (err != ERR_OK) {
        return;
    }
    MUST(fields[1].there && fields[1].text.len <= 32);
    if (fields[2].there) {
        struct buf buf = {0};

        json_add_id(&buf, fields[2].item);
        MUST(buf.len > 0);
        buf_finish(&buf);
    }
}

/* The same values in the same order. Calls itself at most JSON_DEPTH_MAX deep. */
static bool same(const cJSON *a, const cJSON *b)
{
    const cJSON *in_a = a->child;
    const cJSON *in_b = b->child;

    if ((a->type & 0xff) != (b->type & 0xff) || a->valuedouble != b->valuedouble ||
        !str_equal(str_of(a->string), str_of(b->string)) ||
        !str_equal(str_of(a->valuestring), str_of(b->valuestring))) {
        return false;
    }
    while (in_a && in_b && same(in_a, in_b)) {
        in_a = in_a->next;
        in_b = in_b->next;
    }
    return !in_a && !in_b;
}

static void write_and_read(const cJSON *item)
{
    const char *why = NULL;
    struct buf buf = {0};
    cJSON *back;

    json_add_item(&buf, item);
    back = json_parse(buf_str(&buf), &why);
    MUST(back && same(item, back));
    cJSON_Delete(back);
    buf_finish(&buf);
}

/* The text of a value, and a name in front of it or none, are what cJSON has read. Calls itself
 * at most JSON_DEPTH_MAX deep. */
static void walk(struct str text, const struct str *name, const cJSON *item)
{
    struct buf plain = {0};
    struct str rest = json_inside(text);
    struct str inner_name, value;

    if (name) {
        json_unescape(*name, &plain);
        MUST(str_equal(buf_str(&plain), str_of(item->string)));
        MUST(json_string_is(*name, str_of(item->string)));
        buf_clear(&plain);
    }
    if (cJSON_IsString(item)) {
        json_unescape(text, &plain);
        MUST(str_equal(buf_str(&plain), str_of(item->valuestring)));
    }
    buf_finish(&plain);
    MUST((rest.at != NULL) == (cJSON_IsArray(item) || cJSON_IsObject(item)));
    for (item = item->child; item; item = item->next) {
        if (item->string) {
            MUST(json_next_member(&rest, &inner_name, &value));
            walk(value, &inner_name, item);
        } else {
            MUST(json_next_item(&rest, &value));
            walk(value, NULL, item);
        }
    }
    MUST(rest.len == 0);
}

static void copy_and_read(struct str text, const cJSON *item)
{
    const char *why = NULL;
    struct buf compact = {0};
    struct buf twice = {0};
    cJSON *back;

    json_add_compact(&compact, text);
    json_add_compact(&twice, buf_str(&compact));
    MUST(str_equal(buf_str(&compact), buf_str(&twice)));
    back = json_parse(buf_str(&compact), &why);
    MUST(back && same(item, back));
    cJSON_Delete(back);
    buf_finish(&twice);
    buf_finish(&compact);
}

/* Unchecked text as well is only read within its bounds. */
static void go_through(struct str text)
{
    struct buf buf = {0};
    struct str rest = text;
    struct str name, value;

    while (json_next_token(&rest, &value)) {
        MUST(value.at + value.len == rest.at || rest.len == 0);
        json_string_is(value, STR("num"));
    }
    for (rest = text; json_next_item(&rest, &value);) {
        json_unescape(value, &buf);
    }
    rest = text;
    while (json_next_member(&rest, &name, &value)) {
        json_add_compact(&buf, value);
    }
    json_member(text, STR("name"));
    MUST(buf.len <= 2 * text.len);
    buf_finish(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_from((const char *)data, size);
    const char *why = NULL;
    enum err err = json_check(text, &why);
    cJSON *item = json_parse(text, &why);

    MUST((err == ERR_OK) == (item != NULL));
    MUST(err == ERR_OK || why);
    go_through(text);
    if (item) {
        MUST(codec_is_utf8(text));
        read_fields(item);
        write_and_read(item);
        walk(json_trim(text), NULL, item);
        copy_and_read(text, item);
        cJSON_Delete(item);
    }
    return 0;
}
