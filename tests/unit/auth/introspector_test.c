#include "unit.h"

#include "auth/introspector.h"
#include "base/clock.h"

#define NOW      INT64_C(1700000000)
#define SECOND   NS_PER_S
#define BASE     (1000 * NS_PER_S) /* monotonic */
#define ACTIVE   "{\"active\":true,\"sub\":\"u\",\"aud\":\"orders\",\"scope\":\"b a\",\"exp\":1700000300}"
#define INACTIVE "{\"active\":false}"

static struct slice audience[] = { SLICE_INIT("orders") };

/* What was asked last, and how often. */
static struct introspection_question *asked;
static unsigned int asked_count;
static bool reachable;

static bool ask(void *context, struct introspection_question *question)
{
    (void)context;
    if (!reachable) {
        return false;
    }
    asked = question;
    asked_count++;
    return true;
}

/* What a waiting request was told. */
struct request {
    struct introspection_wait wait;
    struct jwt_token *token;
    struct introspection_detail detail;
    unsigned int answers;
};

static void on_done(struct introspection_wait *wait, struct jwt_token *token,
                    const struct introspection_detail *detail)
{
    struct request *request = (struct request *)wait;
    request->token = token;
    request->detail = *detail;
    request->answers++;
}

static struct introspector *introspector;
static struct introspection_settings settings;

static int set_up(void **state)
{
    (void)state;
    settings = (struct introspection_settings){ .name = SLICE("main"),
                                                .endpoint = SLICE("https://idp/introspect"),
                                                .client_id = SLICE("gateway"),
                                                .audiences = { audience, 1 },
                                                .roles_claim = SLICE("roles"),
                                                .issuer = SLICE(""),
                                                .clock_skew = 30 * SECOND,
                                                .cache = 30 * SECOND,
                                                .cache_inactive = 10 * SECOND };
    asked = NULL;
    asked_count = 0;
    reachable = true;
    assert_false(failed(introspector_new(64, ask, NULL, &introspector)));
    assert_false(failed(introspector_set(introspector, &settings)));
    introspector_sweep(introspector);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    introspector_free(introspector);
    introspection_question_free(asked);
    return 0;
}

/* The token is given back: what is asked here is who decides. */
static enum introspection_outcome check(const char *token, int64_t at, struct request *request)
{
    const struct introspection_request one = { .settings = &settings,
                                               .token = slice_from_string(token),
                                               .now_ns = BASE + at,
                                               .moment = { .now = NOW + at / SECOND } };
    struct jwt_token *held = NULL;
    *request = (struct request){ .wait = { .done = on_done } };
    enum introspection_outcome outcome =
        introspector_check(introspector, &one, &held, &request->detail, &request->wait);
    jwt_token_unref(held);
    return outcome;
}

static void reply(const char *text, int64_t at)
{
    introspection_question_answer(asked, slice_from_string(text), BASE + at);
    introspector_answer(introspector, asked, NOW + at / SECOND, BASE + at);
    asked = NULL;
}

static void go_wrong(enum deny_reason reason, int64_t at)
{
    asked->reason = reason;
    introspector_answer(introspector, asked, NOW + at / SECOND, BASE + at);
    asked = NULL;
}

static void learn(const char *token, const char *text, int64_t at)
{
    struct request request;
    assert_int_equal(check(token, at, &request), INTROSPECTION_WAITING);
    reply(text, at);
    assert_int_equal(request.answers, 1);
    jwt_token_unref(request.token);
}

static void an_active_token_is_known_until_its_time_is_over(void **state)
{
    (void)state;
    struct request request;
    learn("t", ACTIVE, 0);
    assert_int_equal(introspector_count(introspector), 1);
    assert_int_equal(check("t", 30 * SECOND - 1, &request), INTROSPECTION_VALID);
    assert_true(request.detail.cached);
    assert_int_equal(asked_count, 1);
    assert_int_equal(check("t", 30 * SECOND, &request), INTROSPECTION_WAITING);
    assert_true(asked->is_known);
    assert_true(slice_equal(asked->token, SLICE("t")));
    assert_true(slice_equal(asked->endpoint_name, SLICE("main")));
}

