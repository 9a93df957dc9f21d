/* JSON from outside and to outside: the reader by a table of fields, and the writers. */
#include "common/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_memory.h"

enum {
    NUMBER_ROOM = 32 /* for "%.17g" */
};

static const double INTEGER_MAX =
    9007199254740991.0; /* 2^53 - 1: beyond, doubles skip integers */

cJSON *json_parse(struct str text, const char **why)
{
    cJSON *item;

    if (json_check(text, why) != ERR_OK) {
        return NULL;
    }
    json_memory_setup();
    item = cJSON_ParseWithLength(text.at, text.len);
    if (!item) {
        *why = "cannot be read"; /* memory is out */
    }
    return item;
}

cJSON *json_parse_object(struct str text, char why[JSON_WHY_MAX])
{
    const char *reason;
    cJSON *item = json_parse(text, &reason);

    if (item == NULL) {
        snprintf(why, JSON_WHY_MAX, "%s", reason);
    } else if (!cJSON_IsObject(item)) {
        snprintf(why, JSON_WHY_MAX, "must be a JSON object");
        cJSON_Delete(item);
        item = NULL;
    }
    return item;
}

static bool is_integer(const cJSON *item)
{
    double number = item->valuedouble;

    return cJSON_IsNumber(item) && number >= -INTEGER_MAX && number <= INTEGER_MAX &&
           number == trunc(number);
}

static bool take_text(const cJSON *item, struct json_field *field)
{
    struct str text;

    if (!cJSON_IsString(item)) {
        return false;
    }
    text = str_of(item->valuestring);
    if (text.len < field->min || (field->max > 0 && text.len > field->max)) {
        return false;
    }
    field->text = text;
    return true;
}

/* Fills the results; false when the value is not what the field wants. */
static bool take(const cJSON *item, struct json_field *field)
{
    field->item = item;
    switch (field->kind) {
    case JSON_TEXT:
        return take_text(item, field);
    case JSON_NUMBER:
        field->number = item->valuedouble;
        return cJSON_IsNumber(item);
    case JSON_INTEGER:
        field->number = item->valuedouble;
        return is_integer(item);
    case JSON_BOOL:
        field->truth = cJSON_IsTrue(item);
        return cJSON_IsBool(item);
    case JSON_ID:
        return is_integer(item) || take_text(item, field);
    case JSON_OBJECT:
        return cJSON_IsObject(item);
    case JSON_ANY:
    default:
        return true;
    }
}

static const char *kind_text(enum json_kind kind)
{
    switch (kind) {
    case JSON_TEXT:
        return "a string";
    case JSON_NUMBER:
        return "a number";
    case JSON_INTEGER:
        return "an integer";
    case JSON_BOOL:
        return "a boolean";
    case JSON_ID:
        return "an integer or a string";
    case JSON_OBJECT:
    case JSON_ANY:
    default:
        return "an object";
    }
}

static enum err refuse(const struct json_field *field, char why[JSON_WHY_MAX])
{
    const char *kind = kind_text(field->kind);
    bool text = field->kind == JSON_TEXT || field->kind == JSON_ID;

    if (text && field->min > 0 && field->max > 0) {
        snprintf(why, JSON_WHY_MAX, "%s: must be %s of %zu to %zu bytes", field->name, kind,
                 field->min, field->max);
    } else if (text && field->max > 0) {
        snprintf(why, JSON_WHY_MAX, "%s: must be %s of at most %zu bytes", field->name, kind,
                 field->max);
    } else if (text && field->min > 0) {
        snprintf(why, JSON_WHY_MAX, "%s: must be %s of at least %zu bytes", field->name, kind,
                 field->min);
    } else {
        snprintf(why, JSON_WHY_MAX, "%s: must be %s", field->name, kind);
    }
    return ERR_INVALID;
}

