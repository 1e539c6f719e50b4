/* A store is followed on a loop: what changes is published, what fails changes nothing, what expires goes. */
#include "gateway/block_follower.h"

#include "base/clock.h"
#include "store_place.h"

static struct net_loop the_loop;
static struct block_follower *the_follower;
static struct block_set *the_set; /* the last one that was published; held */
static size_t the_publications;
static char the_audit[4096];
static bool (*the_goal)(void);

static void publish(void *context, struct block_set *set)
{
    (void)context;
    block_set_unref(the_set);
    the_set = block_set_ref(set);
    the_publications++;
}

static bool audit(void *context, struct slice event, struct slice detail)
{
    (void)context;
    size_t at = strlen(the_audit);
    snprintf(the_audit + at, sizeof the_audit - at, "%.*s %.*s\n", SLICE_ARG(event), SLICE_ARG(detail));
    return true;
}

static const struct block_follower_events events = { .publish = publish, .audit = audit };

static int setup(void **state)
{
    make_directory(state);
    snprintf(the_path, sizeof the_path, "%s/blocks.sqlite", the_directory);
    assert_ok(net_loop_init(&the_loop));
    the_set = NULL;
    the_publications = 0;
    the_audit[0] = '\0';
    assert_ok(block_follower_new(&the_loop, &events, NULL, &the_follower));
    return 0;
}

static int teardown(void **state)
{
    block_follower_free(the_follower);
    while (the_loop.uv.active_reqs.count > 0) {
        uv_run(&the_loop.uv, UV_RUN_ONCE);
    }
    assert_true(net_loop_done(&the_loop));
    block_set_unref(the_set);
    return remove_directory(state);
}

/* A configuration that has nothing but blocks. */
struct setting {
    struct settings settings;
    struct blocks_settings blocks;
    struct snapshot snapshot;
};

static void prepare_setting(struct setting *setting)
{
    *setting = (struct setting){ .blocks = { .store = slice_from_string(the_path) } };
    setting->settings.blocks = &setting->blocks;
    setting->snapshot = (struct snapshot){ .settings = &setting->settings, .references = 1000 };
}

static struct block_store *make_store(void)
{
    const struct block_store_options options = {
        .path = the_path, .access = BLOCK_STORE_CREATE, .group = (gid_t)-1, .busy_ms = 1000
    };
    struct block_store *store = NULL;
    assert_ok(block_store_open(&options, &store));
    return store;
}

static void add(struct block_store *store, const char *value, int64_t expires)
{
    const struct block_record record = { .kind = SLICE("consumer"),
                                         .issuer = SLICE(""),
                                         .value = slice_from_string(value),
                                         .reason = SLICE("why"),
                                         .by = SLICE("olga"),
                                         .created = clock_real_ns() / NS_PER_S,
                                         .expires = expires };
    uint64_t number = 0;
    assert_ok(block_store_add(store, &record, &number));
}

static void take_up(struct setting *setting)
{
    struct block_change *change = NULL;
    assert_ok(block_follower_prepare(the_follower, &setting->snapshot, &change));
    block_follower_commit(the_follower, change);
}

static bool is_blocked(const char *value)
{
    struct block_mark mark = block_mark_of(BLOCK_CONSUMER, SLICE_NONE, slice_from_string(value));
    return block_set_find(the_set, &mark, clock_real_ns() / NS_PER_S) != NULL;
}

static void look_at_goal(uv_timer_t *timer)
{
    (void)timer;
    if (the_goal()) {
        net_loop_stop(&the_loop);
    }
}

static void give_up(uv_timer_t *timer)
{
    (void)timer;
    net_loop_stop(&the_loop);
}

