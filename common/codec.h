/* Encodings: base64, base64url, percent, UTF-8, hexadecimal, random identifiers. Pure functions
 * without I/O (but for random). */
#ifndef SEGUE_COMMON_CODEC_H
#define SEGUE_COMMON_CODEC_H

#include "common/buf.h"
#include "common/err.h"

void codec_base64(struct str bytes, struct buf *to);
/* With the URL alphabet and without padding. */
void codec_base64url(struct str bytes, struct buf *to);
/* Strict: padding right, no foreign characters, no leftover bits; ERR_INVALID adds nothing. */
MUST_CHECK enum err codec_unbase64(struct str text, struct buf *to);
/* As above with the URL alphabet and without padding. */
MUST_CHECK enum err codec_unbase64url(struct str text, struct buf *to);
/* %XX becomes a byte and, when `plus` is set, + a blank. A bad escape is ERR_INVALID. */
MUST_CHECK enum err codec_unpercent(struct str text, bool plus, struct buf *to);
/* Everything but letters, digits and "_.@-" becomes %XX: safe inside a Redis hash tag, a key, a
 * channel. */
void codec_percent(struct str text, struct buf *to);
/* Well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool codec_is_utf8(struct str text);
void codec_random_bytes(void *to, size_t count);
/* `count` random bytes as 2 * count lower case hexadecimal digits and a NUL. */
void codec_random_hex(char *to, size_t count);
/* `count` random characters of the alphabet of base64url (six bits each) and a NUL. */
void codec_random_id(char *to, size_t count);

#endif
