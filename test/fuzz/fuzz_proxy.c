/* PROXY headers: never read beyond what is there, the same whole or in pieces, and bounded. */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "gateway/net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header = {0}, piece = {0};
    struct str bytes = str_from((const char *)data, size);
    enum proxy_outcome outcome = proxy_read(bytes, &header);
    char text[ADDRESS_TEXT_MAX];
    size_t len = 0;

    /* What a prefix has settled stays so. */
    while (len < size && proxy_read(str_from(bytes.at, len), &piece) == PROXY_MORE) {
        len++;
    }
    MUST(proxy_read(str_from(bytes.at, len), &piece) == outcome);
    MUST(outcome != PROXY_MORE || size < PROXY_BYTES_MAX);
    if (outcome == PROXY_DONE) {
        MUST(header.len == len && header.len <= size && header.len <= PROXY_BYTES_MAX);
        MUST(header.named == piece.named);
        MUST(memcmp(header.address, piece.address, ADDRESS_BYTES) == 0);
        MUST(!header.named || address_print(header.address, text).len > 0);
    }
    return 0;
}
