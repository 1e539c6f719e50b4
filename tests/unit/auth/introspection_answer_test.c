#include "unit.h"

#include "auth/dpop_settings.h"
#include "auth/introspection_answer.h"
#include "base/clock.h"
#include "base/limits.h"

#define NOW INT64_C(1700000000)

static struct slice audience[] = { SLICE_INIT("orders") }, tenant[] = { SLICE_INIT("tenant") };

static struct introspection_settings settings;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    settings = (struct introspection_settings){
        .name = SLICE("main"), .audiences = { audience, 1 }, .issuer = SLICE(""), .clock_skew = 30 * NS_PER_S
    };
    arena_init(&arena, JWT_TREE_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static enum deny_reason read_text(const char *text)
{
    struct json *payload = NULL;
    return introspection_answer_read(slice_from_string(text), &arena, &payload);
}

static enum deny_reason judge_by(const char *text, const unsigned char *thumbprint,
                                 const unsigned char *proof_key)
{
    struct json *payload = NULL;
    struct claims claims;
    enum deny_reason reason = introspection_answer_read(slice_from_string(text), &arena, &payload);
    if (reason != DENY_NONE) {
        return reason;
    }
    claims_read_payload(payload, &claims);
    const struct introspection_moment moment = { .now = NOW,
                                                 .client_thumbprint = thumbprint,
                                                 .proof_key = proof_key };
    return introspection_check(&claims, &settings, &moment);
}

static enum deny_reason judge_with(const char *text, const unsigned char *thumbprint)
{
    return judge_by(text, thumbprint, NULL);
}

static enum deny_reason judge(const char *text)
{
    return judge_with(text, NULL);
}

static void active_is_exactly_true(void **state)
{
    (void)state;
    assert_int_equal(read_text("{\"active\":true}"), DENY_NONE);
    assert_int_equal(read_text("{\"active\":false}"), DENY_TOKEN_INACTIVE);
    assert_int_equal(read_text("{\"active\":false,\"exp\":\"nonsense\"}"), DENY_TOKEN_INACTIVE);
    static const char *const nonsense[] = {
        "",
        "{}",
        "[]",
        "true",
        "null",
        "{\"active\":\"true\"}",
        "{\"active\":1}",
        "{\"active\":null}",
        "{\"active\":[true]}",
        "{\"Active\":true}",
        "{\"active\":true",
        "{\"active\":true}x",
        "{\"active\":false,\"active\":true}",
        "{\"active\":true,\"exp\":\"1\"}",
        "{\"active\":true,\"exp\":-1}",
        "{\"active\":true,\"nbf\":[]}",
        "{\"active\":true,\"aud\":1}",
        "{\"active\":true,\"aud\":[1]}",
        "{\"active\":true,\"scope\":7}",
        "{\"active\":true,\"sub\":{}}",
        "{\"active\":true,\"client_id\":5}",
        "{\"active\":true,\"iss\":1}",
    };
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        arena_reset(&arena);
        assert_int_equal(read_text(nonsense[i]), DENY_INTROSPECTION_ANSWER);
    }
}

static void too_much_is_nonsense(void **state)
{
    (void)state;
    static char text[INTROSPECTION_TEXT_MAX + 2];
    struct json *payload = NULL;
    memset(text, ' ', sizeof text);
    memcpy(text, "{\"active\":true}", 15);
    assert_int_equal(introspection_answer_read(slice_of(text, INTROSPECTION_TEXT_MAX), &arena, &payload),
                     DENY_NONE);
    assert_int_equal(introspection_answer_read(slice_of(text, INTROSPECTION_TEXT_MAX + 1), &arena, &payload),
                     DENY_INTROSPECTION_ANSWER);
}

static void it_is_meant_for_us(void **state)
{
    (void)state;
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\"}"), DENY_NONE);
    assert_int_equal(judge("{\"active\":true,\"aud\":[\"x\",\"orders\"]}"), DENY_NONE);
    assert_int_equal(judge("{\"active\":true}"), DENY_TOKEN_AUDIENCE);
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders2\"}"), DENY_TOKEN_AUDIENCE);
    settings.audiences.count = 0;
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\"}"), DENY_TOKEN_AUDIENCE);
    settings.server_checks_audience = true;
    assert_int_equal(judge("{\"active\":true}"), DENY_NONE);
}

static void of_our_issuer_with_what_is_required(void **state)
{
    (void)state;
    settings.issuer = SLICE("https://idp");
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\"}"), DENY_TOKEN_ISSUER);
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"iss\":\"https://idp/\"}"),
                     DENY_TOKEN_ISSUER);
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"iss\":\"https://idp\"}"), DENY_NONE);
    settings.required_claims = (struct conf_strings){ tenant, 1 };
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"iss\":\"https://idp\"}"), DENY_TOKEN_CLAIM);
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"iss\":\"https://idp\",\"tenant\":0}"),
                     DENY_NONE);
}

static void in_its_time(void **state)
{
    (void)state;
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"exp\":1699999971}"), DENY_NONE);
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"exp\":1699999970}"), DENY_TOKEN_EXPIRED);
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"nbf\":1700000030}"), DENY_NONE);
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"nbf\":1700000031}"), DENY_TOKEN_NOT_YET);
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"iat\":1700000031}"), DENY_TOKEN_NOT_YET);
}

