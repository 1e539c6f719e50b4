/* Location: what tells of the inside, and what the path filters took off. */
#include "filters.h"

static struct upstream_endpoint endpoints[3];

static const struct filter_origin *origin(void)
{
    static struct upstream_settings upstream;
    static struct filter_origin origin = { &upstream, SLICE_INIT("orders.internal"),
                                           SLICE_INIT("api.example.com") };
    endpoints[0] =
        (struct upstream_endpoint){ .host = SLICE_INIT("10.0.0.5"), .port = 9001, .is_address = true };
    assert_true(address_parse(SLICE("10.0.0.5"), &endpoints[0].address));
    endpoints[1] = (struct upstream_endpoint){ .host = SLICE_INIT("node.internal"), .port = 443 };
    endpoints[2] =
        (struct upstream_endpoint){ .host = SLICE_INIT("2001:db8::1"), .port = 80, .is_address = true };
    assert_true(address_parse(SLICE("2001:db8::1"), &endpoints[2].address));
    upstream.endpoints.count = 3;
    upstream.parsed = endpoints;
    return &origin;
}

static void location(struct filtering *f, const char *value)
{
    f->headers.count = 0;
    filtering_field(f, "Location", value);
}

static void hides(struct filtering *f, const char *value, const char *expected)
{
    location(f, value);
    assert_true(filter_hide_location(&f->headers, origin(), &f->arena));
    assert_slice(f->fields[0].value, expected);
}

static void internal_addresses_go(void **state)
{
    struct filtering *f = *state;
    hides(f, "http://10.0.0.5:9001/orders/1?x#y", "/orders/1?x#y");
    hides(f, "HTTPS://10.0.0.5:9001", "/");
    hides(f, "//10.0.0.5:9001/orders/1?x", "/orders/1?x");
    hides(f, "//10.0.0.5:9001//evil.example/", "/.//evil.example/");
    hides(f, "//node.internal/a", "/a");
    hides(f, "//[2001:db8::1]/a", "/a");
    hides(f, "https://node.internal/a", "/a");
    hides(f, "https://node.internal:443?a", "/?a");
    hides(f, "http://[2001:DB8::1]/a", "/a");
    hides(f, "http://orders.internal:8080/a", "/a"); /* what the upstream is told as Host, on any port */
}

static void other_services_stay(void **state)
{
    struct filtering *f = *state;
    static const char *const others[] = { "http://10.0.0.5:9002/",
                                          "http://node.internal/",
                                          "https://api.example.com/a",
                                          "https://evil.example/a",
                                          "/a",
                                          "a/b",
                                          "//10.0.0.5:9002/a",
                                          "//evil.example/a",
                                          "///10.0.0.5:9001/a",
                                          "/\\10.0.0.5:9001/a",
                                          "mailto:a@b.c",
                                          "http://a@10.0.0.5:9001/",
                                          "" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        hides(f, others[i], others[i]);
    }
}

/* A path that begins with "//" would lead to a host, were it a reference by itself. */
static void no_path_becomes_a_host(void **state)
{
    struct filtering *f = *state;
    hides(f, "http://10.0.0.5:9001//evil.example/", "/.//evil.example/");
    hides(f, "http://10.0.0.5:9001/\\evil.example/", "/./\\evil.example/");
    hides(f, "http://10.0.0.5:9001\\evil.example/", "/./\\evil.example/");
    /* Browsers leave tabs out. */
    hides(f, "http://10.0.0.5:9001/\t/evil.example/", "/./\t/evil.example/");
    hides(f, "http://10.0.0.5:9001/\t\t\\evil.example/", "/./\t\t\\evil.example/");
    hides(f, "http://10.0.0.5:9001/\ta/", "/\ta/");
}

static void rewrites(struct filtering *f, const char *from, const char *to, const char *value,
                     const char *expected)
{
    f->filters.count = 0;
    filtering_add(f, (struct filter_settings){ .rewrite_location = filtering_pair(f, from, to) });
    assert_ok(filtering_compile(f));
    location(f, value);
    f->run.origin = origin();
    assert_int_equal(filter_response(f->chain, &f->run), DENY_NONE);
    assert_slice(f->fields[0].value, expected);
}

static void prefixes_are_put_back(void **state)
{
    struct filtering *f = *state;
    rewrites(f, "/", "/api", "/orders/1?x", "/api/orders/1?x");
    rewrites(f, "/", "/api/", "/", "/api/");
    rewrites(f, "/v2", "/api", "/v2/orders", "/api/orders");
    rewrites(f, "/v2", "/api", "/v2", "/api");
    rewrites(f, "/v2", "/api", "/v2?x", "/api?x");
    rewrites(f, "/v2", "/api", "/v22", "/v22");
    rewrites(f, "/v2", "/", "/v2/a", "/a");
    rewrites(f, "/v2", "/", "/v2", "/");
    rewrites(f, "/", "/api", "https://api.example.com/a", "/api/a");
    rewrites(f, "/", "/api", "http://10.0.0.5:9001/a", "/api/a");
    rewrites(f, "/", "/api", "https://elsewhere.example/a", "https://elsewhere.example/a");
    rewrites(f, "/v2", "/", "/v2//evil.example", "/.//evil.example");
    assert_filter_refused(f, (struct filter_settings){ .rewrite_location = filtering_pair(f, "v2", "/") },
                          "begins with");
    assert_filter_refused(
        f, (struct filter_settings){ .rewrite_location = filtering_pair(f, "/", "https://x/") },
        "begins with");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILTERING_TEST(internal_addresses_go),
        FILTERING_TEST(other_services_stay),
        FILTERING_TEST(no_path_becomes_a_host),
        FILTERING_TEST(prefixes_are_put_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
