/* Hashes of keys that outsiders choose. */
#include "test/unit/unit.h"

#include <string.h>

#include "common/map.h"

/* What CPython 3.11 says with PYTHONHASHSEED=0: hash(b"...") there is SipHash-1-3 with a key of
 * zeros. */
static void it_is_siphash_1_3(void **state)
{
    static const uint64_t key[2];
    unsigned char all[63];

    (void)state;
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (unsigned char)i;
    }
    assert_int_equal(map_hash_with(key, "a", 1), 0x407448d2b89b1813);
    assert_int_equal(map_hash_with(key, "1234567", 7), 0xa33d651594fdae81);
    assert_int_equal(map_hash_with(key, "12345678", 8), 0x3489982430560a87);
    assert_int_equal(map_hash_with(key, "123456789", 9), 0x0fbc0f0007965fcf);
    assert_int_equal(map_hash_with(key, "segue:room:{lobby}", 18), 0x2e387bdd7af6c2a7);
    assert_int_equal(map_hash_with(key, all, sizeof(all)), 0x385d3e39e5f37359);
}

struct entry {
    UT_hash_handle hh;
    uint64_t name;
};

/* Names that would all lie in one bucket of a table that hashed as uthash does by itself. */
static void names_that_were_aimed_at_one_bucket_are_spread(void **state)
{
    enum {
        COUNT = 256,
        LOW_BITS = 0x1fff
    };
    static struct entry entries[COUNT];
    struct entry *all = NULL, *found;
    size_t count = 0;
    unsigned longest = 0;

    (void)state;
    for (uint64_t name = 0; count < COUNT; name++) {
        unsigned hash;

        HASH_JEN(&name, sizeof(name), hash);
        if ((hash & LOW_BITS) == 0) {
            entries[count].name = name;
            HASH_ADD(hh, all, name, sizeof(name), &entries[count]);
            count++;
        }
    }
    for (size_t i = 0; i < COUNT; i++) {
        HASH_FIND(hh, all, &entries[i].name, sizeof(entries[i].name), found);
        assert_ptr_equal(found, &entries[i]);
    }
    for (unsigned i = 0; i < all->hh.tbl->num_buckets; i++) {
        unsigned in = all->hh.tbl->buckets[i].count;

        longest = in > longest ? in : longest;
    }
    assert_true(longest < COUNT / 8);
    HASH_CLEAR(hh, all);
}

static void the_key_of_a_process_stays_the_same_and_is_not_zero(void **state)
{
    static const uint64_t zero[2];

    (void)state;
    assert_int_equal(map_hash("room", 4), map_hash("room", 4));
    assert_int_not_equal(map_hash("room", 4), map_hash_with(zero, "room", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_siphash_1_3),
        cmocka_unit_test(names_that_were_aimed_at_one_bucket_are_spread),
        cmocka_unit_test(the_key_of_a_process_stays_the_same_and_is_not_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
