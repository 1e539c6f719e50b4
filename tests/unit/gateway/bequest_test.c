#include "unit.h"

#include "gateway/bequest.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int fd;
static struct bequest *bequest;
static struct buffer text;

static int setup(void **state)
{
    (void)state;
    fd = memfd_create("bequest", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)BEQUEST_SIZE), 0);
    assert_ok(bequest_new(fd, &bequest));
    buffer_init(&text, BEQUEST_SIZE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bequest_free(bequest);
    buffer_done(&text);
    close(fd);
    return 0;
}

static void what_was_written_last_is_read(void **state)
{
    (void)state;
    assert_false(bequest_read(fd, &text)); /* nothing was written */
    assert_true(bequest_write(bequest, SLICE("first and longer")));
    assert_true(bequest_write(bequest, SLICE("second")));
    assert_true(bequest_read(fd, &text));
    assert_slice(buffer_slice(&text), "second");
    bequest_free(bequest);
    bequest = NULL;
    assert_true(bequest_read(fd, &text)); /* it outlives its writer */
    assert_slice(buffer_slice(&text), "second");
}

static void what_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    char *large = calloc(1, BEQUEST_SIZE);
    assert_true(bequest_write(bequest, SLICE("first")));
    assert_false(bequest_write(bequest, slice_of(large, BEQUEST_SIZE)));
    assert_false(bequest_read(fd, &text));
    assert_true(bequest_write(bequest, slice_of(large, BEQUEST_SIZE - 64)));
    assert_true(bequest_read(fd, &text));
    assert_int_equal(buffer_length(&text), BEQUEST_SIZE - 64);
    free(large);
}

static void put(off_t at, uint64_t number)
{
    assert_int_equal(pwrite(fd, &number, sizeof number, at), sizeof number);
}

/* Whoever wrote it may have died over it, be of another version, or lie. */
static void what_is_not_whole_is_not_read(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        assert_true(bequest_write(bequest, SLICE("good")));
        assert_true(bequest_read(fd, &text));
        if (which == 0) {
            put(0, 1); /* another version */
        } else if (which == 1) {
            put(8, 7); /* being written */
        } else {
            put(16, UINT64_MAX); /* longer than the file */
        }
        assert_false(bequest_read(fd, &text));
    }
    assert_true(bequest_write(bequest, SLICE("good"))); /* one that died over it is no obstacle */
    assert_true(bequest_read(fd, &text));
}

static void a_file_of_another_size_is_none(void **state)
{
    (void)state;
    struct bequest *other = NULL;
    int small = memfd_create("bequest", MFD_CLOEXEC);
    assert_int_equal(ftruncate(small, 4096), 0);
    assert_true(failed(bequest_new(small, &other)));
    assert_false(bequest_read(small, &text));
    close(small);
}

static _Atomic bool over;

static void *write_on(void *context)
{
    static char pattern[65536];
    (void)context;
    for (unsigned int i = 0; !over; i++) {
        memset(pattern, 'a' + (int)(i % 26), sizeof pattern);
        (void)bequest_write(bequest, slice_of(pattern, 1 + (i * 7919) % sizeof pattern));
    }
    return NULL;
}

static void what_is_read_beside_a_writer_is_one_piece(void **state)
{
    (void)state;
    pthread_t thread;
    over = false;
    assert_int_equal(pthread_create(&thread, NULL, write_on, NULL), 0);
    for (int whole = 0; whole < 500;) {
        if (!bequest_read(fd, &text)) {
            continue;
        }
        struct slice read = buffer_slice(&text);
        for (size_t i = 0; i < read.len; i++) {
            assert_int_equal(read.ptr[i], read.ptr[0]);
        }
        whole++;
    }
    over = true;
    pthread_join(thread, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_last_is_read),
        TEST(what_does_not_fit_leaves_nothing),
        TEST(what_is_not_whole_is_not_read),
        TEST(a_file_of_another_size_is_none),
        TEST(what_is_read_beside_a_writer_is_one_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
