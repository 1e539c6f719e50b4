#include "http/h2/memory.h"
#include "unit.h"

static struct h2_memory memory;

static void test_pieces_come_back(void **state)
{
    (void)state;
    struct h2_account account = { .memory = &memory, .maximum = 100000 };
    nghttp2_mem mem = h2_account_mem(&account);
    char *first = mem.malloc(100, mem.mem_user_data);
    memset(first, 'a', 100);
    assert_true(account.used >= 100);
    mem.free(first, mem.mem_user_data);
    assert_int_equal(account.used, 0);
    /* The next one of that size is the same; zeroed where that is asked for. */
    char *second = mem.calloc(10, 10, mem.mem_user_data);
    assert_ptr_equal(first, second);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(second[i], 0);
    }
    mem.free(second, mem.mem_user_data);
    mem.free(NULL, mem.mem_user_data);
}

static void test_growing(void **state)
{
    (void)state;
    struct h2_account account = { .memory = &memory, .maximum = 100000 };
    nghttp2_mem mem = h2_account_mem(&account);
    char *text = mem.realloc(NULL, 10, mem.mem_user_data);
    memcpy(text, "sallyport", 10);
    text = mem.realloc(text, 5000, mem.mem_user_data);
    assert_string_equal(text, "sallyport");
    assert_ptr_equal(mem.realloc(text, 20, mem.mem_user_data), text);
    mem.free(text, mem.mem_user_data);
    assert_int_equal(account.used, 0);
}

static void test_budget(void **state)
{
    (void)state;
    struct h2_account account = { .memory = &memory, .maximum = 10000 };
    nghttp2_mem mem = h2_account_mem(&account);
    assert_null(mem.malloc(10001, mem.mem_user_data));
    assert_true(account.exceeded);
    account.exceeded = false;
    void *pieces[100];
    size_t count = 0;
    while (count < 100 && (pieces[count] = mem.malloc(1000, mem.mem_user_data)) != NULL) {
        count++;
    }
    assert_in_range(count, 8, 9);
    assert_true(account.exceeded);
    /* Another session has a budget of its own. */
    struct h2_account other = { .memory = &memory, .maximum = 10000 };
    nghttp2_mem mem2 = h2_account_mem(&other);
    void *piece = mem2.malloc(1000, mem2.mem_user_data);
    assert_non_null(piece);
    mem2.free(piece, mem2.mem_user_data);
    while (count > 0) {
        mem.free(pieces[--count], mem.mem_user_data);
    }
    assert_null(mem.calloc(SIZE_MAX, 2, mem.mem_user_data));
    assert_null(mem.malloc(SIZE_MAX, mem.mem_user_data));
}

static void test_what_is_kept_is_bounded(void **state)
{
    (void)state;
    struct h2_account account = { .memory = &memory, .maximum = SIZE_MAX / 2 };
    nghttp2_mem mem = h2_account_mem(&account);
    static void *pieces[2 * H2_MEMORY_KEPT];
    for (size_t i = 0; i < 2 * H2_MEMORY_KEPT; i++) {
        pieces[i] = mem.malloc(40, mem.mem_user_data);
    }
    for (size_t i = 0; i < 2 * H2_MEMORY_KEPT; i++) {
        mem.free(pieces[i], mem.mem_user_data);
    }
    for (size_t i = 0; i < H2_MEMORY_CLASSES; i++) {
        assert_true(memory.counts[i] <= H2_MEMORY_KEPT);
    }
}

static int teardown(void **state)
{
    (void)state;
    h2_memory_done(&memory);
    return 0;
}

int main(void)
{
    h2_memory_init(&memory);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_come_back),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_what_is_kept_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
