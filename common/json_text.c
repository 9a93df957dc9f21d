/* JSON text that json_check has passed, read and copied as it stands.
 *
 * All of it goes by tokens: a value is over when its brackets are even, so that depth needs no
 * stack. */
#include "common/json_text.h"

#include <stdint.h>
#include <string.h>

enum {
    UTF8_MAX = 4 /* bytes of one character */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Brackets, colon and comma: tokens of one byte. */
static bool is_mark(char c)
{
    return c == '[' || c == ']' || c == '{' || c == '}' || c == ':' || c == ',';
}

struct str json_trim(struct str text)
{
    while (text.len > 0 && is_blank(text.at[0])) {
        text = str_skip(text, 1);
    }
    while (text.len > 0 && is_blank(text.at[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* The length of the string that `text` begins with. */
static size_t string_length(struct str text)
{
    size_t at = 1;

    while (at < text.len && text.at[at] != '"') {
        at += text.at[at] == '\\' ? 2 : 1;
    }
    return at < text.len ? at + 1 : text.len;
}

/* The length of the number or word that `text` begins with. */
static size_t word_length(struct str text)
{
    size_t at = 1;

    while (at < text.len && !is_blank(text.at[at]) && !is_mark(text.at[at]) &&
           text.at[at] != '"') {
        at++;
    }
    return at;
}

bool json_next_token(struct str *rest, struct str *token)
{
    struct str text = *rest;

    while (text.len > 0 && is_blank(text.at[0])) {
        text = str_skip(text, 1);
    }
    *token = text;
    if (text.len > 0) {
        token->len = is_mark(text.at[0]) ? 1
                     : text.at[0] == '"' ? string_length(text)
                                         : word_length(text);
    }
    *rest = str_skip(text, token->len);
    return token->len > 0;
}

struct str json_inside(struct str text)
{
    text = json_trim(text);
    if (text.len < 2 || (text.at[0] != '[' && text.at[0] != '{')) {
        return str_from(NULL, 0);
    }
    return json_trim(str_from(text.at + 1, text.len - 2));
}

/* Takes a whole value, whatever it is. */
static bool take_value(struct str *rest, struct str *value)
{
    size_t depth = 0;
    struct str token;

    if (!json_next_token(rest, value)) {
        return false;
    }
    for (token = *value;; value->len = (size_t)(token.at + token.len - value->at)) {
        if (token.at[0] == '[' || token.at[0] == '{') {
            depth++;
        } else if (depth > 0 && (token.at[0] == ']' || token.at[0] == '}')) {
            depth--;
        }
        if (depth == 0 || !json_next_token(rest, &token)) {
            return true;
        }
    }
}

bool json_next_item(struct str *rest, struct str *item)
{
    struct str comma;

    if (!take_value(rest, item)) {
        return false;
    }
    json_next_token(rest, &comma);
    *rest = json_trim(*rest);
    return true;
}

bool json_next_member(struct str *rest, struct str *name, struct str *value)
{
    struct str colon;

    return json_next_token(rest, name) && json_next_token(rest, &colon) &&
           json_next_item(rest, value);
}

struct str json_member(struct str text, struct str name)
{
    struct str rest = json_inside(text);
    struct str found, value;

    while (json_next_member(&rest, &found, &value)) {
        if (found.len == name.len + 2 && str_equal(str_from(found.at + 1, name.len), name)) {
            return value;
        }
    }
    return str_from(NULL, 0);
}

void json_find_members(struct str text, struct json_part *parts, size_t count)
{
    struct str rest = json_inside(text);
    struct str found, value;

    while (json_next_member(&rest, &found, &value)) {
        for (size_t i = 0; i < count; i++) {
            if (json_string_is(found, parts[i].name)) {
                parts[i].value = value;
                parts[i].count++;
            }
        }
    }
}

/* ---- strings ---- */

/* Four hexadecimal digits; what is missing or none counts as 0. */
static uint32_t hex4(struct str text)
{
    uint32_t value = 0;

    for (size_t i = 0; i < 4; i++) {
        unsigned char c = i < text.len ? (unsigned char)text.at[i] : '0';

        value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10) % 16u;
    }
    return value;
}

/* The UTF-8 of a character; returns its length. */
static size_t put_utf8(uint32_t c, char to[UTF8_MAX])
{
    size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};

    to[0] = (char)(first[more] | c >> 6 * more);
    for (size_t i = 1; i <= more; i++) {
        to[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3f));
    }
    return more + 1;
}

/* Takes the escape that `rest` begins with. */
static size_t take_escape(struct str *rest, char to[UTF8_MAX])
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    char c = rest->len > 1 ? rest->at[1] : '\\';
    const char *letter = c ? strchr(letters, c) : NULL;
    uint32_t unit;

    *rest = str_skip(*rest, 2);
    if (c != 'u') {
        to[0] = letter ? meanings[letter - letters] : c;
        return 1;
    }
    unit = hex4(*rest);
    *rest = str_skip(*rest, 4);
    if (unit >= 0xd800 && unit < 0xdc00) {
        /* json_check has seen to the second half. */
        unit = 0x10000 + ((unit & 0x3ff) << 10 | (hex4(str_skip(*rest, 2)) & 0x3ff));
        *rest = str_skip(*rest, 6);
    }
    return put_utf8(unit, to);
}

/* Takes the next run of bytes from what stands between a string's quotes: as it is, or an
 * escape's meaning, which goes to `room`. */
static struct str take_run(struct str *rest, char room[UTF8_MAX])
{
    const char *escape = memchr(rest->at, '\\', rest->len);
    struct str run = *rest;

    if (escape == rest->at) {
        return str_from(room, take_escape(rest, room));
    }
    if (escape) {
        run.len = (size_t)(escape - rest->at);
    }
    *rest = str_skip(*rest, run.len);
    return run;
}

static struct str unquote(struct str string)
{
    return string.len < 2 ? str_from("", 0) : str_from(string.at + 1, string.len - 2);
}

bool json_string_is(struct str string, struct str text)
{
    struct str rest = unquote(string);
    char room[UTF8_MAX];

    while (rest.len > 0) {
        struct str run = take_run(&rest, room);

        if (!str_starts(text, run)) {
            return false;
        }
        text = str_skip(text, run.len);
    }
    return text.len == 0;
}

void json_unescape(struct str string, struct buf *to)
{
    struct str rest = unquote(string);
    char room[UTF8_MAX];

    while (rest.len > 0) {
        buf_add(to, take_run(&rest, room));
    }
}

void json_add_compact(struct buf *buf, struct str text)
{
    size_t from = 0; /* what stands before `at` from here on is copied as it is */
    size_t at = 0;

    while (at < text.len) {
        if (is_blank(text.at[at])) {
            buf_add(buf, str_from(text.at + from, at - from));
            from = ++at;
        } else {
            at += text.at[at] == '"' ? string_length(str_skip(text, at)) : 1;
        }
    }
    buf_add(buf, str_skip(text, from));
}
