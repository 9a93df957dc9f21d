/* Memory: it is there, or the process ends with a line that says so. */
#include "test/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/mem.h"

/* AddressSanitizer would end the process itself, before our code sees the NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Not known to the compiler, which otherwise refuses to compile such sizes. */
static volatile size_t too_much = SIZE_MAX / 2 - 4096;

static void nothing_is_something(void **state)
{
    void *one = mem_alloc(0);
    void *two = mem_zero(0);
    void *three = mem_grow(mem_alloc(8), 0);

    (void)state;
    assert_non_null(one);
    assert_non_null(two);
    assert_non_null(three);
    mem_free(one);
    mem_free(two);
    mem_free(three);
    mem_free(NULL);
}

static void cleared_memory_is_zero(void **state)
{
    char *at = mem_zero(1000);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(at[i], 0);
    }
    mem_free(at);
}

static void grown_memory_keeps_its_content(void **state)
{
    char *at = mem_grow(NULL, 4);

    (void)state;
    memcpy(at, "abc", 4);
    at = mem_grow(at, 100000);
    assert_string_equal(at, "abc");
    mem_free(at);
}

static void a_copy_ends_with_a_nul(void **state)
{
    char *copy = mem_copy("abcdef", 3);
    char *empty = mem_copy(NULL, 0);

    (void)state;
    assert_string_equal(copy, "abc");
    assert_string_equal(empty, "");
    mem_free(copy);
    mem_free(empty);
}

static void want_alloc(void)
{
    mem_free(mem_alloc(too_much));
}

static void want_zero(void)
{
    mem_free(mem_zero(too_much));
}

static void want_grow(void)
{
    mem_free(mem_grow(NULL, too_much));
}

static void want_copy(void)
{
    mem_free(mem_copy("", SIZE_MAX));
}

static void want_buf(void)
{
    struct buf buf = {0};

    buf_add_char(&buf, 'x');
    buf_reserve(&buf, too_much);
}

static void want_wrapped_buf(void)
{
    struct buf buf = {0};

    buf_add_char(&buf, 'x');
    buf_reserve(&buf, SIZE_MAX); /* 1 + SIZE_MAX is 0 */
}

/* Runs `ask` in a process of its own, which must end by SIGABRT and say why. */
static void assert_ends(void (*ask)(void))
{
    const struct rlimit no_core = {0, 0};
    char line[8192] = {0}; /* sanitizers have a word to say as well */
    int ends[2];
    int status = 0;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], STDERR_FILENO);
        ask();
        _exit(0);
    }
    close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    for (size_t len = 0; len < sizeof(line) - 1;) {
        ssize_t got = read(ends[0], line + len, sizeof(line) - 1 - len);

        if (got <= 0) {
            break;
        }
        len += (size_t)got;
    }
    close(ends[0]);
    assert_non_null(strstr(line, "out of memory"));
}

static void the_process_ends_when_memory_is_out(void **state)
{
    (void)state;
    assert_ends(want_alloc);
    assert_ends(want_zero);
    assert_ends(want_grow);
    assert_ends(want_copy);
    assert_ends(want_buf);
    assert_ends(want_wrapped_buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_something),
        cmocka_unit_test(cleared_memory_is_zero),
        cmocka_unit_test(grown_memory_keeps_its_content),
        cmocka_unit_test(a_copy_ends_with_a_nul),
        cmocka_unit_test(the_process_ends_when_memory_is_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
