/* JSON from outside and to outside: the strict scanner, the reader by a table of fields, the writers.
 *
 * The scanner is a loop with its own stack of one bit per level, so that depth costs an outsider's text nothing of ours. What
 * it lets pass cJSON reads without surprise: no value of it is ever seen without having been scanned. */
#include "common/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"

enum {
    /* cJSON 1.7.15 reads a number through a buffer of 64 bytes and stumbles over what is longer. */
    NUMBER_TEXT_MAX = 63,
    NUMBER_ROOM = 32 /* for "%.17g" */
};

static const double INTEGER_MAX = 9007199254740991.0; /* 2^53 - 1: beyond, doubles skip integers */

/* What may come next. */
enum want { WANT_VALUE, WANT_NAME, WANT_FIRST_VALUE, WANT_FIRST_NAME, WANT_COMMA_OR_END };

struct scan {
    const char *at;
    const char *end;
    const char *why; /* the complaint that ended the scan; NULL = none */
    size_t values;
    unsigned depth;
    enum want want;
    bool in_object[JSON_DEPTH_MAX];
};

static bool complain(struct scan *scan, const char *why)
{
    scan->why = why;
    return false;
}

/* The next byte; 0, which is nowhere allowed, at the end. */
static char peek(const struct scan *scan)
{
    return scan->at < scan->end ? *scan->at : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_blanks(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r')) {
        scan->at++;
    }
}

/* Four hexadecimal digits at `at`; -1 when they are not there. */
static int hex4(const char *at, const char *end)
{
    int value = 0;

    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = at[i];

        if (is_digit(c)) {
            value = value << 4 | (c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            value = value << 4 | ((c | 0x20) - 'a' + 10);
        } else {
            return -1;
        }
    }
    return value;
}

/* Stands behind \u. */
static bool scan_unicode(struct scan *scan)
{
    int unit = hex4(scan->at, scan->end);

    if (unit < 0) {
        return complain(scan, "bad escape in a string");
    }
    if (unit == 0) {
        return complain(scan, "NUL in a string");
    }
    scan->at += 4;
    if (unit < 0xd800 || unit > 0xdfff) {
        return true;
    }
    if (unit < 0xdc00 && scan->end - scan->at >= 6 && scan->at[0] == '\\' && scan->at[1] == 'u') {
        int second = hex4(scan->at + 2, scan->end);

        if (second >= 0xdc00 && second <= 0xdfff) {
            scan->at += 6;
            return true;
        }
    }
    return complain(scan, "lone surrogate in a string");
}

/* Stands behind the backslash. */
static bool scan_escape(struct scan *scan)
{
    switch (peek(scan)) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        scan->at++;
        return true;
    case 'u':
        scan->at++;
        return scan_unicode(scan);
    default:
        return complain(scan, "bad escape in a string");
    }
}

static bool scan_string(struct scan *scan)
{
    const char *start = ++scan->at;
    bool ascii = true;

    while (scan->at < scan->end) {
        unsigned char c = (unsigned char)*scan->at++;

        if (c == '"') {
            size_t len = (size_t)(scan->at - 1 - start);

            /* A sequence cannot hide in an escape: those are ASCII. */
            if (!ascii && !codec_is_utf8(str_from(start, len))) {
                return complain(scan, "invalid UTF-8");
            }
            return true;
        }
        if (c < 0x20) {
            return complain(scan, "control character in a string");
        }
        if (c == '\\' && !scan_escape(scan)) {
            return false;
        }
        ascii = ascii && c < 0x80;
    }
    return complain(scan, "unfinished string");
}

/* One digit at least. */
static bool scan_digits(struct scan *scan)
{
    const char *start = scan->at;

    while (is_digit(peek(scan))) {
        scan->at++;
    }
    return scan->at > start || complain(scan, "bad number");
}

static bool is_finite_text(struct str text)
{
    char copy[NUMBER_TEXT_MAX + 1];

    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    return isfinite(strtod(copy, NULL));
}

static bool scan_number(struct scan *scan)
{
    const char *start = scan->at;
    bool exponent = false;
    struct str text;

    if (peek(scan) == '-') {
        scan->at++;
    }
    if (peek(scan) == '0') {
        scan->at++; /* no further digit may follow: the caller meets it as a foreign character */
    } else if (!scan_digits(scan)) {
        return false;
    }
    if (peek(scan) == '.') {
        scan->at++;
        if (!scan_digits(scan)) {
            return false;
        }
    }
    if (peek(scan) == 'e' || peek(scan) == 'E') {
        exponent = true;
        scan->at++;
        if (peek(scan) == '+' || peek(scan) == '-') {
            scan->at++;
        }
        if (!scan_digits(scan)) {
            return false;
        }
    }
    text = str_from(start, (size_t)(scan->at - start));
    if (text.len > NUMBER_TEXT_MAX) {
        return complain(scan, "number too long");
    }
    /* Without an exponent so short a number cannot leave the range. */
    return !exponent || is_finite_text(text) || complain(scan, "number out of range");
}