/* Not from when the answer came: the endpoint may have been slow. */
static void its_time_begins_when_the_endpoint_is_asked(void **state)
{
    (void)state;
    struct request request;
    assert_int_equal(check("t", 0, &request), INTROSPECTION_WAITING);
    introspection_question_answer(asked, SLICE(ACTIVE), BASE);
    introspector_answer(introspector, asked, NOW + 4, BASE + 4 * SECOND);
    jwt_token_unref(request.token);
    assert_int_equal(check("t", 30 * SECOND, &request), INTROSPECTION_WAITING);
}

static void one_that_is_over_is_not_asked_about_again(void **state)
{
    (void)state;
    struct request request;
    learn("t", "{\"active\":true,\"aud\":\"orders\",\"exp\":1699999970}", 0);
    assert_int_equal(check("t", SECOND, &request), INTROSPECTION_DENIED);
    assert_int_equal(request.detail.reason, DENY_TOKEN_EXPIRED);
    assert_int_equal(introspector_count(introspector), 0);
    /* The twin: within the clocks' difference it is good for once. */
    learn("u", "{\"active\":true,\"aud\":\"orders\",\"exp\":1699999971}", 0);
    assert_int_equal(check("u", SECOND, &request), INTROSPECTION_WAITING);
    go_wrong(DENY_INTROSPECTION_UNAVAILABLE, SECOND);
}

static void nor_beyond_its_exp(void **state)
{
    (void)state;
    struct request request;
    learn("t", "{\"active\":true,\"aud\":\"orders\",\"exp\":1700000005}", 0);
    assert_int_equal(check("t", 5 * SECOND - 1, &request), INTROSPECTION_VALID);
    assert_int_equal(check("t", 5 * SECOND, &request), INTROSPECTION_WAITING);
    go_wrong(DENY_INTROSPECTION_UNAVAILABLE, 5 * SECOND);
    assert_int_equal(request.detail.reason, DENY_INTROSPECTION_UNAVAILABLE);
}

static void one_question_for_all_who_wait(void **state)
{
    (void)state;
    struct request requests[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(check("t", 0, &requests[i]), INTROSPECTION_WAITING);
    }
    struct request other;
    struct introspection_question *first = asked;
    assert_int_equal(check("u", 0, &other), INTROSPECTION_WAITING);
    assert_int_equal(asked_count, 2);
    go_wrong(DENY_INTROSPECTION_BUSY, 0);
    asked = first;
    reply(ACTIVE, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(requests[i].answers, 1);
        assert_non_null(requests[i].token);
        jwt_token_unref(requests[i].token);
    }
    assert_int_equal(other.answers, 1);
    assert_null(other.token);
    assert_int_equal(other.detail.reason, DENY_INTROSPECTION_BUSY);
}

static void one_that_is_not_active_is_refused_for_a_while(void **state)
{
    (void)state;
    struct request request;
    learn("t", INACTIVE, 0);
    assert_int_equal(check("t", 10 * SECOND - 1, &request), INTROSPECTION_DENIED);
    assert_int_equal(request.detail.reason, DENY_TOKEN_INACTIVE);
    assert_int_equal(asked_count, 1);
    assert_int_equal(check("t", 10 * SECOND, &request), INTROSPECTION_WAITING);
    reply(ACTIVE, 10 * SECOND);
    jwt_token_unref(request.token);
    assert_int_equal(check("t", 11 * SECOND, &request), INTROSPECTION_VALID);
}

/* A flood of made-up tokens leaves every good one where it is. */
static void wrong_ones_push_no_good_one_out(void **state)
{
    (void)state;
    struct request request;
    char text[32];
    learn("good", ACTIVE, 0);
    for (unsigned int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "wrong-%u", i);
        learn(text, INACTIVE, 0);
    }
    assert_int_equal(check("good", SECOND, &request), INTROSPECTION_VALID);
    assert_int_equal(introspector_count(introspector), 1);
}

