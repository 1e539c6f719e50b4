#include "unit.h"

#include "auth/caller_kind.h"
#include "base/limits.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 16);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static enum caller_kind kind_of(const char *subject, const char *client, const char *claims,
                                const struct service_tokens_settings *marks)
{
    struct json *value = NULL;
    assert_ok(json_parse(slice_from_string(claims), JSON_DEPTH_MAX, &arena, &value, NULL));
    const struct principal principal = { .kind = PRINCIPAL_JWT,
                                         .subject = slice_from_string(subject),
                                         .client_id = slice_from_string(client),
                                         .claims = value };
    return caller_kind_of(&principal, marks);
}

static void by_what_proved_it(void **state)
{
    (void)state;
    const struct principal key = { .kind = PRINCIPAL_API_KEY, .subject = SLICE("acme") };
    const struct principal certificate = { .kind = PRINCIPAL_CERTIFICATE, .subject = SLICE("acme") };
    assert_int_equal(caller_kind_of(&key, NULL), CALLER_API_KEY);
    assert_int_equal(caller_kind_of(&certificate, NULL), CALLER_CERTIFICATE);
    assert_int_equal(caller_kind_of(&(struct principal){ .kind = PRINCIPAL_EXTERNAL }, NULL),
                     CALLER_EXTERNAL);
    assert_int_equal(
        caller_kind_of(&(struct principal){ .kind = PRINCIPAL_BASIC, .subject = SLICE("ann") }, NULL),
        CALLER_USER);
}

static void by_subject_and_client(void **state)
{
    (void)state;
    assert_int_equal(kind_of("alice", "app", "{}", NULL), CALLER_USER);
    assert_int_equal(kind_of("alice", "", "{}", NULL), CALLER_USER);
    assert_int_equal(kind_of("app", "app", "{}", NULL), CALLER_SERVICE);
    assert_int_equal(kind_of("", "app", "{}", NULL), CALLER_SERVICE);
    assert_int_equal(kind_of("", "", "{}", NULL), CALLER_SERVICE);
}

static void by_the_mark_of_its_issuer(void **state)
{
    (void)state;
    const struct service_tokens_settings gty = { SLICE("gty"), SLICE("client-credentials") };
    const struct service_tokens_settings host = { SLICE("a.host"), SLICE_NONE };
    assert_int_equal(kind_of("x@clients", "x", "{\"gty\":\"client-credentials\"}", &gty), CALLER_SERVICE);
    assert_int_equal(kind_of("alice", "x", "{\"gty\":\"password\"}", &gty), CALLER_USER);
    assert_int_equal(kind_of("alice", "x", "{}", &gty), CALLER_USER);
    assert_int_equal(kind_of("alice", "x", "{\"gty\":null}", &gty), CALLER_USER);
    assert_int_equal(kind_of("alice", "x", "{\"gty\":[\"password\"]}", &gty),
                     CALLER_SERVICE); /* cannot be judged */
    assert_int_equal(kind_of("alice", "x", "{\"a\":{\"host\":\"10.0.0.1\"}}", &host), CALLER_SERVICE);
    assert_int_equal(kind_of("alice", "x", "{\"a\":{}}", &host), CALLER_USER);
    assert_int_equal(kind_of("x", "x", "{\"gty\":\"password\"}", &gty), CALLER_SERVICE);
}

static void a_mark_is_a_claim(void **state)
{
    (void)state;
    const struct service_tokens_settings good = { .claim = SLICE("[\"https://a.example/gty\"]") };
    const struct service_tokens_settings bad = { .claim = SLICE("a..b") };
    assert_null(service_tokens_check(&good));
    assert_non_null(service_tokens_check(&bad));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_what_proved_it),
        cmocka_unit_test(by_subject_and_client),
        cmocka_unit_test(by_the_mark_of_its_issuer),
        cmocka_unit_test(a_mark_is_a_claim),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
