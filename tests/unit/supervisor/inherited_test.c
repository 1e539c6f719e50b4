#include "unit.h"

#include "supervisor/inherited.h"

#include <fcntl.h>
#include <unistd.h>

static struct inherited inherited;

/* `count` open descriptors from `first` on. */
static int open_row(int count)
{
    int first = 100;
    int null = open("/dev/null", O_RDONLY);
    for (int i = 0; i < count; i++) {
        assert_int_equal(dup2(null, first + i), first + i);
    }
    close(null);
    return first;
}

static void set(pid_t pid, const char *count, const char *names)
{
    char number[32];
    snprintf(number, sizeof number, "%d", (int)pid);
    setenv("LISTEN_PID", number, 1);
    setenv("LISTEN_FDS", count, 1);
    if (names != NULL) {
        setenv("LISTEN_FDNAMES", names, 1);
    } else {
        unsetenv("LISTEN_FDNAMES");
    }
}

static void assert_cleared(void)
{
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_FDNAMES"));
}

static void sockets_are_found_by_name(void **state)
{
    (void)state;
    int first = open_row(4);
    set(getpid(), "4", "public:ops:public");
    assert_ok(inherited_take(&inherited, first));
    assert_cleared();
    assert_int_equal(inherited.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(fcntl(first + i, F_GETFD), FD_CLOEXEC);
    }
    assert_int_equal(inherited_find(&inherited, SLICE("none")), -1);
    assert_int_equal(inherited_find(&inherited, SLICE("public")), first);
    assert_int_equal(inherited_find(&inherited, SLICE("public")), first + 2);
    assert_int_equal(inherited_find(&inherited, SLICE("public")), -1);
    assert_int_equal(inherited_find(&inherited, SLICE("ops")), first + 1);
    inherited_done(&inherited);
    assert_int_equal(fcntl(first + 1, F_GETFD), FD_CLOEXEC); /* taken: not ours to close any more */
    assert_int_equal(fcntl(first + 3, F_GETFD), -1);
    for (int i = 0; i < 3; i++) {
        close(first + i);
    }
}

static void what_is_not_for_us_is_left(void **state)
{
    (void)state;
    int first = open_row(1);
    set(getpid() + 1, "1", "public");
    assert_ok(inherited_take(&inherited, first));
    assert_cleared();
    assert_int_equal(inherited.count, 0);
    assert_int_equal(fcntl(first, F_GETFD), 0);
    assert_ok(inherited_take(&inherited, first)); /* no variables at all */
    assert_int_equal(inherited.count, 0);
    set(getpid(), "0", "");
    assert_ok(inherited_take(&inherited, first));
    assert_int_equal(inherited.count, 0);
    set(getpid(), "-1", NULL);
    assert_ok(inherited_take(&inherited, first));
    assert_int_equal(inherited.count, 0);
    close(first);
}

static void lies_are_errors(void **state)
{
    (void)state;
    int first = open_row(2);
    close(first + 1);
    set(getpid(), "2", "a:b");
    assert_fails(inherited_take(&inherited, first), ERROR_SYSTEM);
    assert_int_equal(inherited.count, 0);
    assert_cleared();
    set(getpid(), "1000000", NULL);
    assert_fails(inherited_take(&inherited, first), ERROR_LIMIT);
    assert_cleared();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_found_by_name),
        cmocka_unit_test(what_is_not_for_us_is_left),
        cmocka_unit_test(lies_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
