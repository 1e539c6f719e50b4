#include "unit.h"

#include "base/buffer.h"

static void all_that_grows_and_goes_is_counted(void **state)
{
    (void)state;
    _Atomic int64_t bytes = 0;
    struct buffer uncounted, small, large;
    buffer_init(&uncounted, 4096);
    assert_true(buffer_append(&uncounted, SLICE("before")));
    buffer_count_in(&bytes);
    buffer_init(&small, 4096);
    buffer_init(&large, 1 << 20);
    assert_int_equal(bytes, 0);
    assert_true(buffer_append(&small, SLICE("text")));
    assert_true(buffer_reserve(&large, 100000));
    assert_int_equal(bytes, (int64_t)(small.capacity + large.capacity));
    assert_true(buffer_reserve(&large, 200000));
    assert_int_equal(bytes, (int64_t)(small.capacity + large.capacity));
    assert_false(buffer_reserve(&small, 5000));
    buffer_done(&large);
    assert_int_equal(bytes, (int64_t)small.capacity);
    buffer_done(&small);
    buffer_done(&small);
    assert_int_equal(bytes, 0);
    buffer_count_in(NULL);
    buffer_done(&uncounted);
    assert_int_equal(bytes, 0);
}

static void a_buffer_keeps_its_bytes_and_its_maximum(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 600);
    for (int i = 0; i < 30; i++) {
        assert_true(buffer_append(&buffer, SLICE("0123456789")));
    }
    buffer_consume(&buffer, 295);
    assert_true(slice_equal(buffer_slice(&buffer), SLICE("56789")));
    assert_true(buffer_reserve(&buffer, 595)); /* moves, or grows, and loses nothing */
    assert_true(slice_equal(buffer_slice(&buffer), SLICE("56789")));
    assert_false(buffer_reserve(&buffer, 596));
    assert_true(buffer_append_u64(&buffer, 0) && buffer_append_u64(&buffer, UINT64_MAX));
    assert_true(buffer_printf(&buffer, "%s!", "x") && buffer_append_char(&buffer, '\n'));
    assert_true(slice_equal(buffer_slice(&buffer), SLICE("56789018446744073709551615x!\n")));
    buffer_consume(&buffer, 1000);
    assert_int_equal(buffer_length(&buffer), 0);
    buffer_done(&buffer);
}

static void memory_is_scarce_from_half_of_the_budget_on(void **state)
{
    (void)state;
    static _Atomic int64_t bytes;
    bytes = 501;
    assert_false(buffer_is_scarce()); /* neither counted nor limited */
    buffer_set_budget(1000);
    assert_false(buffer_is_scarce());
    buffer_count_in(&bytes);
    assert_true(buffer_is_scarce());
    bytes = 500;
    assert_false(buffer_is_scarce());
    bytes = INT64_MAX;
    buffer_set_budget(0);
    assert_false(buffer_is_scarce());
    buffer_count_in(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_grows_and_goes_is_counted),
        cmocka_unit_test(memory_is_scarce_from_half_of_the_budget_on),
        cmocka_unit_test(a_buffer_keeps_its_bytes_and_its_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
