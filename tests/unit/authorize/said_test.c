#include "authorize/said.h"
#include "unit.h"

static bool query_says(const char *query, const char *expected)
{
    struct slice value = SLICE_NONE;
    bool said = said_by_query(slice_from_string(query), SLICE("tenant_id"), &value);
    if (said) {
        assert_slice(value, expected);
    }
    return said;
}

static void one_clear_parameter_says_its_value(void **state)
{
    (void)state;
    assert_true(query_says("tenant_id=acme", "acme"));
    assert_true(query_says("a=1&tenant_id=acme&b", "acme"));
    assert_true(query_says("%74enant%5Fid=a%2Bb", "a%2Bb"));
    assert_true(query_says("tenant_id=a=b", "a=b"));
    assert_true(query_says("tenant_ids=x&xtenant_id=y&a;b&tenant_id=acme", "acme"));
}

static void what_could_be_read_twice_says_nothing(void **state)
{
    (void)state;
    static const char *const unclear[] = {
        "",
        "other=acme",
        "tenant_id",
        "tenant_id=",
        "tenant_id=acme&tenant_id=acme",
        "tenant_id=acme&tenant_id=evil",
        "tenant_id=acme&tenant_id",
        "tenant_id=acme&%74enant_id=evil",
        "tenant_id=acme&Tenant_ID=evil",
        "Tenant_ID=acme",
        "tenant_id=acme&tenant_id[]=evil",
        "tenant_id=acme&tenant_id%5B0%5D=evil",
        "tenant_id[]=acme",
        "tenant_id=acme&tenant.id=evil",
        "tenant_id=acme&tenant+id=evil",
        "tenant_id=acme&+tenant_id=evil",
        "tenant_id=acme&%20+tenant_id=evil",
        "tenant_id=acme&tenant_id%00x=evil",
        "tenant_id=acme;tenant_id=evil",
        "tenant_id=acme;x=1",
        "x=1;tenant_id=acme",
        "tenant_id=acme&x=1;tenant_id=evil",
        "tenant_id=a+b",
    };
    for (size_t i = 0; i < sizeof unclear / sizeof *unclear; i++) {
        if (query_says(unclear[i], "none")) {
            fail_msg("%s says something", unclear[i]);
        }
    }
    assert_false(query_says(NULL, "none"));
}

static bool fields_say(const char *first, const char *value, const char *second, const char *other)
{
    struct header fields[] = { { slice_from_string(first), slice_from_string(value), HEADER_OTHER },
                               { slice_from_string(second), slice_from_string(other), HEADER_OTHER } };
    struct headers headers = { fields, 2, 2 };
    struct slice said = SLICE_NONE;
    bool says = said_by_header(&headers, SLICE("X-Tenant"), &said);
    if (says) {
        assert_slice(said, "acme");
    }
    return says;
}

static void one_field_says_its_value(void **state)
{
    (void)state;
    assert_true(fields_say("X-Tenant", "acme", "X-Other", "evil"));
    assert_true(fields_say("X-Other", "evil", "x-tenant", "acme"));
    assert_false(fields_say("X-Tenant", "acme", "x-tenant", "acme"));
    assert_false(fields_say("X-Tenant", "acme", "X_Tenant", "evil"));
    assert_false(fields_say("X_Tenant", "acme", "X-Other", "evil"));
    assert_false(fields_say("X-Tenant", "acme, evil", "X-Other", ""));
    assert_false(fields_say("X-Tenant", "", "X-Other", ""));
    assert_false(fields_say("X-Tenants", "acme", "X-Tenan", "acme"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_clear_parameter_says_its_value),
        cmocka_unit_test(what_could_be_read_twice_says_nothing),
        cmocka_unit_test(one_field_says_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
