#include "pipeline/harness.h"

#include "base/limits.h"

#define GET           "GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
#define OUTCOME(name) "sallyport_auth_candidate_total{route=\"-\",outcome=\"" name "\"}"

static struct auth_settings candidate;

/* Beside a token of main: `ways`, until long from now. */
static void stand_beside(struct auth_settings ways)
{
    const char *problem = NULL;
    candidate = ways;
    candidate.shadow.until = SLICE("2999-01-01");
    assert_null(auth_check_candidate(&candidate));
    struct auth_plan *plan = auth_plan_new(&candidate, &harness->config->arena, &problem);
    assert_non_null(plan);
    settings_resolve(&harness->config->settings, plan);
    assert_true(auth_places_set(plan, &candidate, &harness->config->arena));
    candidate.plan = plan;
    harness->jwt_auth.candidate = &candidate;
    add_route("orders", "/orders/**", &harness->jwt_auth);
}

static struct auth_settings certificate(void)
{
    static struct slice name = SLICE_INIT("mesh");
    return (struct auth_settings){ .way.names[AUTH_CERTIFICATE] = { &name, 1 } };
}

static int finish(void **state)
{
    assert_int_equal(harness->worker.candidates, 0);
    return harness_teardown(state);
}

static void assert_passes(const struct client *client)
{
    assert_int_equal(client->heads, 0);
    assert_true(upstream_sees("GET /orders/1"));
}

static void goes(struct client *client)
{
    exchange_handler.on_abort(&client->stream, HTTP_ABORT_CLIENT);
    wait_for_exchanges(0);
}

static void who_would_be_denied_passes(void **state)
{
    (void)state;
    stand_beside(certificate());
    harness_start();
    struct client *client = ask_with_token("GET /orders/1", "");
    assert_passes(client);
    goes(client);
    assert_int_equal(counter(OUTCOME("would_deny")), 1);
    assert_int_equal(counter("sallyport_would_deny_total{route=\"-\",reason=\"client_certificate_missing\"}"),
                     1);
    const char *log = harness_log(harness->access_log);
    assert_non_null(
        strstr(log, "\"candidate\":\"would_deny\",\"candidate_reason\":\"client_certificate_missing\""));
    assert_non_null(strstr(log, "\"subject\":\"alice\""));
}

static void who_would_be_let_in_is_denied(void **state)
{
    (void)state;
    struct auth_settings ways = harness->jwt_auth;
    ways.mode = AUTH_OPTIONAL;
    stand_beside(ways);
    harness_start();
    assert_denied(ask(GET), DENY_CREDENTIAL_MISSING);
    assert_int_equal(counter(OUTCOME("would_allow")), 1);
    const char *log = harness_log(harness->access_log);
    assert_non_null(strstr(log, "\"candidate\":\"would_allow\""));
    assert_null(strstr(log, "candidate_reason"));
}

static void where_they_agree_nothing_is_logged(void **state)
{
    (void)state;
    stand_beside(harness->jwt_auth);
    harness_start();
    struct client *client = ask_with_token("GET /orders/1", "");
    assert_passes(client);
    goes(client);
    assert_denied(ask(GET), DENY_CREDENTIAL_MISSING);
    assert_int_equal(counter(OUTCOME("agrees")), 2);
    assert_null(strstr(harness_log(harness->access_log), "candidate"));
}

static void beyond_so_many_none_is_judged(void **state)
{
    (void)state;
    stand_beside(certificate());
    harness_start();
    harness->worker.candidates = CANDIDATES_MAX;
    struct client *client = ask_with_token("GET /orders/1", "");
    harness->worker.candidates = 0;
    assert_passes(client);
    goes(client);
    assert_int_equal(counter(OUTCOME("undecided")), 1);
    assert_non_null(strstr(harness_log(harness->access_log), "\"candidate\":\"undecided\""));
}

static void from_its_date_on_it_is_not_judged(void **state)
{
    (void)state;
    stand_beside(certificate());
    candidate.shadow.until_at = 1;
    harness_start();
    struct client *client = ask_with_token("GET /orders/1", "");
    assert_passes(client);
    goes(client);
    assert_denied(ask(GET), DENY_CREDENTIAL_MISSING);
    assert_int_equal(counter(OUTCOME("ended")), 2);
    assert_null(strstr(harness_log(harness->access_log), "candidate"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_would_be_denied_passes),         TEST(who_would_be_let_in_is_denied),
        TEST(where_they_agree_nothing_is_logged), TEST(beyond_so_many_none_is_judged),
        TEST(from_its_date_on_it_is_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
