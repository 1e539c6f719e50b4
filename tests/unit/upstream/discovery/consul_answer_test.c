/* The answers are no recordings: they are written after the examples in the public documentation of Consul's HTTP API. */
#include "unit.h"

#include "upstream/discovery/consul_answer.h"

#define NODE \
    "\"Node\":{\"ID\":\"40e4a748\",\"Node\":\"foobar\",\"Address\":\"10.1.10.12\",\"Datacenter\":\"dc1\","
#define CHECKS                                                                                \
    "\"Checks\":[{\"Node\":\"foobar\",\"CheckID\":\"service:redis\",\"Status\":\"passing\"}," \
    "{\"Node\":\"foobar\",\"CheckID\":\"serfHealth\",\"Status\":\"passing\",\"Output\":\"\"}]"
#define SERVICE(more)     "\"Service\":{\"ID\":\"redis\",\"Service\":\"redis\",\"Tags\":[\"primary\"]," more "}"
#define INSTANCE(service) "{" NODE "\"Meta\":{\"zone\":\"a\"}}," SERVICE(service) "," CHECKS "}"

static struct arena scratch, memory;
static const struct found_frame frame = { "https", SLICE_INIT("redis.service.consul") };

static int set_up(void **state)
{
    (void)state;
    arena_init(&scratch, CONSUL_SCRATCH_MAX);
    arena_init(&memory, (size_t)4 * 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&scratch);
    arena_done(&memory);
    return 0;
}

static struct error parse(const char *text, struct found_endpoints *found)
{
    return consul_answer_parse(slice_from_string(text), &frame, &scratch, &memory, found);
}

static void an_instance_is_at_its_own_address_or_at_its_nodes(void **state)
{
    (void)state;
    struct found_endpoints found;
    assert_ok(parse(
        "[" INSTANCE(
            "\"Address\":\"10.1.10.13\",\"Port\":8000,\"Weights\":{\"Passing\":10,\"Warning\":"
            "1}") "," INSTANCE("\"Address\":\"\",\"Port\":8001") "," INSTANCE("\"Address\":\"fd00::7\","
                                                                              "\"Port\":8002") "," INSTANCE("\"Address\":\"redis.example.com\","
                                                                                                            "\"Port\":8003") "]",
        &found));
    assert_int_equal(found.count, 4);
    assert_slice(found.items[0].url, "https://10.1.10.12:8001");
    assert_slice(found.items[0].host, "redis.service.consul");
    assert_slice(found.items[0].zone, "a");
    assert_int_equal(found.items[0].weight, 1);
    assert_slice(found.items[1].url, "https://10.1.10.13:8000");
    assert_int_equal(found.items[1].weight, 10);
    assert_slice(found.items[2].url, "https://[fd00::7]:8002");
    assert_slice(found.items[3].url, "https://redis.example.com:8003");
}

static void the_service_says_its_zone_before_its_node(void **state)
{
    (void)state;
    struct found_endpoints found;
    assert_ok(
        parse("[" INSTANCE(
                  "\"Port\":1,\"Meta\":{\"zone\":\"m\"},\"Locality\":{\"Region\":\"r\",\"Zone\":"
                  "\"l\"}") "," INSTANCE("\"Port\":2,\"Meta\":{\"zone\":\"m\"}") "," INSTANCE("\"Port\":3,"
                                                                                              "\"Locality\":"
                                                                                              "null") "]",
              &found));
    assert_slice(found.items[0].zone, "l");
    assert_slice(found.items[1].zone, "m");
    assert_slice(found.items[2].zone, "a");
}

static void only_passing_instances_are_taken(void **state)
{
    (void)state;
    static const char *const others[] = { "warning", "critical", "maintenance", "" };
    struct found_endpoints found;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "[" INSTANCE("\"Port\":1") ",{" NODE "\"Meta\":null}," SERVICE(
                     "\"Port\":2") ",\"Checks\":[{\"Status\":\"passing\"},{\"Status\":\"%s\"}]}]",
                 others[i]);
        assert_ok(parse(text, &found));
        assert_int_equal(found.count, 1);
        assert_slice(found.items[0].url, "https://10.1.10.12:1");
    }
    assert_ok(parse(
        "[{" NODE "\"Meta\":{}}," SERVICE("\"Port\":2") ",\"Checks\":[{\"Status\":\"critical\"}]}]", &found));
    assert_int_equal(found.count, 0);
    assert_ok(parse("[]", &found));
    assert_int_equal(found.count, 0);
}

static void what_can_be_no_endpoint_is_passed_over_unless_nothing_else_is_there(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "\"Address\":\"10.0.0.1\",\"Port\":0",    "\"Address\":\"10.0.0.1\"",
        "\"Address\":\"10.0.0.1\",\"Port\":-1",   "\"Address\":\"10.0.0.1\",\"Port\":65536",
        "\"Address\":\"0.0.0.0\",\"Port\":1",     "\"Address\":\"ff02::1\",\"Port\":1",
        "\"Address\":\"a b\",\"Port\":1",         "\"Address\":\"x/../y\",\"Port\":1",
        "\"Address\":\"unix:/run/a\",\"Port\":1", "\"Address\":\"u@h\",\"Port\":1",
        "\"Address\":\"127.1\",\"Port\":1",       "\"Address\":\"05.1.10.13\",\"Port\":1",
        "\"Address\":\"a-\",\"Port\":1",          "\"Address\":\"0x7f000001\",\"Port\":1",
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        char text[2048];
        struct found_endpoints found;
        snprintf(text, sizeof text, "[{" NODE "\"Meta\":{}},\"Service\":{%s}}," INSTANCE("\"Port\":7") "]",
                 odd[i]);
        assert_ok(parse(text, &found));
        assert_int_equal(found.count, 1);
        assert_slice(found.items[0].url, "https://10.1.10.12:7");
        snprintf(text, sizeof text, "[{" NODE "\"Meta\":{}},\"Service\":{%s}}]", odd[i]);
        assert_fails(parse(text, &found), ERROR_VALUE);
    }
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum error_kind kind;
    } cases[] = {
        { "", ERROR_SYNTAX },
        { "rpc error: ACL not found", ERROR_SYNTAX },
        { "{}", ERROR_VALUE },
        { "[1]", ERROR_VALUE },
        { "null", ERROR_VALUE },
        { "[{\"Node\":{}}]", ERROR_VALUE },
        { "[{\"Service\":{}}]", ERROR_VALUE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct found_endpoints found;
        assert_fails(parse(cases[i].text, &found), cases[i].kind);
    }
}

static void there_are_at_most_1024(void **state)
{
    (void)state;
    for (size_t count = 1024; count <= 1025; count++) {
        struct found_endpoints found;
        char *text = malloc(count * 100 + 3), *end = text;
        assert_non_null(text);
        for (size_t i = 0; i < count; i++) {
            end += snprintf(end, 100, "%s{\"Node\":{\"Address\":\"10.0.0.1\"},\"Service\":{\"Port\":%zu}}",
                            i == 0 ? "[" : ",", i + 1);
        }
        memcpy(end, "]", 2);
        assert_int_equal(parse(text, &found).kind, count == 1024 ? ERROR_NONE : ERROR_VALUE);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_instance_is_at_its_own_address_or_at_its_nodes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_service_says_its_zone_before_its_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_passing_instances_are_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_can_be_no_endpoint_is_passed_over_unless_nothing_else_is_there,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(anything_else_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_are_at_most_1024, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
