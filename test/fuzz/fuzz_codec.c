/* Encodings: bytes come back as they were, a refusal adds nothing, and a text that decodes is
 * the only one for its bytes. */
#include "test/fuzz/fuzz.h"

#include "common/codec.h"

static void there_and_back(struct str bytes)
{
    struct buf text = {0};
    struct buf back = {0};

    codec_base64(bytes, &text);
    MUST(codec_unbase64(buf_str(&text), &back) == ERR_OK);
    MUST(str_equal(buf_str(&back), bytes));
    buf_clear(&text);
    buf_clear(&back);
    codec_percent(bytes, &text);
    MUST(codec_unpercent(buf_str(&text), true, &back) == ERR_OK);
    MUST(str_equal(buf_str(&back), bytes));
    buf_finish(&text);
    buf_finish(&back);
}

static void unbase64(struct str text)
{
    struct buf bytes = {0};
    struct buf again = {0};

    if (codec_unbase64(text, &bytes) == ERR_OK) {
        codec_base64(buf_str(&bytes), &again);
        MUST(str_equal(buf_str(&again), text));
    } else {
        MUST(bytes.len == 0);
    }
    buf_finish(&bytes);
    buf_finish(&again);
}

static void unbase64url(struct str text)
{
    struct buf bytes = {0};
    struct buf again = {0};

    if (codec_unbase64url(text, &bytes) == ERR_OK) {
        codec_base64(buf_str(&bytes), &again);
        while (again.len > 0 && again.at[again.len - 1] == '=') {
            again.len--;
        }
        MUST(again.len == text.len);
        for (size_t i = 0; i < text.len; i++) {
            char c = again.at[i];

            MUST(text.at[i] == (c == '+' ? '-' : c == '/' ? '_' : c));
        }
    } else {
        MUST(bytes.len == 0);
    }
    buf_finish(&bytes);
    buf_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_from((const char *)data, size);
    struct buf buf = {0};

    there_and_back(text);
    unbase64(text);
    unbase64url(text);
    MUST(codec_unpercent(text, size % 2, &buf) == ERR_OK ? buf.len <= size : buf.len == 0);
    buf_clear(&buf);
    /* Two halves of good text are good text together. */
    if (size > 0) {
        size_t cut = data[0] % size;

        MUST(!codec_is_utf8(str_from(text.at, cut)) || !codec_is_utf8(str_skip(text, cut)) ||
             codec_is_utf8(text));
    }
    buf_finish(&buf);
    return 0;
}