/* Runs the loop until it is reached, for 10 s at the most. */
static void run_until(bool (*goal)(void))
{
    uv_timer_t look, end;
    the_goal = goal;
    the_loop.stopping = false;
    uv_timer_init(&the_loop.uv, &look);
    uv_timer_init(&the_loop.uv, &end);
    uv_timer_start(&look, look_at_goal, 0, 10);
    uv_timer_start(&end, give_up, 10000, 0);
    net_loop_run(&the_loop);
    uv_close((uv_handle_t *)&look, NULL);
    uv_close((uv_handle_t *)&end, NULL);
    uv_run(&the_loop.uv, UV_RUN_NOWAIT);
    assert_true(goal());
}

static bool new_is_blocked(void)
{
    return is_blocked("new");
}

static void publishes_what_is_there_and_what_comes(void **state)
{
    (void)state;
    static struct setting setting; /* outlives the test: the follower holds it */
    struct block_store *store = make_store();
    add(store, "old", 0);
    prepare_setting(&setting);
    take_up(&setting);
    assert_int_equal(the_publications, 1);
    assert_true(is_blocked("old"));
    assert_string_equal(the_audit, "blocks_in_force 1\n");
    add(store, "new", 0);
    run_until(new_is_blocked);
    assert_true(is_blocked("old"));
    assert_non_null(strstr(the_audit, "block_added 2: consumer new, until ever, by olga: why\n"));
    assert_null(strstr(the_audit, "consumer old"));
    block_store_close(store);
}

static bool has_problem(void)
{
    return block_follower_problem(the_follower) != NULL;
}

static void what_fails_changes_nothing(void **state)
{
    (void)state;
    static struct setting setting; /* outlives the test: the follower holds it */
    struct block_store *store = make_store();
    add(store, "old", 0);
    block_store_close(store);
    prepare_setting(&setting);
    take_up(&setting);
    assert_int_equal(unlink(the_path), 0);
    run_until(has_problem);
    assert_true(is_blocked("old"));
    struct buffer metrics;
    buffer_init(&metrics, 65536);
    assert_true(block_follower_render(the_follower, &metrics));
    buffer_append_char(&metrics, '\0');
    assert_non_null(strstr(buffer_slice(&metrics).ptr, "sallyport_block_store_up 0\n"));
    assert_non_null(strstr(buffer_slice(&metrics).ptr, "sallyport_blocks{kind=\"consumer\"} 1\n"));
    buffer_done(&metrics);
    /* A configuration that names the same store goes on with what is known. */
    take_up(&setting);
    assert_true(is_blocked("old"));
    /* One whose store cannot be read is refused, and the one in force is no better for it. */
    static struct setting refused;
    struct block_change *change = NULL;
    prepare_setting(&refused);
    refused.blocks.store = SLICE("/nowhere/blocks.sqlite");
    assert_true(failed(block_follower_prepare(the_follower, &refused.snapshot, &change)));
    assert_true(has_problem());
}

static bool expiry_is_told(void)
{
    return strstr(the_audit, "block_expired 1: consumer old") != NULL;
}

static void what_expires_goes(void **state)
{
    (void)state;
    static struct setting setting; /* outlives the test: the follower holds it */
    struct block_store *store = make_store();
    add(store, "old", clock_real_ns() / NS_PER_S + 2);
    block_store_close(store);
    prepare_setting(&setting);
    take_up(&setting);
    assert_true(is_blocked("old"));
    run_until(expiry_is_told);
    assert_false(is_blocked("old"));
    assert_true(block_set_is_empty(the_set));
}

static void a_new_store_must_be_readable(void **state)
{
    (void)state;
    static struct setting setting; /* outlives the test: the follower holds it */
    struct block_change *change = NULL;
    prepare_setting(&setting);
    struct error error = block_follower_prepare(the_follower, &setting.snapshot, &change);
    assert_true(failed(error));
    assert_null(change);
    assert_int_equal(the_publications, 0);
    setting.blocks.store = SLICE("");
    take_up(&setting);
    assert_int_equal(the_publications, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(publishes_what_is_there_and_what_comes),
        TEST(what_fails_changes_nothing),
        TEST(what_expires_goes),
        TEST(a_new_store_must_be_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