static void a_revocation_drops_what_was_known(void **state)
{
    (void)state;
    struct request request;
    learn("t", ACTIVE, 0);
    learn("t", INACTIVE, 31 * SECOND);
    assert_int_equal(introspector_count(introspector), 0);
    assert_int_equal(check("t", 32 * SECOND, &request), INTROSPECTION_DENIED);
}

static void failures_are_not_remembered(void **state)
{
    (void)state;
    struct request request;
    const enum deny_reason reasons[] = { DENY_INTROSPECTION_UNAVAILABLE, DENY_INTROSPECTION_REFUSED,
                                         DENY_INTROSPECTION_ANSWER, DENY_INTROSPECTION_BUSY, DENY_INTERNAL };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        assert_int_equal(check("t", 0, &request), INTROSPECTION_WAITING);
        go_wrong(reasons[i], 0);
        assert_null(request.token);
        assert_int_equal(request.detail.reason, reasons[i]);
    }
    learn("t", ACTIVE, 0);
    assert_int_equal(check("t", SECOND, &request), INTROSPECTION_VALID);
}

static void stale_only_where_it_is_said(void **state)
{
    (void)state;
    struct request request;
    learn("t", ACTIVE, 0);
    assert_int_equal(check("t", 40 * SECOND, &request), INTROSPECTION_WAITING);
    go_wrong(DENY_INTROSPECTION_UNAVAILABLE, 40 * SECOND);
    assert_null(request.token);
    settings.stale = 20 * SECOND;
    assert_int_equal(check("t", 40 * SECOND, &request), INTROSPECTION_WAITING);
    go_wrong(DENY_INTROSPECTION_UNAVAILABLE, 50 * SECOND - 1);
    assert_non_null(request.token);
    assert_true(request.detail.stale);
    jwt_token_unref(request.token);
    assert_int_equal(check("t", 50 * SECOND, &request), INTROSPECTION_WAITING);
    go_wrong(DENY_INTROSPECTION_UNAVAILABLE, 50 * SECOND);
    assert_null(request.token);
    assert_int_equal(check("never seen", 50 * SECOND, &request), INTROSPECTION_WAITING);
    go_wrong(DENY_INTROSPECTION_UNAVAILABLE, 50 * SECOND);
    assert_null(request.token);
}

static void every_request_is_judged_by_itself(void **state)
{
    (void)state;
    struct request request;
    static struct slice invoices[] = { SLICE_INIT("invoices") };
    learn("t", ACTIVE, 0);
    settings.audiences.items = invoices;
    assert_int_equal(check("t", 1, &request), INTROSPECTION_DENIED);
    assert_int_equal(request.detail.reason, DENY_TOKEN_AUDIENCE);
    settings.audiences.items = audience;
    assert_int_equal(check("t", 1, &request), INTROSPECTION_VALID);
    assert_int_equal(asked_count, 1);
}

static void another_endpoint_knows_nothing(void **state)
{
    (void)state;
    struct request waiting, request;
    learn("t", ACTIVE, 0);
    learn("u", INACTIVE, 0);
    assert_int_equal(check("v", 0, &waiting), INTROSPECTION_WAITING);
    struct introspection_question *old = asked;
    assert_false(failed(introspector_set(introspector, &settings)));
    introspector_sweep(introspector);
    assert_int_equal(check("t", 1, &request), INTROSPECTION_VALID);
    settings.endpoint = SLICE("https://another/introspect");
    assert_false(failed(introspector_set(introspector, &settings)));
    introspector_sweep(introspector);
    assert_int_equal(introspector_count(introspector), 0);
    assert_int_equal(check("t", 1, &request), INTROSPECTION_WAITING);
    go_wrong(DENY_INTROSPECTION_UNAVAILABLE, 1);
    /* What the old one still says is nobody's. */
    asked = old;
    reply(ACTIVE, 1);
    assert_null(waiting.token);
    assert_int_equal(waiting.detail.reason, DENY_INTROSPECTION_UNAVAILABLE);
    assert_int_equal(introspector_count(introspector), 0);
    introspector_sweep(introspector);
    assert_int_equal(check("t", 1, &request), INTROSPECTION_DENIED);
    assert_int_equal(request.detail.reason, DENY_INTERNAL);
}

