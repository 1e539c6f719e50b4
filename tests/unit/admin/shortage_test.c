/* Memory that runs out within a request to the admin API: it is carried out whole and told, or nobody can say; and what is told of a
 * key is in the store. */
#include "../store/store.h"

#include "admin/key_set.h"
#include "shortage.h"

/* 0: nobody could say, or there was not even memory to ask. */
static unsigned int ask(enum http_method method, const char *path, const char *body)
{
    struct admin_request request = { .settings = &settings, .request_id = SLICE("0123"), .now = 1000000 };
    struct slice allow;
    assert_int_equal(admin_find(method, slice_from_string(path), &request.operation, &request.id, &allow),
                     ADMIN_FOUND);
    struct admin_job *job = admin_job_new(&request);
    struct admin_answer answer = { .status = 0 };
    if (job != NULL && admin_job_body(job, slice_from_string(body))) {
        admin_job_run(job);
        admin_job_answer(job, &answer);
        assert_int_equal(answer.body.len > 0, answer.status != 0);
        assert_int_equal(slice_contains(answer.body, SLICE("\"key\":\"test_")), answer.status == 201);
    }
    admin_job_free(job);
    return answer.status;
}

static void assert_there(const char *id, bool expected)
{
    char path[64];
    snprintf(path, sizeof path, "/v1/keys/%s", id);
    assert_int_equal(ask(METHOD_GET, path, ""), expected ? 200 : 404);
}

static void a_key_that_is_told_is_stored(void **state)
{
    (void)state;
    bool met = true;
    long made = 0;
    set.store = slice_from_string(the_path);
    assert_int_equal(ask(METHOD_POST, "/v1/keys", "{\"consumer\":\"acme\",\"id\":\"first\"}"), 201);
    for (long after = 0; met; after++) {
        char body[128], id[32];
        snprintf(id, sizeof id, "key-%ld", after);
        snprintf(body, sizeof body, "{\"consumer\":\"acme\",\"scopes\":[\"a\",\"b\"],\"id\":\"%s\"}", id);
        shortage_begin(after);
        unsigned int status = ask(METHOD_POST, "/v1/keys", body);
        met = shortage_end();
        if (status == 201) {
            assert_there(id, true);
            made++;
        }
        assert_true(met || status == 201);
    }
    assert_true(made > 0);
    assert_there("first", true);
}

static void what_is_revoked_stays_so(void **state)
{
    (void)state;
    bool met = true;
    set.store = slice_from_string(the_path);
    assert_int_equal(ask(METHOD_POST, "/v1/keys", "{\"consumer\":\"acme\",\"id\":\"one\"}"), 201);
    for (long after = 0; met; after++) {
        shortage_begin(after);
        unsigned int listed = ask(METHOD_GET, "/v1/keys", "");
        met = shortage_end();
        shortage_begin(after);
        unsigned int status = ask(METHOD_POST, "/v1/keys/one/revoke", "{}");
        met = shortage_end() || met;
        assert_true(met || (status == 200 && listed == 200));
    }
    assert_int_equal(ask(METHOD_POST, "/v1/keys/one/rotate", "{}"), 404);
}

int main(void)
{
    shortage_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_that_is_told_is_stored, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(what_is_revoked_stays_so, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
