#include "unit.h"

#include "auth/claims.h"
#include "auth/dpop_settings.h"
#include "base/clock.h"
#include "base/limits.h"

#define NOW   INT64_C(1700000000)
#define TIMES "\"iat\":1700000000,\"exp\":1700000600"
#define BASE  "\"iss\":\"https://idp\",\"aud\":\"orders\""
#define GOOD  "{" BASE "," TIMES "}"

static struct slice audiences[] = { SLICE_INIT("orders"), SLICE_INIT("stock") };
static struct slice required[] = { SLICE_INIT("sub"), SLICE_INIT("tenant") };
static const unsigned char thumbprint[32] = {
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
    17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32
};

static struct issuer_settings settings;
static struct jwt_request request;
static struct jws jws;

static int start(void **state)
{
    (void)state;
    settings = (struct issuer_settings){
        .issuer = SLICE("https://idp"),
        .audiences = { audiences, 2 },
        .algorithms = UINT64_C(1) << JWT_ES256,
        .token_types = 7,
        .clock_skew = 30 * NS_PER_S,
        .max_token_lifetime = 86400 * NS_PER_S,
    };
    request = (struct jwt_request){ .now = NOW };
    jws = (struct jws){ .algorithm = JWT_ES256 };
    return 0;
}

static enum deny_reason check(const char *payload)
{
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    struct json *json;
    assert_ok(json_parse(slice_from_string(payload), JSON_DEPTH_MAX, &arena, &json, NULL));
    struct claims claims;
    claims_read(&jws, json, &claims);
    enum deny_reason reason = claims_check(&claims, &settings, &request);
    arena_done(&arena);
    return reason;
}

static void accepts_an_access_token(void **state)
{
    (void)state;
    assert_int_equal(check(GOOD), DENY_NONE);
    assert_int_equal(
        check("{" BASE "," TIMES ",\"sub\":\"u\",\"client_id\":\"c\",\"scope\":\"a b\",\"typ\":\"Bearer\","
              "\"token_use\":\"access\",\"jti\":\"1\",\"sid\":\"s\",\"nbf\":1700000000,\"auth_time\":1}"),
        DENY_NONE);
}

static void issuer_and_algorithm_must_be_the_settings(void **state)
{
    (void)state;
    assert_int_equal(check("{\"aud\":\"orders\"," TIMES "}"), DENY_TOKEN_ISSUER);
    assert_int_equal(check("{\"iss\":\"https://idp/\",\"aud\":\"orders\"," TIMES "}"), DENY_TOKEN_ISSUER);
    assert_int_equal(check("{\"iss\":\"HTTPS://idp\",\"aud\":\"orders\"," TIMES "}"), DENY_TOKEN_ISSUER);
    assert_int_equal(check("{\"iss\":[\"https://idp\"],\"aud\":\"orders\"," TIMES "}"), DENY_TOKEN_ISSUER);
    settings.algorithms = UINT64_C(1) << JWT_RS256;
    assert_int_equal(check(GOOD), DENY_TOKEN_ALGORITHM);
}

static void audience_must_be_one_of_ours(void **state)
{
    (void)state;
    assert_int_equal(check("{\"iss\":\"https://idp\",\"aud\":[\"x\",\"stock\"]," TIMES "}"), DENY_NONE);
    assert_int_equal(check("{\"iss\":\"https://idp\"," TIMES "}"), DENY_TOKEN_AUDIENCE);
    assert_int_equal(check("{\"iss\":\"https://idp\",\"aud\":[]," TIMES "}"), DENY_TOKEN_AUDIENCE);
    assert_int_equal(check("{\"iss\":\"https://idp\",\"aud\":\"order\"," TIMES "}"), DENY_TOKEN_AUDIENCE);
    assert_int_equal(check("{\"iss\":\"https://idp\",\"aud\":\"ORDERS\"," TIMES "}"), DENY_TOKEN_AUDIENCE);
    assert_int_equal(check("{\"iss\":\"https://idp\",\"aud\":\"orders stock\"," TIMES "}"),
                     DENY_TOKEN_AUDIENCE);
    assert_int_equal(check("{\"iss\":\"https://idp\",\"aud\":{\"orders\":1}," TIMES "}"), DENY_TOKEN_CLAIM);
    assert_int_equal(check("{\"iss\":\"https://idp\",\"aud\":[\"orders\",1]," TIMES "}"), DENY_TOKEN_CLAIM);
    assert_int_equal(check("{\"iss\":\"https://idp\",\"aud\":null," TIMES "}"), DENY_TOKEN_CLAIM);
    settings.audiences.count = 0;
    assert_int_equal(check(GOOD), DENY_TOKEN_AUDIENCE);
}

