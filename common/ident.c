/* What names things. */
#include "common/ident.h"

#include <stdio.h>

#include "common/codec.h"

enum {
    UUID_BYTES = 16
};

bool ident_is_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-')) {
            return false;
        }
    }
    return text.len >= 1 && text.len <= IDENT_NAME_MAX;
}

bool ident_is_user(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f) {
            return false;
        }
    }
    return text.len > 0 && text.len <= IDENT_USER_MAX && codec_is_utf8(text);
}

/* Version 4 of RFC 4122: all bits are random but six. */
void ident_make_uuid(char to[IDENT_UUID_LENGTH + 1])
{
    static const char variants[] = "89ab";
    char hex[2 * UUID_BYTES + 1];

    codec_random_hex(hex, UUID_BYTES);
    hex[12] = '4';
    hex[16] = variants[(unsigned char)hex[16] & 3];
    snprintf(to, IDENT_UUID_LENGTH + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
             hex + 16, hex + 20);
}