static struct json_field *find(struct json_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

enum err json_read(const cJSON *object, struct json_field *fields, size_t count,
                   char why[JSON_WHY_MAX])
{
    why[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        fields[i].there = false;
        fields[i].text = (struct str){NULL, 0};
        fields[i].number = 0;
        fields[i].truth = false;
        fields[i].item = NULL;
    }
    if (!cJSON_IsObject(object)) {
        snprintf(why, JSON_WHY_MAX, "must be an object");
        return ERR_INVALID;
    }
    for (const cJSON *item = object->child; item; item = item->next) {
        struct json_field *field = find(fields, count, item->string);

        if (!field) {
            continue;
        }
        if (field->there) {
            snprintf(why, JSON_WHY_MAX, "%s: stands there twice", field->name);
            return ERR_INVALID;
        }
        field->there = true;
        if (!take(item, field)) {
            return refuse(field, why);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (fields[i].required && !fields[i].there) {
            snprintf(why, JSON_WHY_MAX, "%s: is missing", fields[i].name);
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

static void add_escape(struct buf *buf, unsigned char c)
{
    switch (c) {
    case '"':
        buf_add(buf, STR("\\\""));
        break;
    case '\\':
        buf_add(buf, STR("\\\\"));
        break;
    case '\n':
        buf_add(buf, STR("\\n"));
        break;
    case '\r':
        buf_add(buf, STR("\\r"));
        break;
    case '\t':
        buf_add(buf, STR("\\t"));
        break;
    default:
        buf_addf(buf, "\\u%04x", c);
        break;
    }
}

void json_add_text(struct buf *buf, struct str text)
{
    size_t from = 0; /* what stands before `i` from here on is copied as it is */

    buf_add_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (c < 0x20 || c == '"' || c == '\\') {
            buf_add(buf, str_from(text.at + from, i - from));
            add_escape(buf, c);
            from = i + 1;
        }
    }
    buf_add(buf, str_skip(text, from));
    buf_add_char(buf, '"');
}

void json_add_number(struct buf *buf, double number)
{
    char text[NUMBER_ROOM];

    assert(isfinite(number));
    /* Also turns -0 into 0. */
    if (number == trunc(number) && fabs(number) <= INTEGER_MAX + 1) {
        buf_add_i64(buf, (long long)number);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    buf_add_text(buf, text);
}

void json_add_id(struct buf *buf, const cJSON *item)
{
    assert(cJSON_IsNumber(item) || cJSON_IsString(item));
    if (cJSON_IsNumber(item)) {
        json_add_number(buf, item->valuedouble);
    } else {
        json_add_text(buf, str_of(item->valuestring));
    }
}

/* A value that is no array and no object. */
static void add_plain(struct buf *buf, const cJSON *item)
{
    if (cJSON_IsString(item) || cJSON_IsNumber(item)) {
        json_add_id(buf, item);
    } else {
        buf_add_text(buf, cJSON_IsNull(item) ? "null" : cJSON_IsTrue(item) ? "true" : "false");
    }
}

void json_add_item(struct buf *buf, const cJSON *item)
{
    const cJSON *open[JSON_DEPTH_MAX] = {NULL}; /* the arrays and objects around `item` */
    unsigned depth = 0;

    for (;;) {
        if (depth > 0 && cJSON_IsObject(open[depth - 1])) {
            json_add_text(buf, str_of(item->string));
            buf_add_char(buf, ':');
        }
        if ((cJSON_IsArray(item) || cJSON_IsObject(item)) && item->child) {
            assert(depth < JSON_DEPTH_MAX);
            buf_add_char(buf, cJSON_IsArray(item) ? '[' : '{');
            open[depth++] = item;
            item = item->child;
            continue;
        }
        if (cJSON_IsArray(item) || cJSON_IsObject(item)) {
            buf_add_text(buf, cJSON_IsArray(item) ? "[]" : "{}");
        } else {
            add_plain(buf, item);
        }
        while (depth > 0 && !item->next) {
            item = open[--depth];
            buf_add_char(buf, cJSON_IsArray(item) ? ']' : '}');
        }
        if (depth == 0) {
            return;
        }
        buf_add_char(buf, ',');
        item = item->next;
    }
}

void json_add_error(struct buf *buf, enum err err, const char *why)
{
    buf_add_text(buf, "{\"error\":");
    json_add_text(buf, str_of(err_word(err)));
    buf_add_text(buf, ",\"message\":");
    json_add_text(buf, str_of(why != NULL ? why : err_text(err)));
    buf_add_char(buf, '}');
}
