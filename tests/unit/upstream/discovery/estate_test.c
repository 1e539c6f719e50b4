#include "unit.h"

#include "base/arena.h"
#include "upstream/discovery/estate.h"

#include <stdio.h>
#include <unistd.h>

#define LIST "[{\"url\":\"http://10.0.0.1:1\",\"weight\":3,\"zone\":\"a\"},\"https://b.test:2\"]"

static struct arena memory;
static struct net_loop loop;
static char path[64];
static struct discovery_settings discover;
static struct upstream_settings upstream;
static struct discovery_estate estate;
static size_t left, changes;

static struct error on_found(void *context, struct slice name, const struct found_endpoints *found)
{
    (void)context;
    (void)name;
    (void)found;
    return OK;
}

static void on_change(void *context)
{
    (void)context;
    changes++;
}

static void keep(void *context, const struct discovery_estate *one)
{
    (void)context;
    left++;
    estate = (struct discovery_estate){ arena_copy(&memory, one->upstream), arena_copy(&memory, one->source),
                                        arena_copy(&memory, one->text) };
}

static struct discovery *open_one(void)
{
    struct discovery *discovery;
    assert_ok(discovery_new(&loop, on_found, on_change, NULL, &discovery));
    assert_ok(discovery_open(discovery, &upstream, 1));
    return discovery;
}

static size_t count_of(struct discovery *discovery)
{
    struct upstream_settings given = upstream;
    assert_ok(discovery_prepare(discovery, &given, 1, SLICE_NONE, &memory));
    return given.endpoints.count;
}

/* A process whose endpoints are in force leaves them. */
static void leave(void)
{
    left = 0;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(LIST, file);
    fclose(file);
    struct discovery *discovery = open_one();
    discovery_export(discovery, keep, NULL);
    assert_int_equal(left, 0); /* not in force yet */
    discovery_commit(discovery, &upstream, 1);
    discovery_export(discovery, keep, NULL);
    assert_int_equal(left, 1);
    discovery_free(discovery);
    unlink(path); /* the next one finds nothing by itself */
}

static int setup(void **state)
{
    (void)state;
    changes = 0;
    arena_init(&memory, (size_t)16 * 1024 * 1024);
    assert_ok(net_loop_init(&loop));
    snprintf(path, sizeof path, "/tmp/estate-%d.json", (int)getpid());
    discover =
        (struct discovery_settings){ .from = arena_printf(&memory, "file://%s", path), .interval = NS_PER_S };
    assert_null(discovery_parse(&discover, &memory));
    upstream = (struct upstream_settings){ .name = SLICE("orders"), .discover = &discover };
    leave();
    assert_int_equal(changes, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_loop_done(&loop);
    arena_done(&memory);
    unlink(path);
    return 0;
}

static void endpoints_come_through_and_go_on(void **state)
{
    (void)state;
    struct discovery *discovery = open_one();
    assert_int_equal(count_of(discovery), 0);
    discovery_inherit(discovery, &estate);
    assert_int_equal(count_of(discovery), 2);
    struct upstream_settings given = upstream;
    assert_ok(discovery_prepare(discovery, &given, 1, SLICE("a"), &memory));
    assert_slice(given.parsed[0].url, "http://10.0.0.1:1");
    assert_int_equal(given.parsed[0].weight, 3);
    assert_int_equal(given.parsed[0].tier, 0);
    assert_slice(given.parsed[1].name, "b.test");
    struct slice text = estate.text;
    discovery_commit(discovery, &upstream, 1);
    discovery_export(discovery, keep, NULL);
    assert_true(slice_equal(estate.text, text));
    discovery_free(discovery);
}

static void what_is_another_or_malformed_is_passed_over(void **state)
{
    (void)state;
    const struct discovery_estate good = estate;
    struct discovery *discovery = open_one();
    struct discovery_estate bad = good;
    bad.upstream = SLICE("other");
    discovery_inherit(discovery, &bad);
    bad = good;
    bad.source = SLICE("12345678");
    discovery_inherit(discovery, &bad);
    size_t first = good.text.len;
    for (size_t len = 0; len < good.text.len; len++) {
        struct discovery *other = open_one();
        bad = good;
        bad.text = slice_part(good.text, 0, len);
        discovery_inherit(other, &bad);
        size_t count = count_of(other);
        first = count == 1 && len < first ? len : first;
        assert_true(count == 0 || (count == 1 && len == first)); /* whole at the end of each */
        discovery_free(other);
    }
    assert_int_equal(count_of(discovery), 0);
    discovery_inherit(discovery, &good);
    assert_int_equal(count_of(discovery), 2);
    discovery_free(discovery);
}

static size_t inherited(void)
{
    struct discovery *discovery = open_one();
    discovery_inherit(discovery, &estate);
    size_t count = count_of(discovery);
    discovery_free(discovery);
    return count;
}

static void another_way_to_ask_is_another_source(void **state)
{
    (void)state;
    struct tls_client_settings tls = { .spiffe_trust_domain = SLICE("one.test") };
    discover.token_file = SLICE("/other");
    assert_int_equal(inherited(), 0);
    discover.tls = &tls;
    leave();
    assert_int_equal(inherited(), 2);
    tls.spiffe_trust_domain = SLICE("other.test");
    assert_int_equal(inherited(), 0);
    tls = (struct tls_client_settings){ .spiffe_trust_domain = SLICE("one.test"),
                                        .spiffe_ids = { .items = &SLICE("spiffe://one.test/consul"),
                                                        .count = 1 } };
    assert_int_equal(inherited(), 0);
    discover.tls = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(endpoints_come_through_and_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_another_or_malformed_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(another_way_to_ask_is_another_source, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