static void an_access_token(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum deny_reason reason;
    } types[] = {
        { "\"Bearer\"", DENY_NONE },
        { "\"bearer\"", DENY_NONE },
        { "\"access_token\"", DENY_NONE },
        { "\"DPoP\"", DENY_TOKEN_BOUND },
        { "\"refresh_token\"", DENY_TOKEN_KIND },
        { "\"mac\"", DENY_TOKEN_KIND },
        { "\"\"", DENY_TOKEN_KIND },
        { "7", DENY_TOKEN_KIND },
        { "null", DENY_TOKEN_KIND },
    };
    char text[128];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        snprintf(text, sizeof text, "{\"active\":true,\"aud\":\"orders\",\"token_type\":%s}", types[i].type);
        assert_int_equal(judge(text), types[i].reason);
    }
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"nonce\":\"x\"}"), DENY_TOKEN_KIND);
    assert_int_equal(judge("{\"active\":true,\"aud\":\"orders\",\"typ\":\"Refresh\"}"), DENY_TOKEN_KIND);
}

/* SHA-256 of nothing that matters: 32 bytes of zero. */
#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void bound_only_with_its_proof(void **state)
{
    (void)state;
    static const unsigned char zeros[32] = { 0 }, other[32] = { 1 };
    const char *bound = "{\"active\":true,\"aud\":\"orders\",\"cnf\":{\"x5t#S256\":\"" ZEROS "\"}}";
    assert_int_equal(judge_with(bound, zeros), DENY_NONE);
    assert_int_equal(judge_with(bound, other), DENY_TOKEN_BOUND);
    assert_int_equal(judge(bound), DENY_TOKEN_BOUND);
    assert_int_equal(
        judge_with("{\"active\":true,\"aud\":\"orders\",\"cnf\":{\"jkt\":\"" ZEROS "\"}}", zeros),
        DENY_TOKEN_BOUND);
    assert_int_equal(judge_with("{\"active\":true,\"aud\":\"orders\",\"cnf\":{}}", zeros), DENY_TOKEN_BOUND);
    assert_int_equal(judge_with("{\"active\":true,\"aud\":\"orders\",\"cnf\":{\"x5t#S256\":\"" ZEROS
                                "\",\"jkt\":\"x\"}}",
                                zeros),
                     DENY_TOKEN_BOUND);
}

/* RFC 9449 section 6.2: cnf decides, and token_type alone is not enough. By `dpop`, and by whose proof came along: none, its key's,
 * another one's. */
static void bound_to_a_key_of_the_client(void **state)
{
    (void)state;
    static const unsigned char zeros[32] = { 0 }, other[32] = { 1 };
    static const unsigned char *const proofs[] = { NULL, zeros, other };
    static const struct {
        int dpop;
        const char *more;
        enum deny_reason reasons[3];
    } cases[] = {
        { DPOP_OFF,
          ",\"token_type\":\"DPoP\",\"cnf\":{\"jkt\":\"" ZEROS "\"}",
          { DENY_TOKEN_BOUND, DENY_TOKEN_BOUND, DENY_TOKEN_BOUND } },
        { DPOP_ALLOWED,
          ",\"token_type\":\"DPoP\",\"cnf\":{\"jkt\":\"" ZEROS "\"}",
          { DENY_TOKEN_BOUND, DENY_NONE, DENY_DPOP_OTHER_KEY } },
        { DPOP_ALLOWED,
          ",\"cnf\":{\"jkt\":\"" ZEROS "\"}",
          { DENY_TOKEN_BOUND, DENY_NONE, DENY_DPOP_OTHER_KEY } },
        { DPOP_ALLOWED,
          ",\"token_type\":\"Bearer\",\"cnf\":{\"jkt\":\"" ZEROS "\"}",
          { DENY_TOKEN_BOUND, DENY_NONE, DENY_DPOP_OTHER_KEY } },
        { DPOP_ALLOWED,
          ",\"token_type\":\"DPoP\"",
          { DENY_TOKEN_BOUND, DENY_TOKEN_BOUND, DENY_TOKEN_BOUND } },
        { DPOP_ALLOWED,
          ",\"token_type\":\"DPoP\",\"cnf\":{\"x5t#S256\":\"" ZEROS "\"}",
          { DENY_TOKEN_BOUND, DENY_TOKEN_BOUND, DENY_TOKEN_BOUND } },
        { DPOP_ALLOWED, "", { DENY_NONE, DENY_TOKEN_UNBOUND, DENY_TOKEN_UNBOUND } },
        { DPOP_REQUIRED, "", { DENY_TOKEN_UNBOUND, DENY_TOKEN_UNBOUND, DENY_TOKEN_UNBOUND } },
        { DPOP_REQUIRED,
          ",\"cnf\":{\"jkt\":\"" ZEROS "\"}",
          { DENY_TOKEN_BOUND, DENY_NONE, DENY_DPOP_OTHER_KEY } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        settings.dpop = cases[i].dpop;
        for (size_t k = 0; k < 3; k++) {
            char text[256];
            snprintf(text, sizeof text, "{\"active\":true,\"aud\":\"orders\"%s}", cases[i].more);
            assert_int_equal(judge_by(text, zeros, proofs[k]), cases[i].reasons[k]);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(active_is_exactly_true),
        TEST(too_much_is_nonsense),
        TEST(it_is_meant_for_us),
        TEST(of_our_issuer_with_what_is_required),
        TEST(in_its_time),
        TEST(an_access_token),
        TEST(bound_only_with_its_proof),
        TEST(bound_to_a_key_of_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
