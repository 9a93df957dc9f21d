/* Times: what is read, written and read again is the same moment; and any moment is written so
 * that it can be read. */
#include "test/fuzz/fuzz.h"

#include <string.h>

#include "common/iso8601.h"

static void write_and_read(int64_t ms)
{
    char text[ISO8601_TEXT_MAX];
    char again[ISO8601_TEXT_MAX];
    int64_t back;

    iso8601_format(ms, text);
    MUST(strlen(text) == strlen("0000-00-00T00:00:00.000Z"));
    MUST(iso8601_parse(str_of(text), &back, NULL) == ERR_OK);
    iso8601_format(back, again);
    MUST(strcmp(text, again) == 0);
    /* Only beyond the four digits of the year is a time cut. */
    MUST(back == ms || ms < INT64_C(-62167219200000) || ms > INT64_C(253402300799999));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *why = NULL;
    int64_t ms = 0;

    if (iso8601_parse(str_from((const char *)data, size), &ms, &why) == ERR_OK) {
        MUST(!why && size >= strlen("0000-00-00T00:00:00Z"));
        write_and_read(ms);
    } else {
        MUST(why && ms == 0);
    }
    if (size >= sizeof(ms)) {
        memcpy(&ms, data, sizeof(ms));
        write_and_read(ms);
    }
    return 0;
}