static void expires_at_the_second(void **state)
{
    (void)state;
    settings.clock_skew = 0;
    request.now = 1700000599;
    assert_int_equal(check(GOOD), DENY_NONE);
    request.now = 1700000600;
    assert_int_equal(check(GOOD), DENY_TOKEN_EXPIRED);
    settings.clock_skew = 30 * NS_PER_S;
    request.now = 1700000629;
    assert_int_equal(check(GOOD), DENY_NONE);
    request.now = 1700000630;
    assert_int_equal(check(GOOD), DENY_TOKEN_EXPIRED);
}

static void is_not_taken_before_its_time(void **state)
{
    (void)state;
    request.now = NOW - 30;
    assert_int_equal(check(GOOD), DENY_NONE);
    request.now = NOW - 31;
    assert_int_equal(check(GOOD), DENY_TOKEN_NOT_YET);
    request.now = NOW;
    assert_int_equal(check("{" BASE "," TIMES ",\"nbf\":1700000030}"), DENY_NONE);
    assert_int_equal(check("{" BASE "," TIMES ",\"nbf\":1700000031}"), DENY_TOKEN_NOT_YET);
    assert_int_equal(check("{" BASE "," TIMES ",\"nbf\":1700000030.5}"), DENY_TOKEN_NOT_YET);
    assert_int_equal(check("{" BASE "," TIMES ",\"nbf\":0}"), DENY_NONE);
}

static void lives_no_longer_than_allowed(void **state)
{
    (void)state;
    assert_int_equal(check("{" BASE ",\"iat\":1700000000}"), DENY_TOKEN_LIFETIME);
    settings.max_token_lifetime = 600 * NS_PER_S;
    assert_int_equal(check(GOOD), DENY_NONE);
    assert_int_equal(check("{" BASE ",\"iat\":1699999999,\"exp\":1700000600}"), DENY_TOKEN_LIFETIME);
    /* without iat, from now on */
    assert_int_equal(check("{" BASE ",\"exp\":1700000600}"), DENY_NONE);
    assert_int_equal(check("{" BASE ",\"exp\":1700000601}"), DENY_TOKEN_LIFETIME);
    settings.max_token_lifetime = 86400 * NS_PER_S;
    assert_int_equal(check("{" BASE ",\"iat\":1700000000,\"exp\":253402300799}"), DENY_TOKEN_LIFETIME);
}

/* Dates that overflow, or that somebody else would read otherwise. */
static void dates_are_sane_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = { "\"1700000600\"",
                                       "null",
                                       "true",
                                       "[]",
                                       "{}",
                                       "-1",
                                       "-0.5",
                                       "1e300",
                                       "1e18",
                                       "9223372036854775807",
                                       "-9223372036854775808",
                                       "99999999999999999999",
                                       "1700000600000",
                                       "253402300799.5" };
    static const char *const names[] = { "exp", "nbf", "iat" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t n = 0; n < 3; n++) {
            char payload[256];
            snprintf(payload, sizeof payload, "{" BASE ",%s\"%s\":%s}", n == 0 ? "" : "\"exp\":1700000600,",
                     names[n], bad[i]);
            assert_int_equal(check(payload), DENY_TOKEN_CLAIM);
        }
    }
    assert_int_equal(check("{" BASE ",\"exp\":1700000600.75}"), DENY_NONE);
    assert_int_equal(check("{" BASE ",\"exp\":1.7000006e9,\"iat\":1.7e9}"), DENY_NONE);
    settings.clock_skew = 0;
    request.now = 1700000600;
    assert_int_equal(check("{" BASE ",\"exp\":1700000600.75}"), DENY_TOKEN_EXPIRED);
}

/* T37 */
static void other_kinds_of_tokens_are_refused(void **state)
{
    (void)state;
    static const char *const others[] = {
        "\"nonce\":\"n\"",
        "\"nonce\":null",
        "\"at_hash\":\"h\"",
        "\"c_hash\":\"h\"",
        "\"s_hash\":\"h\"",
        "\"token_use\":\"id\"",
        "\"token_use\":\"ID\"",
        "\"token_use\":[\"access\"]",
        "\"token_use\":\"refresh\"",
        "\"token_type\":\"refresh\"",
        "\"typ\":\"ID\"",
        "\"typ\":\"Refresh\"",
        "\"typ\":\"Offline\"",
        "\"typ\":\"Logout\"",
        "\"typ\":7",
        "\"events\":{\"http://schemas.openid.net/event/backchannel-logout\":{}}",
        "\"events\":[]",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char payload[256];
        snprintf(payload, sizeof payload, "{" BASE "," TIMES ",%s}", others[i]);
        assert_int_equal(check(payload), DENY_TOKEN_KIND);
    }
    /* a signed userinfo answer has no exp */
    assert_int_equal(check("{" BASE ",\"sub\":\"u\",\"email\":\"a@b\"}"), DENY_TOKEN_LIFETIME);
}

