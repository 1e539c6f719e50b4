/* One request from its parts to its answer, with a store in a directory of the test's own. */
#include "../store/store.h"
#include "admin/key_set.h"
#include "json/json.h"

#include <sqlite3.h>

#define NOW 1000000

static struct admin_job *run(enum http_method method, const char *path, const char *query, const char *body,
                             struct admin_answer *out)
{
    struct admin_request request = {
        .settings = &settings, .query = slice_from_string(query), .request_id = SLICE("0123"), .now = NOW
    };
    struct slice allow;
    set.store = slice_from_string(the_path);
    assert_int_equal(admin_find(method, slice_from_string(path), &request.operation, &request.id, &allow),
                     ADMIN_FOUND);
    struct admin_job *job = admin_job_new(&request);
    assert_non_null(job);
    /* As it comes: in pieces. */
    for (struct slice rest = slice_from_string(body); rest.len > 0; rest = slice_from(rest, 3)) {
        assert_true(admin_job_body(job, slice_part(rest, 0, 3)));
    }
    admin_job_run(job);
    admin_job_answer(job, out);
    return job;
}

static void assert_status(enum http_method method, const char *path, const char *query, const char *body,
                          unsigned int status)
{
    struct admin_answer answer;
    struct admin_job *job = run(method, path, query, body, &answer);
    assert_int_equal(answer.status, status);
    assert_int_equal(slice_equal(answer.type, SLICE("application/problem+json")), status >= 400);
    admin_job_free(job);
}

