/* JSON: what passes the scanner, cJSON reads; what is written, reads back the same; and reading
 * by fields never leaves its bounds. */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "common/codec.h"
#include "common/json.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_from((const char *)data, size);
    const char *why = NULL;
    enum err err = json_check(text, &why);
    cJSON *item = json_parse(text, &why);

    MUST((err == ERR_OK) == (item != NULL));
    MUST(err == ERR_OK || why);
    if (item) {
        MUST(codec_is_utf8(text));
        read_fields(item);
        write_and_read(item);
        cJSON_Delete(item);
    }
    return 0;
}
