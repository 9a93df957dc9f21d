/* Values in a row as bytes. */
#include "common/pack.h"

void pack_add_str(struct buf *to, struct str value)
{
    buf_add_char(to, 's');
    buf_add_u64(to, value.len);
    buf_add_char(to, ':');
    buf_add(to, value);
}

void pack_add_u64(struct buf *to, uint64_t value)
{
    buf_add_char(to, 'n');
    buf_add_u64(to, value);
    buf_add_char(to, ';');
}

/* Takes KIND, digits without leading zeros, END off `from`. */
static bool take_number(struct str *from, char kind, char end, unsigned long long *number)
{
    struct str digits, rest;

    if (from->len == 0 || from->at[0] != kind ||
        !str_cut(str_skip(*from, 1), end, &digits, &rest) ||
        (digits.len > 1 && digits.at[0] == '0') || !str_to_u64(digits, UINT64_MAX, number)) {
        return false;
    }
    *from = rest;
    return true;
}

enum err pack_take_str(struct str *from, struct str *value)
{
    struct str rest = *from;
    unsigned long long len;

    if (!take_number(&rest, 's', ':', &len) || len > rest.len) {
        return ERR_INVALID;
    }
    *value = str_from(rest.at, (size_t)len);
    *from = str_skip(rest, (size_t)len);
    return ERR_OK;
}

enum err pack_take_u64(struct str *from, uint64_t *value)
{
    unsigned long long number;

    if (!take_number(from, 'n', ';', &number)) {
        return ERR_INVALID;
    }
    *value = number;
    return ERR_OK;
}

enum err pack_end(struct str from)
{
    return from.len == 0 ? ERR_OK : ERR_INVALID;
}
