/* What is kept of a key set, and what is made of what was kept. */
#include "unit.h"

#include "auth/jwks_record.h"
#include "auth/jwt.h"
#include "auth/mint.h"

static struct mint_key rsa, p256;
static struct arena arena;
static struct buffer out;

static int start(void **state)
{
    (void)state;
    rsa = mint_rsa(2048);
    p256 = mint_ec("P-256");
    return 0;
}

static int finish(void **state)
{
    (void)state;
    mint_done(&rsa);
    mint_done(&p256);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, JWKS_RECORD_TREE);
    buffer_init(&out, JWKS_RECORD_MAX + 4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    buffer_done(&out);
    return 0;
}

#define BOOT "0b5bb5b6-0000-4000-8000-000000000001"

static struct jwks_record record_of(const char *text)
{
    struct jwks_record record = { .issuer = SLICE("https://idp.example.com"),
                                  .source = SLICE("https://idp.example.com/keys"),
                                  .fetched = { .real = 1000000, .since_boot = 5000 },
                                  .text = slice_from_string(text) };
    memcpy(record.fetched.boot, BOOT, sizeof record.fetched.boot);
    return record;
}

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    char text[8192];
    size_t used = 0;
    snprintf(text, sizeof text, "{\"keys\":[%s,%s],\"more\":1}", mint_jwk(&rsa, "\"kid\":\"1\""),
             mint_jwk(&p256, "\"kid\":\"2\",\"key_ops\":[\"verify\"]"));
    struct jwks_record record = record_of(text), back;
    assert_ok(jwks_record_write(&record, &out));
    assert_ok(jwks_record_read(buffer_slice(&out), &arena, &back));
    assert_slice(back.issuer, "https://idp.example.com");
    assert_slice(back.source, "https://idp.example.com/keys");
    assert_int_equal(back.fetched.real, 1000000);
    assert_int_equal(back.fetched.since_boot, 5000);
    assert_memory_equal(back.fetched.boot, BOOT, JWKS_BOOT_SIZE);
    assert_ok(jwt_keys_check(back.text, &used));
    assert_int_equal(used, 2);
    assert_true(slice_contains(back.text, SLICE("\"key_ops\":[\"verify\"]")));
    assert_false(slice_contains(back.text, SLICE("more")));
}

/* Whatever is published by mistake, nothing that signs is kept. */
static void no_secret_is_kept(void **state)
{
    (void)state;
    static const char *const secrets[] = {
        "{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC0\"}",
        "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"c2VjcmV0\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
    };
    char text[16384];
    snprintf(text, sizeof text, "{\"keys\":[%s,%s,%s,%s]}", secrets[0],
             mint_jwk(&rsa, "\"kid\":\"p\",\"d\":\"c2VjcmV0\""), secrets[1],
             mint_jwk(&p256, "\"kid\":\"good\",\"x5c\":[\"c2VjcmV0\"],\"p\":\"c2VjcmV0\",\"oth\":[{}]"));
    struct jwks_record record = record_of(text);
    assert_ok(jwks_record_write(&record, &out));
    struct slice kept = buffer_slice(&out);
    assert_true(slice_contains(kept, SLICE("\"good\"")));
    assert_false(slice_contains(kept, SLICE("c2VjcmV0")));
    assert_false(slice_contains(kept, SLICE("oct")));
    buffer_clear(&out);
    snprintf(text, sizeof text, "{\"keys\":[%s]}", secrets[0]);
    record = record_of(text);
    assert_int_equal(jwks_record_write(&record, &out).kind, ERROR_VALUE); /* none is left */
}

static void what_is_no_key_set_is_not_kept(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[7]}" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct jwks_record record = record_of(texts[i]);
        assert_true(failed(jwks_record_write(&record, &out)));
        buffer_clear(&out);
    }
}

#define HEAD "\"issuer\":\"i\",\"source\":\"s\",\"fetched_at\":1,\"fetched_since_boot\":1"

static void what_is_no_record_is_not_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "null",
        "[]",
        "{" HEAD ",\"boot\":\"\"}",
        "{\"version\":1," HEAD "}",
        "{\"version\":1," HEAD ",\"boot\":\"short\"}",
        "{\"version\":2," HEAD ",\"boot\":\"\"}",
        "{\"version\":\"1\"," HEAD ",\"boot\":\"\"}",
        "{\"version\":1," HEAD ",\"boot\":\"\",\"issuer\":\"j\"}",
        "{\"version\":1,\"issuer\":1,\"source\":\"s\",\"fetched_at\":1,\"fetched_since_boot\":1,\"boot\":"
        "\"\"}",
        "{\"version\":1,\"issuer\":\"i\",\"source\":\"s\",\"fetched_at\":-1,\"fetched_since_boot\":1,"
        "\"boot\":\"\"}",
        "{\"version\":1,\"issuer\":\"i\",\"source\":\"s\",\"fetched_at\":1e99,\"fetched_since_boot\":1,"
        "\"boot\":\"\"}",
        "{\"version\":1,\"issuer\":\"i\",\"source\":\"s\",\"fetched_at\":1,\"fetched_since_boot\":-1,"
        "\"boot\":\"\"}",
    };
    struct jwks_record record;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(failed(jwks_record_read(slice_from_string(texts[i]), &arena, &record)));
    }
    assert_ok(jwks_record_read(SLICE("{\"version\":1," HEAD ",\"boot\":\"\"}"), &arena, &record));
}

static int64_t age(int64_t real, int64_t since_boot, const char *boot)
{
    struct jwks_record record = record_of("");
    struct jwks_clocks now = { .real = real, .since_boot = since_boot };
    memcpy(now.boot, boot, sizeof now.boot);
    return jwks_record_age(&record, &now);
}

static void a_record_is_as_old_as_the_clock_says_that_says_more(void **state)
{
    (void)state;
    static const char other[] = "0b5bb5b6-0000-4000-8000-000000000002";
    static const char none[JWKS_BOOT_SIZE];
    assert_int_equal(age(1000000, 5000, BOOT), 0);
    assert_int_equal(age(1000060, 5060, BOOT), 60);
    assert_int_equal(age(1000010, 5060, BOOT), 60); /* set back since */
    assert_int_equal(age(1000060, 5010, BOOT), 60); /* set forward: it does not get younger for it */
    assert_int_equal(age(999999, 5060, BOOT), -1);
    assert_int_equal(age(1000060, 4999, BOOT), -1);
    assert_int_equal(age(1000060, 10, other), 60); /* started anew */
    assert_int_equal(age(999999, 10, other), -1);
    /* Where no boot is told: it is of this one if it is younger than this one. */
    assert_int_equal(age(1000060, 5060, none), 60);
    assert_int_equal(age(1000010, 5060, none), 60); /* set back since */
    assert_int_equal(age(1000060, 9000, none), 4000);
    assert_int_equal(age(1000060, 30, none), 60); /* from before */
    assert_int_equal(age(1000060, 70, none), 60);
    assert_int_equal(age(1000060, 4000, none), -1); /* of this one, which has not come so far yet */
}

static void clocks_are_told(void **state)
{
    (void)state;
    struct jwks_clocks one, other;
    jwks_clocks_read(&one);
    jwks_clocks_read(&other);
    assert_true(one.real > 1700000000 && one.since_boot >= 0);
    assert_memory_equal(one.boot, other.boot, sizeof one.boot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(no_secret_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_key_set_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_record_is_not_read, setup, teardown),
        cmocka_unit_test(a_record_is_as_old_as_the_clock_says_that_says_more),
        cmocka_unit_test(clocks_are_told),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