static void typ_follows_the_issuers_profile(void **state)
{
    (void)state;
    static const struct {
        const char *typ;
        int kind;
    } cases[] = {
        { NULL, JWT_TYP_ABSENT },
        { "at+jwt", JWT_TYP_AT_JWT },
        { "AT+JWT", JWT_TYP_AT_JWT },
        { "JWT", JWT_TYP_JWT },
        { "jwt", JWT_TYP_JWT },
        { "application/at+jwt", JWT_TYP_AT_JWT },
        { "logout+jwt", -1 },
        { "secevent+jwt", -1 },
        { "dpop+jwt", -1 },
        { "token-introspection+jwt", -1 },
        { "", -1 },
        { "at+jwt ", -1 },
        { "application/", -1 },
        { "text/at+jwt", -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (uint64_t allowed = 0; allowed < 8; allowed++) {
            jws.has_typ = cases[i].typ != NULL;
            jws.typ = slice_from_string(cases[i].typ);
            settings.token_types = allowed;
            bool good = cases[i].kind >= 0 && ((allowed >> cases[i].kind) & 1) != 0;
            assert_int_equal(check(GOOD), good ? DENY_NONE : DENY_TOKEN_KIND);
        }
    }
}

static void registered_claims_have_their_types(void **state)
{
    (void)state;
    static const char *const wrong[] = { "\"sub\":7",          "\"sub\":null", "\"client_id\":[\"c\"]",
                                         "\"azp\":{}",         "\"scope\":7",  "\"scope\":[1]",
                                         "\"scope\":{\"a\":1}" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char payload[256];
        snprintf(payload, sizeof payload, "{" BASE "," TIMES ",%s}", wrong[i]);
        assert_int_equal(check(payload), DENY_TOKEN_CLAIM);
    }
    assert_int_equal(check("{" BASE "," TIMES ",\"scope\":[\"a\",\"b\"],\"roles\":{\"a\":1}}"), DENY_NONE);
}

static void required_claims_must_be_there(void **state)
{
    (void)state;
    settings.required_claims = (struct conf_strings){ required, 2 };
    assert_int_equal(check(GOOD), DENY_TOKEN_CLAIM);
    assert_int_equal(check("{" BASE "," TIMES ",\"sub\":\"u\"}"), DENY_TOKEN_CLAIM);
    assert_int_equal(check("{" BASE "," TIMES ",\"sub\":\"u\",\"tenant\":null}"), DENY_NONE);
}

/* T36: the text is the thumbprint above. */
#define X5T "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"

static void a_bound_token_needs_its_proof(void **state)
{
    (void)state;
    static const char bound[] = "{" BASE "," TIMES ",\"cnf\":{\"x5t#S256\":\"" X5T "\"}}";
    assert_int_equal(check(bound), DENY_TOKEN_BOUND);
    request.client_thumbprint = thumbprint;
    assert_int_equal(check(bound), DENY_NONE);
    assert_int_equal(check(GOOD), DENY_NONE);
    unsigned char other[32];
    memcpy(other, thumbprint, sizeof other);
    other[31] ^= 1;
    request.client_thumbprint = other;
    assert_int_equal(check(bound), DENY_TOKEN_BOUND);
}

/* By dpop of its issuer, and by whose proof came along: none, its key's, another one's. */
static void a_token_that_is_bound_to_a_key(void **state)
{
    (void)state;
    static const char bound[] = "{" BASE "," TIMES ",\"cnf\":{\"jkt\":\"" X5T "\"}}";
    static const char by_certificate[] = "{" BASE "," TIMES ",\"cnf\":{\"x5t#S256\":\"" X5T "\"}}";
    unsigned char other[32];
    memcpy(other, thumbprint, sizeof other);
    other[0] ^= 1;
    const unsigned char *const proofs[] = { NULL, thumbprint, other };
    static const struct {
        int dpop;
        enum deny_reason bound[3], unbound[3];
    } cases[] = {
        { DPOP_OFF,
          { DENY_TOKEN_BOUND, DENY_TOKEN_BOUND, DENY_TOKEN_BOUND },
          { DENY_NONE, DENY_TOKEN_UNBOUND, DENY_TOKEN_UNBOUND } },
        { DPOP_ALLOWED,
          { DENY_TOKEN_BOUND, DENY_NONE, DENY_DPOP_OTHER_KEY },
          { DENY_NONE, DENY_TOKEN_UNBOUND, DENY_TOKEN_UNBOUND } },
        { DPOP_REQUIRED,
          { DENY_TOKEN_BOUND, DENY_NONE, DENY_DPOP_OTHER_KEY },
          { DENY_TOKEN_UNBOUND, DENY_TOKEN_UNBOUND, DENY_TOKEN_UNBOUND } },
    };
    request.client_thumbprint = thumbprint; /* which proves nothing of a key */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        settings.dpop = cases[i].dpop;
        for (size_t k = 0; k < 3; k++) {
            request.proof_key = proofs[k];
            assert_int_equal(check(bound), cases[i].bound[k]);
            assert_int_equal(check(GOOD), cases[i].unbound[k]);
            assert_int_equal(check(by_certificate), cases[i].unbound[k]);
        }
    }
    settings.dpop = DPOP_OFF;
    request.proof_key = NULL;
}

