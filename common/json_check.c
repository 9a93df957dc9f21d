/* The strict scanner in front of cJSON.
 *
 * It is a loop with its own stack of one flag per level, so that depth costs an outsider's text
 * nothing of ours. What it lets pass cJSON reads without surprise: no value is ever seen
 * unscanned. */
#include "common/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec.h"

enum {
    /* cJSON 1.7.15 reads a number through a buffer of 64 bytes and stumbles over what is
     * longer. */
    NUMBER_TEXT_MAX = 63
};

/* What may come next. */
enum want {
    WANT_VALUE,
    WANT_NAME,
    WANT_FIRST_VALUE,
    WANT_FIRST_NAME,
    WANT_COMMA_OR_END
};

struct scan {
    const char *at;
    const char *end;
    const char *why; /* the complaint that ended the scan; NULL = none */
    size_t values;
    unsigned depth;
    enum want want;
    bool grammar_only;
    unsigned depth_max;
    size_t values_max;
    bool in_object[JSON_ENVELOPE_DEPTH_MAX];
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
    if (unit == 0 && !scan->grammar_only) {
        return complain(scan, "NUL in a string");
    }
    scan->at += 4;
    if (unit < 0xd800 || unit > 0xdfff) {
        return true;
    }
    if (unit < 0xdc00 && scan->end - scan->at >= 6 && scan->at[0] == '\\' &&
        scan->at[1] == 'u') {
        int second = hex4(scan->at + 2, scan->end);

        if (second >= 0xdc00 && second <= 0xdfff) {
            scan->at += 6;
            return true;
        }
    }
    return scan->grammar_only || complain(scan, "lone surrogate in a string");
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
        scan->at++; /* no further digit may follow: the caller meets it as a foreign character
                     */
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
    if (scan->grammar_only) {
        return true;
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
    if (scan->depth >= scan->depth_max) {
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
    if (++scan->values > scan->values_max) {
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

static enum err check(struct str text, bool grammar_only, bool envelope, const char **why)
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
    scan.grammar_only = grammar_only;
    scan.depth_max = envelope ? JSON_ENVELOPE_DEPTH_MAX : JSON_DEPTH_MAX;
    scan.values_max = envelope ? SIZE_MAX : JSON_VALUES_MAX;
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

enum err json_check(struct str text, const char **why)
{
    return check(text, false, false, why);
}

enum err json_check_grammar(struct str text, const char **why)
{
    return check(text, true, false, why);
}

enum err json_check_envelope(struct str text, const char **why)
{
    return check(text, true, true, why);
}