static void a_key_is_made_shown_and_revoked(void **state)
{
    (void)state;
    struct admin_answer answer;
    struct admin_job *job =
        run(METHOD_POST, "/v1/keys", NULL, "{\"consumer\":\"acme\",\"id\":\"one\"}", &answer);
    assert_int_equal(answer.status, 201);
    assert_true(answer.changes);
    assert_slice(answer.location, "/v1/keys/one?set=s");
    assert_slice(answer.what, "s/one consumer acme");
    assert_true(slice_contains(answer.body, SLICE("\"key\":\"test_")));
    admin_job_free(job);
    job = run(METHOD_GET, "/v1/keys/one", "set=s", NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_false(answer.changes);
    assert_false(slice_contains(answer.body, SLICE("\"key\":")));
    assert_true(slice_contains(answer.body, SLICE("\"state\":\"active\"")));
    admin_job_free(job);
    job = run(METHOD_POST, "/v1/keys/one/revoke", NULL, "{}", &answer);
    assert_int_equal(answer.status, 200);
    assert_true(slice_contains(answer.body, SLICE("\"state\":\"revoked\"")));
    admin_job_free(job);
    assert_status(METHOD_GET, "/v1/keys/%6fne", NULL, NULL, 200);
}

static void each_way_to_be_wrong_has_its_status(void **state)
{
    (void)state;
    assert_status(METHOD_POST, "/v1/keys", NULL, "{\"consumer\":\"acme\",\"id\":\"one\"}", 201);
    assert_status(METHOD_POST, "/v1/keys", NULL, "{\"consumer\":\"acme\",\"id\":\"one\"}", 409);
    assert_status(METHOD_POST, "/v1/keys", NULL, "{\"consumer\":\"acme\"", 400);
    assert_status(METHOD_POST, "/v1/keys", NULL, "[[[[[[[[]]]]]]]]", 400);
    assert_status(METHOD_POST, "/v1/keys", NULL, "", 400);
    assert_status(METHOD_POST, "/v1/keys", "set=other", "{\"consumer\":\"acme\"}", 404);
    assert_status(METHOD_POST, "/v1/keys", "a=b", "{\"consumer\":\"acme\"}", 400);
    assert_status(METHOD_GET, "/v1/keys/none", NULL, NULL, 404);
    assert_status(METHOD_POST, "/v1/keys/none/revoke", NULL, "{}", 404);
    assert_status(METHOD_POST, "/v1/keys/none/rotate", NULL, "{}", 404);
    assert_status(METHOD_POST, "/v1/keys/none/expire", NULL, "{\"expires\":\"2d\"}", 404);
    assert_status(METHOD_GET, "/v1/keys", "limit=0", NULL, 400);
    assert_status(METHOD_GET, "/v1/keys", "expiring=0s", NULL, 400); /* not "all" */
    assert_status(METHOD_GET, "/v1/keys", "expiring=30d", NULL, 200);
    assert_status(METHOD_GET, "/v1/key-sets", "set=s", NULL, 400);
}

/* A successor that is dead already would end its consumer's access with the overlap. */
static void a_successor_is_good_for_a_while(void **state)
{
    (void)state;
    static const char rotate[] = "/v1/keys/one/rotate";
    assert_status(METHOD_POST, "/v1/keys", NULL, "{\"consumer\":\"acme\",\"id\":\"one\",\"expires\":\"1d\"}",
                  201);
    assert_status(METHOD_POST, rotate, NULL, "{\"expires\":\"now\"}", 400);
    assert_status(METHOD_POST, rotate, NULL, "{\"expires\":\"1970-01-02\"}", 400);
    assert_status(METHOD_POST, rotate, NULL, "{\"id\":\"two\",\"expires\":\"2d\"}", 201);
    assert_status(METHOD_POST, rotate, NULL, "{\"id\":\"three\",\"expires\":\"never\"}", 201);
    assert_status(METHOD_POST, rotate, NULL, "{\"id\":\"four\"}", 201);
    /* What lived for no time has no lifetime to take over. */
    assert_status(METHOD_POST, "/v1/keys/one/expire", NULL, "{\"expires\":\"now\"}", 200);
    assert_status(METHOD_POST, rotate, NULL, "{}", 400);
    assert_status(METHOD_POST, rotate, NULL, "{\"expires\":\"2d\"}", 201);
}

/* 0 stands for never in a store. */
static void an_end_at_the_beginning_of_time_is_not_never(void **state)
{
    (void)state;
    static const char expire[] = "/v1/keys/one/expire";
    assert_status(METHOD_POST, "/v1/keys", NULL, "{\"consumer\":\"acme\",\"expires\":\"1970-01-01\"}", 400);
    assert_status(METHOD_POST, "/v1/keys", NULL, "{\"consumer\":\"acme\",\"id\":\"one\",\"expires\":\"1d\"}",
                  201);
    assert_status(METHOD_POST, expire, NULL, "{\"expires\":\"1970-01-01\"}", 400);
    assert_status(METHOD_POST, expire, NULL, "{\"expires\":\"1970-01-02\"}", 200);
    struct admin_answer answer;
    struct admin_job *job = run(METHOD_GET, "/v1/keys/one", NULL, NULL, &answer);
    assert_true(slice_contains(answer.body, SLICE("\"state\":\"expired\"")));
    admin_job_free(job);
}

static void a_store_that_is_not_there_is_nobodys_mistake(void **state)
{
    (void)state;
    struct admin_answer answer;
    struct admin_job *job = run(METHOD_GET, "/v1/keys", NULL, NULL, &answer);
    assert_int_equal(answer.status, 0);
    assert_true(slice_contains(answer.what, SLICE("there is no key store here")));
    assert_int_equal(answer.body.len, 0);
    admin_job_free(job);
}

static void assert_told(const char *path, const char *body, unsigned int status, const char *expected)
{
    struct admin_answer answer;
    struct admin_job *job = run(METHOD_POST, path, NULL, body, &answer);
    assert_int_equal(answer.status, status);
    if (!slice_starts_with(answer.what, slice_from_string(expected))) {
        fail_msg("\"%.*s\" is told, not \"%s\"", SLICE_ARG(answer.what), expected);
    }
    admin_job_free(job);
}

/* What who reads the audit log wants to know: which keys, and until when. */
static void the_logs_say_what_was_changed(void **state)
{
    (void)state;
    static const char expire[] = "/v1/keys/one/expire";
#define DIGEST(n) "000000000000000000000000000000000000000000000000000000000000000" n
    static const char import[] = "{\"keys\":{\"a\":{\"digest\":\"" DIGEST(
        "1") "\",\"pepper\":\"p1\","
             "\"consumer\":\"c\"},\"b\":{\"digest\":\"" DIGEST("2") "\",\"pepper\":"
                                                                    "\"p1\",\"consumer\":\"c\"}}}";
    assert_told("/v1/keys", "{\"consumer\":\"acme\",\"id\":\"one\"}", 201, "s/one consumer acme");
    assert_told(expire, "{\"expires\":\"2027-01-31\"}", 200, "s/one expires 2027-01-31T00:00:00Z");
    assert_told(expire, "{\"expires\":\"never\"}", 200, "s/one expires never");
    assert_told("/v1/keys/none/expire", "{\"expires\":\"never\"}", 404, "there is no such key");
    assert_told("/v1/keys/one/revoke", "{}", 200, "s/one");
    assert_told("/v1/keys/import", import, 201, "s: 2 keys: a, b");
}

/* What has failed, too: it may have been done, where a database was asked. */
static void the_logs_say_what_could_not_be_changed(void **state)
{
    (void)state;
    assert_told("/v1/keys", "{\"consumer\":\"acme\",\"id\":\"one\"}", 201, "s/one");
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(the_path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_told("/v1/keys/one/revoke", "{}", 0, "s/one: ");
    assert_told("/v1/keys", "{\"consumer\":\"acme\",\"id\":\"two\"}", 0, "s/two: ");
    sqlite3_close(other);
    assert_told("/v1/keys/one/revoke", "{}", 200, "s/one");
}

static void who_waited_too_long_is_told_so_and_nothing_is_done(void **state)
{
    (void)state;
    struct admin_answer answer;
    struct admin_request request = { .settings = &settings, .now = NOW };
    struct slice allow;
    assert_int_equal(admin_find(METHOD_POST, SLICE("/v1/keys"), &request.operation, &request.id, &allow),
                     ADMIN_FOUND);
    set.store = slice_from_string(the_path);
    for (int late = 1; late >= 0; late--) {
        struct admin_job *job = admin_job_new(&request);
        assert_true(admin_job_body(job, SLICE("{\"consumer\":\"acme\",\"id\":\"one\"}")));
        admin_job_give_time(job, clock_monotonic_ns() + (late ? 0 : ADMIN_WAIT_MAX));
        admin_job_run(job);
        admin_job_answer(job, &answer);
        assert_int_equal(answer.status, late ? 0 : 201);
        admin_job_free(job);
    }
}

static void pages_follow_each_other(void **state)
{
    (void)state;
    static const char *const ids[] = { "a", "b", "c" };
    struct admin_answer answer;
    char body[64], query[64] = "limit=2";
    size_t seen = 0;
    for (size_t i = 0; i < 3; i++) {
        snprintf(body, sizeof body, "{\"consumer\":\"acme\",\"id\":\"%s\"}", ids[i]);
        assert_status(METHOD_POST, "/v1/keys", NULL, body, 201);
    }
    for (int page = 0; page < 2; page++) {
        struct arena arena;
        struct json *tree = NULL;
        struct slice next;
        struct admin_job *job = run(METHOD_GET, "/v1/keys", query, NULL, &answer);
        arena_init(&arena, 1 << 20);
        assert_ok(json_parse(answer.body, 8, &arena, &tree, NULL));
        const struct json *keys = json_get(tree, SLICE("keys"));
        for (size_t i = 0; i < keys->count; i++) {
            struct slice id;
            assert_true(json_get_string(&keys->items[i], SLICE("id"), &id));
            assert_slice(id, ids[seen++]);
        }
        assert_int_equal(json_get_string(tree, SLICE("next"), &next), page == 0);
        if (page == 0) {
            snprintf(query, sizeof query, "limit=2&after=%.*s", SLICE_ARG(next));
        }
        arena_done(&arena);
        admin_job_free(job);
    }
    assert_int_equal(seen, 3);
}

static void a_body_has_an_end(void **state)
{
    (void)state;
    static char piece[65536];
    struct admin_request request = { .settings = &settings };
    struct slice allow;
    assert_int_equal(admin_find(METHOD_POST, SLICE("/v1/keys"), &request.operation, &request.id, &allow),
                     ADMIN_FOUND);
    struct admin_job *job = admin_job_new(&request);
    for (size_t i = 0; i < ADMIN_BODY_MAX / sizeof piece; i++) {
        assert_true(admin_job_body(job, slice_of(piece, sizeof piece)));
    }
    assert_false(admin_job_body(job, SLICE("x")));
    admin_job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_made_shown_and_revoked, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(each_way_to_be_wrong_has_its_status, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_successor_is_good_for_a_while, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(an_end_at_the_beginning_of_time_is_not_never, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_store_that_is_not_there_is_nobodys_mistake, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(the_logs_say_what_was_changed, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(the_logs_say_what_could_not_be_changed, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(who_waited_too_long_is_told_so_and_nothing_is_done, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(pages_follow_each_other, make_directory, remove_directory),
        cmocka_unit_test(a_body_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