static bool scan_word(struct scan *scan, struct str word)
{
    if (!str_starts(str_from(scan->at, (size_t)(scan->end - scan->at)), word)) {
        return complain(scan, "unexpected character");
    }
    scan->at += word.len;
    return true;
}

static bool enter(struct scan *scan, bool object)
{
    if (scan->depth >= JSON_DEPTH_MAX) {
        return complain(scan, "nested too deeply");
    }
    scan->in_object[scan->depth++] = object;
    scan->at++;
    scan->want = object ? WANT_FIRST_NAME : WANT_FIRST_VALUE;
    return true;
}

static bool leave(struct scan *scan)
{
    scan->depth--;
    scan->at++;
    scan->want = WANT_COMMA_OR_END;
    return true;
}

static bool scan_value(struct scan *scan)
{
    char c = peek(scan);

    if (scan->want == WANT_FIRST_VALUE && c == ']') {
        return leave(scan);
    }
    if (++scan->values > JSON_VALUES_MAX) {
        return complain(scan, "too many values");
    }
    scan->want = WANT_COMMA_OR_END;
    switch (c) {
    case '{':
        return enter(scan, true);
    case '[':
        return enter(scan, false);
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, STR("true"));
    case 'f':
        return scan_word(scan, STR("false"));
    case 'n':
        return scan_word(scan, STR("null"));
    default:
        if (c == '-' || is_digit(c)) {
            return scan_number(scan);
        }
        return complain(scan, scan->at < scan->end ? "unexpected character" : "unexpected end");
    }
}

static bool scan_name(struct scan *scan)
{
    if (scan->want == WANT_FIRST_NAME && peek(scan) == '}') {
        return leave(scan);
    }
    if (peek(scan) != '"') {
        return complain(scan, scan->at < scan->end ? "name expected" : "unexpected end");
    }
    if (!scan_string(scan)) {
        return false;
    }
    skip_blanks(scan);
    if (peek(scan) != ':') {
        return complain(scan, scan->at < scan->end ? "':' expected" : "unexpected end");
    }
    scan->at++;
    scan->want = WANT_VALUE;
    return true;
}

static bool scan_comma_or_end(struct scan *scan)
{
    bool object = scan->in_object[scan->depth - 1];

    if (peek(scan) == ',') {
        scan->at++;
        scan->want = object ? WANT_NAME : WANT_VALUE;
        return true;
    }
    if (peek(scan) == (object ? '}' : ']')) {
        return leave(scan);
    }
    return complain(scan, scan->at < scan->end ? "unexpected character" : "unexpected end");
}

static bool scan_step(struct scan *scan)
{
    switch (scan->want) {
    case WANT_NAME:
    case WANT_FIRST_NAME:
        return scan_name(scan);
    case WANT_COMMA_OR_END:
        return scan_comma_or_end(scan);
    case WANT_VALUE:
    case WANT_FIRST_VALUE:
    default:
        return scan_value(scan);
    }
}

enum err json_check(struct str text, const char **why)
{
    struct scan scan;

    if (text.len == 0) {
        *why = "unexpected end";
        return ERR_INVALID;
    }
    scan.at = text.at;
    scan.end = text.at + text.len;
    scan.why = NULL;
    scan.values = 0;
    scan.depth = 0;
    scan.want = WANT_VALUE;
    do {
        skip_blanks(&scan);
        if (!scan_step(&scan)) {
            *why = scan.why;
            return ERR_INVALID;
        }
    } while (scan.want != WANT_COMMA_OR_END || scan.depth > 0);
    skip_blanks(&scan);
    if (scan.at < scan.end) {
        *why = "something follows the value";
        return ERR_INVALID;
    }
    return ERR_OK;
}

cJSON *json_parse(struct str text, const char **why)
{
    cJSON *item;

    if (json_check(text, why) != ERR_OK) {
        return NULL;
    }
    item = cJSON_ParseWithLength(text.at, text.len);
    if (!item) {
        *why = "cannot be read"; /* memory is out */
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
    const cJSON *open[JSON_DEPTH_MAX]; /* the arrays and objects around `item` */
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
