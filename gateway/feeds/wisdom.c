/* The lines of the feed that is always there; the build lays wisdom.txt into the binary. */
#include "gateway/feeds/wisdom.h"

__asm__(".section .rodata\n"
        "feeds_wisdom_text: .incbin \"gateway/feeds/wisdom.txt\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char feeds_wisdom_text[];

struct str wisdom_text(void)
{
    return str_of(feeds_wisdom_text);
}
