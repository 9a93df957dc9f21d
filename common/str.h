/* Borrowed bytes: a pointer and a length that somebody else owns. Never NUL-terminated by
 * contract. */
#ifndef SEGUE_COMMON_STR_H
#define SEGUE_COMMON_STR_H

#include <stdbool.h>
#include <stddef.h>

struct str {
    const char *at;
    size_t len;
};

/* A literal as str: STR("GET"). */
#define STR(literal)                                                                           \
    (struct str)                                                                               \
    {                                                                                          \
        (literal), sizeof(literal) - 1                                                         \
    }
/* For "%.*s". */
#define STR_ARG(s) (int)(s).len, (s).at

struct str str_of(const char *text); /* NULL becomes the empty string */
struct str str_from(const char *at, size_t len);
bool str_equal(struct str a, struct str b);
bool str_equal_nocase(struct str a, struct str b); /* ASCII */
bool str_starts(struct str s, struct str prefix);
struct str str_skip(struct str s, size_t count); /* count is cut to the length */
struct str str_trim(struct str s);               /* blanks and tabs at both ends */
/* Cuts at the first `mark`: `*head` is what stands before it, `*tail` what stands behind (empty
 * when there is none). Returns whether the mark was there. */
bool str_cut(struct str s, char mark, struct str *head, struct str *tail);
/* Takes the next item of a comma separated list, trimmed; false at the end. Empty items are
 * skipped. */
bool str_next_item(struct str *list, struct str *item);
/* Decimal digits only, no sign, at most `max`; false otherwise. */
bool str_to_u64(struct str s, unsigned long long max, unsigned long long *value);
/* Equality whose time does not depend on where the bytes differ (it does on the lengths). */
bool str_equal_secret(struct str a, struct str b);

#endif
