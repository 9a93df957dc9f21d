/* What every unit test includes: cmocka with the headers it wants, and an assertion for str. */
#ifndef SEGUE_TEST_UNIT_H
#define SEGUE_TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/str.h"

/* `actual` holds exactly the bytes of the NUL-terminated `expected`. */
#define assert_str(actual, expected)                                                           \
    do {                                                                                       \
        struct str assert_str_a = (actual);                                                    \
        struct str assert_str_b = str_of(expected);                                            \
        if (!str_equal(assert_str_a, assert_str_b)) {                                          \
            fail_msg("\"%.*s\" instead of \"%.*s\"", STR_ARG(assert_str_a),                    \
                     STR_ARG(assert_str_b));                                                   \
        }                                                                                      \
    } while (0)

#endif