static void no_other_binding_is_taken(void **state)
{
    (void)state;
    static const char *const others[] = {
        "{}",
        "null",
        "\"" X5T "\"",
        "[]",
        "{\"jkt\":\"" X5T "\"}",
        "{\"jwk\":{}}",
        "{\"kid\":\"1\"}",
        "{\"x5t#S256\":\"" X5T "\",\"jkt\":\"" X5T "\"}",
        "{\"x5t#S256\":\"" X5T "\",\"unknown\":1}",
        "{\"x5t#S256\":[\"" X5T "\"]}",
        "{\"x5t#S256\":\"" X5T "=\"}",
        "{\"x5t#S256\":\"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw\"}",
        "{\"x5t#S256\":\"\"}",
        "{\"x5t\":\"" X5T "\"}",
    };
    request.client_thumbprint = thumbprint;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char payload[512];
        snprintf(payload, sizeof payload, "{" BASE "," TIMES ",\"cnf\":%s}", others[i]);
        assert_int_equal(check(payload), DENY_TOKEN_BOUND);
    }
}

static size_t scopes_of(const char *payload, struct slice *scopes, size_t capacity, struct arena *arena)
{
    struct json *json;
    assert_ok(json_parse(slice_from_string(payload), JSON_DEPTH_MAX, arena, &json, NULL));
    return claims_scopes(json, scopes, capacity);
}

static void collects_scopes_from_where_issuers_put_them(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 65536);
    struct slice scopes[8];
    assert_int_equal(scopes_of("{\"scope\":\" a  b \",\"scp\":[\"c\",\"\",7,\"d e\"],\"roles\":[\"f\",{}]}",
                               scopes, 8, &arena),
                     5);
    static const char *const expected[] = { "a", "b", "c", "d e", "f" };
    for (size_t i = 0; i < 5; i++) {
        assert_slice(scopes[i], expected[i]);
    }
    assert_int_equal(scopes_of("{\"scp\":\"a b\",\"scope\":[\"c\"]}", scopes, 8, &arena), 3);
    assert_int_equal(scopes_of("{\"roles\":\"admin\"}", scopes, 8, &arena), 0);
    assert_int_equal(scopes_of("{\"scope\":\"a b c\"}", scopes, 1, &arena), 3);
    arena_done(&arena);
}

static void too_many_scopes_are_refused(void **state)
{
    (void)state;
    char payload[4096] = "{" BASE "," TIMES ",\"scope\":\"";
    size_t used = strlen(payload);
    for (int i = 0; i < JWT_SCOPES_MAX; i++) {
        memcpy(payload + used, "a ", 2);
        used += 2;
    }
    memcpy(payload + used, "\"}", 3);
    assert_int_equal(check(payload), DENY_NONE);
    memcpy(payload + used, "b\"}", 4);
    assert_int_equal(check(payload), DENY_TOKEN_CLAIM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(accepts_an_access_token, start),
        cmocka_unit_test_setup(issuer_and_algorithm_must_be_the_settings, start),
        cmocka_unit_test_setup(audience_must_be_one_of_ours, start),
        cmocka_unit_test_setup(expires_at_the_second, start),
        cmocka_unit_test_setup(is_not_taken_before_its_time, start),
        cmocka_unit_test_setup(lives_no_longer_than_allowed, start),
        cmocka_unit_test_setup(dates_are_sane_numbers, start),
        cmocka_unit_test_setup(other_kinds_of_tokens_are_refused, start),
        cmocka_unit_test_setup(typ_follows_the_issuers_profile, start),
        cmocka_unit_test_setup(registered_claims_have_their_types, start),
        cmocka_unit_test_setup(required_claims_must_be_there, start),
        cmocka_unit_test_setup(a_bound_token_needs_its_proof, start),
        cmocka_unit_test_setup(a_token_that_is_bound_to_a_key, start),
        cmocka_unit_test_setup(no_other_binding_is_taken, start),
        cmocka_unit_test_setup(collects_scopes_from_where_issuers_put_them, start),
        cmocka_unit_test_setup(too_many_scopes_are_refused, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
