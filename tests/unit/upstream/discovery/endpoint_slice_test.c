/* The slices are no recordings: they are written after the public reference of Kubernetes' API, discovery.k8s.io/v1. */
#include "unit.h"

#include "upstream/discovery/endpoint_slice.h"

#define METADATA(version)                                           \
    "\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/" \
    "v1\",\"metadata\":{\"name\":\"orders-abc\","                   \
    "\"namespace\":\"shop\",\"resourceVersion\":\"" version         \
    "\",\"labels\":{\"kubernetes.io/service-name\":\"orders\"},"    \
    "\"managedFields\":[{\"fieldsV1\":{\"f:metadata\":{\"f:labels\":{\".\":{}}}}}]}"
#define PORTS                                                                                         \
    "\"ports\":[{\"name\":\"dns\",\"protocol\":\"UDP\",\"port\":53},{\"name\":\"http\",\"protocol\":" \
    "\"TCP\",\"port\":8080},"                                                                         \
    "{\"name\":\"metrics\",\"port\":9090},{\"name\":\"all\",\"port\":null}]"
#define OBJECT(type, endpoints, ports) \
    "{" METADATA("7") ",\"addressType\":\"" type "\",\"endpoints\":" endpoints "," ports "}"

static struct arena scratch, memory;

static int set_up(void **state)
{
    (void)state;
    arena_init(&scratch, SLICE_SCRATCH_MAX);
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

static struct error event(const char *type, const char *object, const char *port, struct slice_event *out)
{
    char text[4096];
    snprintf(text, sizeof text, "{\"type\":\"%s\",\"object\":%s}", type, object);
    return endpoint_slice_event(slice_from_string(text), slice_from_string(port), &scratch, &memory, out);
}

static void an_endpoint_has_address_zone_and_pod(void **state)
{
    (void)state;
    struct slice_event got;
    char text[ADDRESS_TEXT_MAX];
    assert_ok(event(
        "ADDED",
        OBJECT("IPv4",
               "[{\"addresses\":[\"10.1.2.3\",\"10.9.9.9\"],\"conditions\":{\"ready\":true},\"zone\":\"a\","
               "\"targetRef\":{\"kind\":\"Pod\",\"uid\":\"u-1\"},\"nodeName\":\"n\",\"hints\":{}}]",
               PORTS),
        "http", &got));
    assert_int_equal(got.kind, SLICE_PUT);
    assert_slice(got.version, "7");
    assert_slice(got.slice.name, "orders-abc");
    assert_int_equal(got.slice.count, 1);
    address_format(&got.slice.items[0].address, text);
    assert_string_equal(text, "10.1.2.3");
    assert_int_equal(got.slice.items[0].address.port, 8080);
    assert_slice(got.slice.items[0].zone, "a");
    assert_slice(got.slice.items[0].uid, "u-1");
    assert_ok(event("DELETED", OBJECT("IPv4", "null", "\"ports\":null"), "http", &got));
    assert_int_equal(got.kind, SLICE_DELETED);
    assert_slice(got.slice.name, "orders-abc");
}

static void conditions_that_are_not_said_are_as_the_api_has_them(void **state)
{
    (void)state;
    static const struct {
        const char *conditions;
        bool ready, ending;
    } cases[] = {
        { "{}", true, false },
        { "{\"ready\":null}", true, false },
        { "{\"ready\":true}", true, false },
        { "{\"ready\":true,\"serving\":false,\"terminating\":true}", true,
          false }, /* publishNotReadyAddresses */
        { "{\"ready\":false}", false, false },
        { "{\"ready\":false,\"serving\":true}", false, false },
        { "{\"ready\":false,\"serving\":true,\"terminating\":true}", false, true },
        { "{\"ready\":false,\"serving\":false,\"terminating\":true}", false, false },
        { "{\"ready\":false,\"terminating\":true}", false, false }, /* `serving` is then as `ready` */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice_event got;
        char object[1024];
        snprintf(object, sizeof object,
                 "{" METADATA("7") ",\"addressType\":\"IPv6\",\"endpoints\":[{\"addresses\":[\"fd00::1\"],"
                                   "\"conditions\":%s}]," PORTS "}",
                 cases[i].conditions);
        assert_ok(event("MODIFIED", object, "http", &got));
        assert_int_equal(got.slice.count, 1);
        assert_int_equal(got.slice.items[0].ready, cases[i].ready);
        assert_int_equal(got.slice.items[0].ending, cases[i].ending);
    }
}

static void a_port_is_known_by_its_name_or_is_the_only_one(void **state)
{
    (void)state;
    static const struct {
        const char *ports, *wanted;
        uint16_t port;
        bool ambiguous;
    } cases[] = {
        { PORTS, "http", 8080, false },
        { PORTS, "metrics", 9090, false },
        { PORTS, "dns", 0, false },
        { PORTS, "all", 0, false },
        { PORTS, "", 0, true },
        { PORTS, "htt", 0, false },
        { "\"ports\":[{\"port\":80}]", "", 80, false },
        { "\"ports\":[{\"name\":\"\",\"port\":80},{\"name\":\"u\",\"port\":81,\"protocol\":\"UDP\"}]", "", 80,
          false },
        { "\"ports\":[{\"name\":\"\",\"port\":80}]", "http", 0, false },
        { "\"ports\":[]", "", 0, false },
        { "\"ports\":null", "http", 0, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice_event got;
        char object[1024];
        snprintf(
            object, sizeof object,
            "{" METADATA("7") ",\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]}],%s}",
            cases[i].ports);
        assert_ok(event("ADDED", object, cases[i].wanted, &got));
        assert_int_equal(got.slice.count, cases[i].port != 0);
        assert_int_equal(got.slice.portless, cases[i].port == 0);
        assert_int_equal(got.slice.ambiguous, cases[i].ambiguous);
        if (cases[i].port != 0) {
            assert_int_equal(got.slice.items[0].address.port, cases[i].port);
        }
    }
}

static void what_can_be_no_endpoint_is_passed_over(void **state)
{
    (void)state;
    struct slice_event got;
    assert_ok(event(
        "ADDED",
        OBJECT("IPv4",
               "[{\"addresses\":[]},{},{\"addresses\":[\"0.0.0.0\"]},{\"addresses\":[\"a.example.com\"]},"
               "{\"addresses\":[1]},7,{\"addresses\":[\"10.0.0.1\"]}]",
               PORTS),
        "http", &got));
    assert_int_equal(got.slice.count, 1);
    assert_ok(event("ADDED", OBJECT("FQDN", "[{\"addresses\":[\"a.example.com\"]}]", PORTS), "http", &got));
    assert_int_equal(got.slice.count + got.slice.portless, 0);
}

static void bookmarks_and_errors_are_events(void **state)
{
    (void)state;
    struct slice_event got;
    assert_ok(
        event("BOOKMARK",
              "{\"metadata\":{\"resourceVersion\":\"12746\",\"creationTimestamp\":null},\"endpoints\":null}",
              "", &got));
    assert_int_equal(got.kind, SLICE_BOOKMARK);
    assert_slice(got.version, "12746");
    assert_ok(event(
        "ERROR",
        "{\"kind\":\"Status\",\"message\":\"too old resource version\",\"reason\":\"Expired\",\"code\":410}",
        "", &got));
    assert_int_equal(got.kind, SLICE_EXPIRED);
    assert_ok(event("ERROR", "{\"kind\":\"Status\",\"message\":\"boom\",\"code\":500}", "", &got));
    assert_int_equal(got.kind, SLICE_ERROR);
    assert_slice(got.message, "boom");
}

static void anything_else_is_no_event(void **state)
{
    (void)state;
    static const struct {
        const char *type, *object;
        enum error_kind kind;
    } cases[] = {
        { "OTHER", "{}", ERROR_VALUE },
        { "ADDED", "{}", ERROR_VALUE },
        { "ADDED", "1", ERROR_VALUE },
        { "ADDED", "{", ERROR_SYNTAX },
        { "BOOKMARK", "{\"metadata\":{}}", ERROR_VALUE },
        { "BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"\"}}", ERROR_VALUE },
        { "BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"1&watch=false\"}}", ERROR_VALUE },
        { "ADDED", "{\"metadata\":{\"resourceVersion\":\"1\"}}", ERROR_VALUE },
        { "ADDED", "{\"metadata\":{\"resourceVersion\":\"1\",\"name\":\"\"}}", ERROR_VALUE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice_event got;
        assert_fails(event(cases[i].type, cases[i].object, "", &got), cases[i].kind);
    }
}

static struct error list(const char *text, struct slice_list *out)
{
    return endpoint_slice_list(slice_from_string(text), SLICE("http"), &scratch, &memory, out);
}

static void a_list_has_slices_and_a_version(void **state)
{
    (void)state;
    struct slice_list got;
    assert_ok(
        list("{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"12\"},\"items\":[" OBJECT(
                 "IPv4", "[{\"addresses\":[\"10.0.0.1\"]}]", PORTS) "," OBJECT("IPv6", "null", PORTS) "]}",
             &got));
    assert_int_equal(got.count, 2);
    assert_slice(got.version, "12");
    assert_int_equal(got.items[0].count, 1);
    assert_ok(list(
        "{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"12\"},\"items\":null}", &got));
    assert_int_equal(got.count, 0);
    static const struct {
        const char *text;
        enum error_kind kind;
    } cases[] = {
        { "", ERROR_SYNTAX },
        { "[]", ERROR_VALUE },
        { "{\"kind\":\"EndpointSliceList\",\"metadata\":{},\"items\":[]}", ERROR_VALUE },
        { "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}", ERROR_VALUE },
        { "{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":{}}",
          ERROR_VALUE },
        { "{\"kind\":\"EndpointSliceList\",\"metadata\":{\"resourceVersion\":\"1\",\"continue\":\"x\"},"
          "\"items\":[]}",
          ERROR_VALUE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_fails(list(cases[i].text, &got), cases[i].kind);
    }
}

static void a_refusal_says_why(void **state)
{
    (void)state;
    assert_slice(endpoint_slice_refusal(SLICE("{\"kind\":\"Status\",\"message\":\"forbidden\",\"code\":403}"),
                                        &scratch),
                 "forbidden");
    assert_int_equal(endpoint_slice_refusal(SLICE("<html>"), &scratch).len, 0);
    assert_int_equal(endpoint_slice_refusal(SLICE("{\"message\":\"x\"}"), &scratch).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_endpoint_has_address_zone_and_pod, set_up, tear_down),
        cmocka_unit_test_setup_teardown(conditions_that_are_not_said_are_as_the_api_has_them, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_port_is_known_by_its_name_or_is_the_only_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_can_be_no_endpoint_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bookmarks_and_errors_are_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(anything_else_is_no_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_has_slices_and_a_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_says_why, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
