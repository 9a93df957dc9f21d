/* JSON from outside and to outside: strict, bounded, typed.
 *
 * cJSON is lenient (duplicate keys, numbers like 01, NUL escapes, infinite numbers, trailing
 * bytes), so text passes a strict scanner of ours first: RFC 8259 grammar, well-formed UTF-8,
 * no \u0000, no lone surrogate, finite numbers of up to 63 bytes, bounded depth and number of
 * values. What passes is parsed by cJSON and read through a table of fields. */
#ifndef SEGUE_COMMON_JSON_H
#define SEGUE_COMMON_JSON_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum {
    JSON_DEPTH_MAX = 32,
    JSON_ENVELOPE_DEPTH_MAX = 2 * JSON_DEPTH_MAX,
    JSON_VALUES_MAX = 100000,
    JSON_WHY_MAX = 160
};

/* Scans only. On ERR_INVALID `*why` is a short reason ("nested too deeply"). */
MUST_CHECK enum err json_check(struct str text, const char **why);
/* The same without what our own reading needs: \u0000, lone surrogates and numbers of any size
 * and length may stand there, as they may by RFC 8259. For text that is only passed on. */
MUST_CHECK enum err json_check_grammar(struct str text, const char **why);
/* The same for text that holds texts of others, which are checked one by one afterwards: twice
 * as deep, with any number of values. */
MUST_CHECK enum err json_check_envelope(struct str text, const char **why);
/* Scans and parses; NULL with `*why` set when the text is not JSON by the rules above. The
 * caller deletes with cJSON_Delete. */
MUST_CHECK cJSON *json_parse(struct str text, const char **why);
/* The same where only an object will do. */
MUST_CHECK cJSON *json_parse_object(struct str text, char why[JSON_WHY_MAX]);

enum json_kind {
    JSON_TEXT,    /* string: `text` */
    JSON_NUMBER,  /* finite number: `number` */
    JSON_INTEGER, /* integer within +-(2^53 - 1): `number` */
    JSON_BOOL,    /* `truth` */
    JSON_ID,      /* integer as above, or string: `item`; see json_add_id */
    JSON_OBJECT,  /* `item` */
    JSON_ANY      /* `item` */
};

/* One field that a reader wants. Zeroed results mean: not there (`there` false). */
struct json_field {
    const char *name;
    enum json_kind kind;
    bool required;
    size_t min, max; /* JSON_TEXT, and JSON_ID as text: bytes; max 0 = no bound */
    /* results */
    bool there;
    struct str text; /* borrowed from the parsed value */
    double number;
    bool truth;
    const cJSON *item; /* borrowed */
};

/* Fills `fields` from `object`'s members; unknown members are ignored. ERR_INVALID when a
 * wanted field stands there twice, has another type, is out of its bounds or, being required,
 * is missing; then `why` holds a sentence that names the field, such as "track_id: must be an
 * integer or a string of 1 to 128 bytes". */
MUST_CHECK enum err json_read(const cJSON *object, struct json_field *fields, size_t count,
                              char why[JSON_WHY_MAX]);

/* Writers append to a buf. */
void json_add_text(struct buf *buf, struct str text); /* with quotes; bytes must be UTF-8 */
/* Shortest text that reads back as the same double (finite); integers without point or exponent
 * up to 2^53. */
void json_add_number(struct buf *buf, double number);
/* The value of a JSON_ID field in canonical form: 42 or "text". */
void json_add_id(struct buf *buf, const cJSON *item);
void json_add_item(struct buf *buf, const cJSON *item); /* any value, compact */
/* {"error":WORD,"message":TEXT}; why == NULL: the error's own text. */
void json_add_error(struct buf *buf, enum err err, const char *why);

#endif
