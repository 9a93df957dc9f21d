/* Borrowed bytes: comparing and cutting, never copying. */
#include "common/str.h"

#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_of(const char *text)
{
    if (!text) {
        text = "";
    }
    return (struct str){text, strlen(text)};
}

struct str str_from(const char *at, size_t len)
{
    return (struct str){at, len};
}

bool str_equal(struct str a, struct str b)
{
    /* The standard does not let memcmp see NULL, not even for nothing. */
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool str_equal_nocase(struct str a, struct str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.at[i]) != lower(b.at[i])) {
            return false;
        }
    }
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_equal((struct str){s.at, prefix.len}, prefix);
}

struct str str_skip(struct str s, size_t count)
{
    if (count > s.len) {
        count = s.len;
    }
    if (count > 0) {
        s.at += count;
        s.len -= count;
    }
    return s;
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.at[0])) {
        s = str_skip(s, 1);
    }
    while (s.len > 0 && is_blank(s.at[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool str_cut(struct str s, char mark, struct str *head, struct str *tail)
{
    const char *found = s.len > 0 ? memchr(s.at, mark, s.len) : NULL;

    if (!found) {
        *head = s;
        *tail = str_skip(s, s.len);
        return false;
    }
    *head = (struct str){s.at, (size_t)(found - s.at)};
    *tail = str_skip(s, head->len + 1);
    return true;
}

bool str_next_item(struct str *list, struct str *item)
{
    while (list->len > 0) {
        struct str head;

        str_cut(*list, ',', &head, list);
        *item = str_trim(head);
        if (item->len > 0) {
            return true;
        }
    }
    return false;
}

bool str_to_u64(struct str s, unsigned long long max, unsigned long long *value)
{
    unsigned long long sum = 0;

    if (s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.at[i] - '0';

        if (digit > 9 || digit > max || sum > (max - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

bool str_equal_secret(struct str a, struct str b)
{
    unsigned char difference = 0;

    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        /* Volatile reads keep the compiler from stopping at the first difference. */
        difference |= (unsigned char)(((const volatile char *)a.at)[i] ^ b.at[i]);
    }
    return difference == 0;
}
