#include "limits.h"

static struct limit_settings by(const char *text)
{
    return (struct limit_settings){ .limit = { 5, NS_PER_S }, .by = slice_from_string(text) };
}

static const char *problem_of(struct limit_settings settings)
{
    return limit_check_settings(&settings, SLICE("owner"), 0);
}

static void test_what_it_counts_by(void **state)
{
    (void)state;
    static const struct {
        const char *by;
        enum limit_by_kind kind;
        const char *argument, *name;
    } cases[] = {
        { "address", LIMIT_BY_ADDRESS, "", "address-1" },
        { "caller", LIMIT_BY_CALLER, "", "caller-1" },
        { "route", LIMIT_BY_ROUTE, "", "route-1" },
        { "claims.tenant", LIMIT_BY_CLAIM, "tenant", "claim-1" },
        { "claims.a.b", LIMIT_BY_CLAIM, "a.b", "claim-1" },
        { "claims[\"https://x.example/t\"]", LIMIT_BY_CLAIM, "[\"https://x.example/t\"]", "claim-1" },
        { "header:X-Client", LIMIT_BY_HEADER, "X-Client", "header-1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct limit_settings settings = by(cases[i].by);
        assert_null(limit_check_settings(&settings, SLICE("owner"), 0));
        assert_int_equal(settings.kind, cases[i].kind);
        assert_slice(settings.argument, cases[i].argument);
        assert_slice(settings.name, cases[i].name);
    }
    static const char *const bad[] = { "",       "Address",      "ip",      "claims.",
                                       "claims", "claims[\"\"]", "header:", "header:a b",
                                       "header", "header:a:b",   "callers" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_non_null(problem_of(by(bad[i])));
    }
}

static void test_numbers(void **state)
{
    (void)state;
    struct limit_settings settings = by("address");
    assert_null(problem_of(settings));
    settings.limit = (struct conf_rate){ 0, 0 };
    assert_non_null(problem_of(settings));
    settings.rate = (struct conf_rate){ 5, NS_PER_S };
    assert_null(problem_of(settings));
    settings.burst = 9;
    assert_null(problem_of(settings));
    settings.limit = (struct conf_rate){ 5, NS_PER_S };
    assert_non_null(problem_of(settings));
    settings.rate = (struct conf_rate){ 0, 0 };
    assert_non_null(problem_of(settings));
    settings.burst = 0;
    assert_null(problem_of(settings));

    static const struct conf_rate bad[] = {
        { 0, NS_PER_S }, { -1, NS_PER_S },        { 5, 0 }, { 5, NS_PER_MS }, { 5, 31 * 86400 * NS_PER_S },
        { 5, -1 },       { INT64_MAX, NS_PER_S },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        settings.limit = bad[i];
        assert_non_null(problem_of(settings));
        struct limit_settings rate = { .rate = bad[i], .by = SLICE("address") };
        assert_non_null(problem_of(rate));
    }
    settings.limit = (struct conf_rate){ SLOTS * (int64_t)SLOT_COUNT_MAX, 30 * 86400 * NS_PER_S };
    assert_null(problem_of(settings));
    struct limit_settings rate = { .rate = { 1, 86400 * NS_PER_S }, .burst = 366, .by = SLICE("address") };
    assert_non_null(problem_of(rate));
    rate.burst = -1;
    assert_non_null(problem_of(rate));
    rate.burst = 365;
    assert_null(problem_of(rate));
    struct limit_settings dense = { .rate = { 1000000000, 10 * NS_PER_MS }, .by = SLICE("address") };
    assert_non_null(problem_of(dense));
}

static void test_names(void **state)
{
    (void)state;
    struct limit_settings settings = by("address");
    assert_null(limit_check_settings(&settings, SLICE("owner"), 15));
    assert_slice(settings.name, "address-16");
    settings = by("address");
    assert_non_null(limit_check_settings(&settings, SLICE("owner"), 16));
    settings.name = SLICE("per \"client\"");
    assert_null(problem_of(settings));
    settings.name = SLICE("caf\xc3\xa9");
    assert_non_null(problem_of(settings));
    settings.name = SLICE("a\nb");
    assert_non_null(problem_of(settings));
    char text[65];
    memset(text, 'a', sizeof text);
    settings.name = slice_of(text, 65);
    assert_non_null(problem_of(settings));
    settings.name = slice_of(text, 64);
    assert_null(problem_of(settings));
}

static uint64_t identity_of(const char *owner, const char *name, struct conf_rate limit,
                            struct conf_rate rate, int64_t burst, const char *by_text, unsigned int position)
{
    struct limit_settings settings = { .name = slice_from_string(name),
                                       .limit = limit,
                                       .rate = rate,
                                       .burst = burst,
                                       .by = slice_from_string(by_text) };
    assert_null(limit_check_settings(&settings, slice_from_string(owner), position));
    return settings.identity;
}

static void test_identity(void **state)
{
    (void)state;
    const struct conf_rate none = { 0, 0 }, five = { 5, NS_PER_S };
    uint64_t identity = identity_of("route a", "n", five, none, 0, "address", 0);
    assert_int_equal(identity_of("route a", "n", five, none, 0, "address", 0), identity);
    /* A named rule keeps its counts wherever it stands. */
    assert_int_equal(identity_of("route a", "n", five, none, 0, "address", 3), identity);
    const uint64_t others[] = {
        identity_of("route b", "n", five, none, 0, "address", 0),
        identity_of("route a", "m", five, none, 0, "address", 0),
        identity_of("route a", "n", (struct conf_rate){ 6, NS_PER_S }, none, 0, "address", 0),
        identity_of("route a", "n", (struct conf_rate){ 5, 2 * NS_PER_S }, none, 0, "address", 0),
        identity_of("route a", "n", none, five, 0, "address", 0),
        identity_of("route a", "n", none, five, 6, "address", 0),
        identity_of("route a", "n", five, none, 0, "caller", 0),
        identity_of("route a", NULL, five, none, 0, "address", 0),
        identity_of("route a", NULL, five, none, 0, "address", 1),
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_not_equal(others[i], identity);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(others[i], others[k]);
        }
    }
}

static void test_the_table_of_fields(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct conf_field *field = limit_object.fields; field->name != NULL; field++, count++) {
        assert_non_null(field->help);
        assert_true(field->offset < limit_object.size);
    }
    assert_int_equal(count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_counts_by),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_the_table_of_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
