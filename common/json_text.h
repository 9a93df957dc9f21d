/* JSON text that json_check has passed, read and copied as it stands: the order of names and
 * the spelling of numbers and escapes stay.
 *
 * Nothing here allocates (but for what is added to a buf), and all results are borrowed from
 * the text. Text that was not checked gives nonsense, but never reads beyond its end. */
#ifndef SEGUE_COMMON_JSON_TEXT_H
#define SEGUE_COMMON_JSON_TEXT_H

#include "common/buf.h"

/* Without the blanks of JSON (which are more than those of str_trim) at both ends. */
struct str json_trim(struct str text);
/* Takes the next token: one of []{}:, or a whole string (with its quotes), number or word;
 * false at the end. */
bool json_next_token(struct str *rest, struct str *token);

/* What stands between the brackets of an array or object: what the two below iterate. Of
 * anything else: at == NULL. */
struct str json_inside(struct str text);
/* Takes the next item of an array; false at the end. `*rest` is then what stands behind its
 * comma. */
bool json_next_item(struct str *rest, struct str *item);
/* Takes the next member of an object; `*name` with its quotes. */
bool json_next_member(struct str *rest, struct str *name, struct str *value);
/* The text of an object's member as it stands there, for numbers that a double can't hold;
 * at == NULL when there is none of that name. Names with escapes are not found. */
struct str json_member(struct str text, struct str name);

/* How often each of the wanted names stands among an object's members, and its last value (at
 * == NULL when it is not there). */
struct json_part {
    struct str name;
    struct str value;
    unsigned count;
};
void json_find_members(struct str text, struct json_part *parts, size_t count);

/* Whether a string (with its quotes), unescaped, is `text`. */
bool json_string_is(struct str string, struct str text);
/* Adds the bytes that a string (with its quotes) stands for. */
void json_unescape(struct str string, struct buf *to);
/* Adds the text without the blanks outside its strings; a list of items without its brackets is
 * fine, too. */
void json_add_compact(struct buf *buf, struct str text);

#endif