static void too_many_are_refused(void **state)
{
    (void)state;
    static struct request requests[INTROSPECTION_QUESTIONS_MAX + 1];
    static struct introspection_question *questions[INTROSPECTION_QUESTIONS_MAX];
    char text[32];
    for (unsigned int i = 0; i < INTROSPECTION_QUESTIONS_MAX; i++) {
        snprintf(text, sizeof text, "t-%u", i);
        assert_int_equal(check(text, 0, &requests[i]), INTROSPECTION_WAITING);
        questions[i] = asked;
    }
    struct request *last = &requests[INTROSPECTION_QUESTIONS_MAX];
    assert_int_equal(check("one more", 0, last), INTROSPECTION_DENIED);
    assert_int_equal(last->detail.reason, DENY_INTROSPECTION_BUSY);
    for (unsigned int i = 0; i < INTROSPECTION_QUESTIONS_MAX; i++) {
        asked = questions[i];
        reply(INACTIVE, 0);
    }
    assert_int_equal(check("one more", 0, last), INTROSPECTION_WAITING);
    go_wrong(DENY_INTROSPECTION_UNAVAILABLE, 0);
}

static void nobody_can_be_asked(void **state)
{
    (void)state;
    struct request request;
    reachable = false;
    assert_int_equal(check("t", 0, &request), INTROSPECTION_DENIED);
    assert_int_equal(request.detail.reason, DENY_INTROSPECTION_UNAVAILABLE);
    reachable = true;
    assert_int_equal(check("t", 0, &request), INTROSPECTION_WAITING);
    struct introspection_question *late = asked;
    introspector_give_up(introspector);
    assert_int_equal(request.detail.reason, DENY_INTROSPECTION_UNAVAILABLE);
    assert_int_equal(request.answers, 1);
    asked = late;
    reply(ACTIVE, 0);
    assert_int_equal(request.answers, 1);
}

static void the_principal_is_the_answers(void **state)
{
    (void)state;
    struct request request;
    struct principal principal;
    assert_int_equal(check("t", 0, &request), INTROSPECTION_WAITING);
    reply("{\"active\":true,\"sub\":\"u\",\"client_id\":\"c\",\"aud\":\"orders\",\"scope\":\"b "
          "a\",\"roles\":[\"r\"]}",
          0);
    introspection_principal(request.token, &principal);
    assert_int_equal(principal.kind, PRINCIPAL_INTROSPECTION);
    assert_true(slice_equal(principal.issuer_name, SLICE("main")));
    assert_true(slice_equal(principal.issuer, SLICE("introspection:main")));
    assert_true(slice_equal(principal.subject, SLICE("u")));
    assert_true(slice_equal(principal.client_id, SLICE("c")));
    assert_true(principal_has_scope(&principal, SLICE("a")) && principal_has_scope(&principal, SLICE("b")));
    assert_true(principal_has_role(&principal, SLICE("r")));
    assert_true(principal.expires == INT64_MAX);
    assert_false(principal.bound);
    assert_non_null(principal.caller_key);
    principal_release(&principal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_active_token_is_known_until_its_time_is_over),
        TEST(its_time_begins_when_the_endpoint_is_asked),
        TEST(nor_beyond_its_exp),
        TEST(one_that_is_over_is_not_asked_about_again),
        TEST(one_question_for_all_who_wait),
        TEST(one_that_is_not_active_is_refused_for_a_while),
        TEST(wrong_ones_push_no_good_one_out),
        TEST(a_revocation_drops_what_was_known),
        TEST(failures_are_not_remembered),
        TEST(stale_only_where_it_is_said),
        TEST(every_request_is_judged_by_itself),
        TEST(another_endpoint_knows_nothing),
        TEST(too_many_are_refused),
        TEST(nobody_can_be_asked),
        TEST(the_principal_is_the_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
