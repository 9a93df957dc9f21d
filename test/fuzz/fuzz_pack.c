/* Packed values: whatever can be taken, written again, is the same bytes; and what was written
 * can be taken. */
#include "test/fuzz/fuzz.h"

#include "common/pack.h"

/* The input as packed values. */
static void take_and_add(struct str input)
{
    struct str rest = input;
    struct buf again = {0};

    for (;;) {
        struct str before = rest;
        struct str text;
        uint64_t number;

        if (pack_take_str(&rest, &text) == ERR_OK) {
            pack_add_str(&again, text);
        } else if (pack_take_u64(&rest, &number) == ERR_OK) {
            pack_add_u64(&again, number);
        } else {
            MUST(rest.at == before.at && rest.len == before.len);
            break;
        }
        MUST(rest.len < before.len);
    }
    MUST(str_equal(buf_str(&again), str_from(input.at, input.len - rest.len)));
    MUST((pack_end(rest) == ERR_OK) == (rest.len == 0));
    buf_finish(&again);
}

/* The input as two texts and a number. */
static void add_and_take(struct str input)
{
    struct str first = str_from(input.at, input.len / 2);
    struct str second = str_skip(input, input.len / 2);
    struct buf buf = {0};
    uint64_t number = 0;
    uint64_t number_back;
    struct str from, back;

    for (size_t i = 0; i < first.len && i < 8; i++) {
        number = number << 8 | (unsigned char)first.at[i];
    }
    pack_add_str(&buf, first);
    pack_add_u64(&buf, number);
    pack_add_str(&buf, second);
    from = buf_str(&buf);
    MUST(pack_take_str(&from, &back) == ERR_OK && str_equal(back, first));
    MUST(pack_take_u64(&from, &number_back) == ERR_OK && number_back == number);
    MUST(pack_take_str(&from, &back) == ERR_OK && str_equal(back, second));
    MUST(pack_end(from) == ERR_OK);
    buf_finish(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_from((const char *)data, size);

    take_and_add(input);
    add_and_take(input);
    return 0;
}
