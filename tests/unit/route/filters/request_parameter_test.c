#include "filters.h"

static void becomes(struct filtering *f, const char *query, const char *expected)
{
    f->run.query = slice_from_string(query);
    assert_int_equal(filtering_run(f, "/"), DENY_NONE);
    if (expected == NULL) {
        assert_null(f->run.query.ptr);
        return;
    }
    assert_slice(f->run.query, expected);
    assert_true(uri_query_valid(f->run.query));
}

static void adds(void **state)
{
    struct filtering *f = *state;
    filtering_add(
        f, (struct filter_settings){ .add_request_parameter = filtering_pair(f, "via", "a b&c=d#e?%") });
    becomes(f, NULL, "via=a%20b%26c%3Dd%23e%3F%25");
    becomes(f, "", "via=a%20b%26c%3Dd%23e%3F%25");
    becomes(f, "x=1", "x=1&via=a%20b%26c%3Dd%23e%3F%25");
}

/* What a server may take for the parameter that is added goes: of two, some read the first. */
static void replaces_the_clients_own(void **state)
{
    struct filtering *f = *state;
    filtering_add(f,
                  (struct filter_settings){ .add_request_parameter = filtering_pair(f, "tenant", "acme") });
    becomes(f, "tenant=evil&x=1", "x=1&tenant=acme");
    becomes(f, "%74enant=evil&TENANT=evil&tenant[]=evil&x=1&a;tenant=evil", "x=1&tenant=acme");
    becomes(f, "tenants=2", "tenants=2&tenant=acme");
}

/* "&" and "=" stand in a segment as they are: they must not begin a parameter. */
static void variables_are_encoded_anew(void **state)
{
    struct filtering *f = *state;
    f->paths[0] = SLICE("/{id}");
    filtering_variable(f, "id", "1&admin=true%23%C3%A4");
    filtering_add(f, (struct filter_settings){ .add_request_parameter = filtering_pair(f, "id", "x{id}") });
    becomes(f, NULL, "id=x1%26admin%3Dtrue%23%C3%A4");
}

static void tells_of_the_caller(void **state)
{
    struct filtering *f = *state;
    struct principal caller = { .kind = PRINCIPAL_JWT, .subject = SLICE_INIT("a&b=c") };
    filtering_add(
        f, (struct filter_settings){ .add_request_parameter = filtering_pair(f, "user", "{subject}") });
    f->run.principal = &caller;
    becomes(f, "user=admin", "user=a%26b%3Dc");
    f->run.principal =
        NULL; /* nobody: nothing is said, and what the client says of it is gone all the same */
    becomes(f, "user=admin", NULL);
}

static void names_of_nothing_are_told(void **state)
{
    struct filtering *f = *state;
    struct conf_pairs pairs = filtering_pair(f, "user", "{claim.sub}");
    assert_filter_refused(f, (struct filter_settings){ .add_request_parameter = pairs },
                          "no variable {claim.sub}; a brace is written \"{{\", and who is calling {subject}, "
                          "{claims.NAME}");
}

static void removes(void **state)
{
    struct filtering *f = *state;
    filtering_add(f, (struct filter_settings){ .remove_request_parameter = filtering_name(f, "debug") });
    becomes(f, "debug=1&x=2", "x=2");
    becomes(f, "debug", NULL);
    becomes(f, "x=debug", "x=debug");
    becomes(f, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILTERING_TEST(adds),
        FILTERING_TEST(replaces_the_clients_own),
        FILTERING_TEST(variables_are_encoded_anew),
        FILTERING_TEST(tells_of_the_caller),
        FILTERING_TEST(names_of_nothing_are_told),
        FILTERING_TEST(removes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
