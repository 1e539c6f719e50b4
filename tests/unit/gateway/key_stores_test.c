/* Stores are followed on a loop: what changes is told, what fails is told once. */
#include "gateway/key_stores.h"

#include "auth/keys.h"

static struct net_loop the_loop;
static struct key_stores *the_stores;
static size_t the_calls, the_numbers;
static bool the_all;
static size_t wanted_calls;

static void on_changes(void *context, struct slice path, const struct api_key_changes *changes)
{
    (void)context;
    assert_true(slice_equal(path, slice_from_string(the_path)));
    the_calls++;
    the_all = changes->all;
    the_numbers = changes->count;
    if (the_calls == wanted_calls) {
        net_loop_stop(&the_loop);
    }
}

static int setup(void **state)
{
    make_directory(state);
    assert_ok(net_loop_init(&the_loop));
    the_calls = 0;
    assert_ok(key_stores_new(&the_loop, on_changes, NULL, &the_stores));
    return 0;
}

static int teardown(void **state)
{
    key_stores_free(the_stores);
    /* A look may be under way in the pool: it comes back before the loop is done. */
    while (the_loop.uv.active_reqs.count > 0) {
        uv_run(&the_loop.uv, UV_RUN_ONCE);
    }
    assert_true(net_loop_done(&the_loop));
    return remove_directory(state);
}

/* Two sets in one store share its source; one that is kept in the configuration has none. */
static void one_source_for_a_store(void **state)
{
    (void)state;
    struct api_keys_settings sets[3] = {
        { .name = SLICE("a"), .store = slice_from_string(the_path) },
        { .name = SLICE("b") },
        { .name = SLICE("c"), .store = slice_from_string(the_path) },
    };
    struct settings settings = { .api_keys = sets, .api_keys_count = 3 };
    int fds[2] = { -1, -1 };
    struct api_key_source **first, **second;
    assert_ok(key_stores_open(the_stores, &settings, fds, &first));
    assert_non_null(first[0]);
    assert_null(first[1]);
    assert_ptr_equal(first[0], first[2]);
    assert_true(key_stores_follow(the_stores, first, 3));
    /* The next configuration goes on with it. */
    assert_ok(key_stores_open(the_stores, &settings, fds, &second));
    assert_ptr_equal(first[0], second[0]);
    key_stores_release(second, 3);
    key_stores_release(first, 3);
    assert_true(key_stores_follow(the_stores, NULL, 0));
    net_loop_stop(&the_loop);
    net_loop_run(&the_loop);
}

struct writer {
    uv_timer_t timer;
    struct key_store *store;
    struct made_key key;
};

static void write_one(uv_timer_t *timer)
{
    struct writer *writer = timer->data;
    store_key(writer->store, &writer->key);
    uv_close((uv_handle_t *)timer, NULL);
}

static void changes_are_told(void **state)
{
    (void)state;
    struct api_keys_settings set = { .name = SLICE("a"), .store = slice_from_string(the_path) };
    struct settings settings = { .api_keys = &set, .api_keys_count = 1 };
    int fd = -1;
    struct api_key_source **sources;
    struct writer writer = { .store = open_store(KEY_STORE_CREATE) };
    assert_ok(key_stores_open(the_stores, &settings, &fd, &sources));
    assert_true(key_stores_follow(the_stores, sources, 1));
    uv_timer_init(&the_loop.uv, &writer.timer);
    writer.timer.data = &writer;
    /* After the first look, which tells of everything. */
    uv_timer_start(&writer.timer, write_one, 300, 0);
    wanted_calls = 2;
    net_loop_run(&the_loop);
    assert_int_equal(the_calls, 2);
    assert_false(the_all);
    assert_int_equal(the_numbers, 1);
    key_stores_release(sources, 1);
    key_store_close(writer.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_source_for_a_store, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_are_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
