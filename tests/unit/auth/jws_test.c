#include "arena.h"

#include "auth/mint.h"

static enum deny_reason parse_header(const char *header)
{
    char text[4096];
    size_t used = mint_input(slice_from_string(header), SLICE("{}"), text);
    snprintf(text + used, sizeof text - used, ".AAAA");
    struct jws jws;
    return jws_parse(slice_from_string(text), &arena, &jws);
}

static void takes_a_token_apart(void **state)
{
    (void)state;
    /* {"alg":"ES256","kid":"k1","typ":"at+jwt"} . {"a":1} */
    static const char text[] = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiYXQrand0In0.eyJhIjoxfQ.AQID";
    struct jws jws;
    assert_int_equal(jws_parse(slice_from_string(text), &arena, &jws), DENY_NONE);
    assert_int_equal(jws.algorithm, JWT_ES256);
    assert_true(jws.has_kid && jws.has_typ);
    assert_slice(jws.kid, "k1");
    assert_slice(jws.typ, "at+jwt");
    assert_slice(jws.payload, "{\"a\":1}");
    assert_slice(jws.signature, "\x01\x02\x03");
    assert_slice(jws.signing_input, "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiYXQrand0In0.eyJhIjoxfQ");
}

static void refuses_what_is_no_compact_jws(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "...",
        "eyJhbGciOiJFUzI1NiJ9",
        "eyJhbGciOiJFUzI1NiJ9.e30",
        "eyJhbGciOiJFUzI1NiJ9.e30.AA.AA",
        "eyJhbGciOiJFUzI1NiJ9.e30.AA.AA.AA", /* a JWE has five parts */
        ".e30.AA",
        "eyJhbGciOiJFUzI1NiJ9.e30.AA==", /* padding */
        "eyJhbGciOiJFUzI1NiJ9.e30.AB",   /* a second spelling of one byte */
        "eyJhbGciOiJFUzI1NiJ9.e30.A",
        "eyJhbGciOiJFUzI1NiJ9.e30. AA",
        "eyJhbGciOiJFUzI1NiJ9.e3\n0.AA",
        "eyJhbGciOiJFUzI1NiJ9.e3+/.AA", /* the other alphabet */
        "W10.e30.AA",                   /* [] */
        "bnVsbA.e30.AA",                /* null */
        "e30.e30.AA",                   /* no alg */
        "{\"alg\":\"ES256\"}.e30.AA",
    };
    struct jws jws = { .algorithm = JWT_PS512 };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(jws_parse(slice_from_string(texts[i]), &arena, &jws), DENY_TOKEN_MALFORMED);
    }
    assert_int_equal(jws.algorithm, JWT_PS512);
    assert_int_equal(jws_parse(SLICE("eyJhbGciOiJFUzI1NiJ9.e30.AA"), &arena, &jws), DENY_NONE);
    assert_int_equal(jws_parse(SLICE("eyJhbGciOiJFUzI1NiJ9.."), &arena, &jws), DENY_NONE);
    assert_int_equal(jws.signature.len, 0);
}

static void refuses_a_header_that_reads_two_ways(void **state)
{
    (void)state;
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"alg\":\"none\"}"), DENY_TOKEN_MALFORMED);
    assert_int_equal(parse_header("{\"alg\":\"none\",\"\\u0061lg\":\"ES256\"}"), DENY_TOKEN_MALFORMED);
    assert_int_equal(parse_header("{\"alg\":[\"ES256\"]}"), DENY_TOKEN_MALFORMED);
    assert_int_equal(parse_header("{\"alg\":null}"), DENY_TOKEN_MALFORMED);
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"kid\":7}"), DENY_TOKEN_MALFORMED);
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"typ\":[\"JWT\"]}"), DENY_TOKEN_MALFORMED);
    assert_int_equal(parse_header("{\"alg\":\"ES256\"} "), DENY_NONE);
    assert_int_equal(parse_header("{\"alg\":\"ES256\"}}"), DENY_TOKEN_MALFORMED);
}

/* T17: no algorithm but those in the list, exactly as they are spelt there. */
static void knows_algorithms_by_exact_name(void **state)
{
    (void)state;
    static const char *const unknown[] = { "none",  "nOnE",     "None",   "NONE",         "",
                                           "es256", "ES256 ",   "ES256K", "Ed448",        "eddsa",
                                           "RS1",   "RSA-OAEP", "dir",    "ES256\\u0000", "HS1" };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        char header[64];
        snprintf(header, sizeof header, "{\"alg\":\"%s\"}", unknown[i]);
        assert_int_equal(parse_header(header), DENY_TOKEN_ALGORITHM);
    }
    assert_int_equal(jws_algorithm_of(SLICE("EdDSA")), JWT_EDDSA);
    assert_int_equal(jws_algorithm_of(SLICE("Ed25519")), JWT_ED25519);
    assert_int_equal(jws_algorithm_of(SLICE("HS512")), JWT_HS512);
}

static void refuses_every_critical_extension(void **state)
{
    (void)state;
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"exp\":1}"), DENY_TOKEN_CRITICAL);
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}"),
                     DENY_TOKEN_CRITICAL);
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":true}"),
                     DENY_TOKEN_CRITICAL);
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"crit\":[]}"), DENY_TOKEN_CRITICAL);
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"crit\":null}"), DENY_TOKEN_CRITICAL);
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"b64\":false}"), DENY_TOKEN_CRITICAL);
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"b64\":0}"), DENY_TOKEN_CRITICAL);
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"b64\":true}"), DENY_NONE);
    assert_int_equal(parse_header("{\"alg\":\"ES256\",\"future\":{\"x\":1}}"), DENY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_a_token_apart, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_compact_jws, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(refuses_a_header_that_reads_two_ways, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(knows_algorithms_by_exact_name, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(refuses_every_critical_extension, arena_start, arena_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
