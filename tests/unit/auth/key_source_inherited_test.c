#include "auth/key_source_fixture.h"

static void test_the_next_process_inherits_documents(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.jwks_refresh = 20 * NS_PER_MS;
    assert_ok(key_source_set(source, &issuer, 1));
    export_all();
    assert_int_equal(exported_count, 0);
    wait_for(&fetched, 1);
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    wait_for(&failed_count, 1);
    export_all();
    assert_int_equal(exported_count, 1);
    assert_true(exported.failing_since > 0);
    int64_t since = exported.failing_since;

    begin_anew();
    assert_ok(key_source_set(source, &issuer, 1));
    key_source_inherit(source, &exported);
    assert_int_equal(inherited, 1);
    assert_string_equal(last_text, exported_text);
    key_source_inherit(source, &exported); /* it has keys by now */
    assert_int_equal(inherited, 1);
    unsigned int failures = failed_count;
    wait_for(&failed_count, failures + 2); /* it asks for newer ones at once */
    assert_int_equal(stale, 0);
    export_all();
    assert_int_equal(exported_count, 1);
    assert_int_equal(exported.failing_since, since); /* its time is not given anew */
    __atomic_store_n(&server.failing, false, __ATOMIC_SEQ_CST);
    unsigned int before = fetched;
    wait_for(&fetched, before + 1);
    export_all();
    assert_int_equal(exported.failing_since, 0);
}

static void test_inherited_documents_go_stale(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    export_all();
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    begin_anew();
    issuer.jwks_refresh = 20 * NS_PER_MS;
    issuer.jwks_stale = 100 * NS_PER_MS;
    assert_ok(key_source_set(source, &issuer, 1));
    exported.failing_since = loop.now - 50 * NS_PER_MS;
    key_source_inherit(source, &exported);
    assert_int_equal(inherited, 1);
    wait_for(&stale, 1);
    export_all();
    assert_int_equal(exported_count, 0);
}

static void test_what_is_not_inherited(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    export_all();
    begin_anew();
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    assert_ok(key_source_set(source, &issuer, 1));
    const struct key_document good = exported;
    struct key_document bad[7];
    for (size_t i = 0; i < 7; i++) {
        bad[i] = good;
    }
    bad[0].issuer_name = SLICE("other");
    bad[1].source = SLICE("http://127.0.0.1:1/elsewhere");
    bad[2].text = SLICE("{\"keys\":[]}");
    bad[3].text = SLICE("not JSON");
    bad[4].failing_since = loop.now + NS_PER_S;
    bad[5].failing_since = -1;
    bad[6].failing_since = loop.now - issuer.jwks_stale; /* stale there, too */
    for (size_t i = 0; i < 7; i++) {
        key_source_inherit(source, &bad[i]);
        assert_int_equal(inherited, 0);
    }
    key_source_inherit(source, &good);
    assert_int_equal(inherited, 1);
}

static void test_a_record_is_good_for_jwks_stale_from_its_fetch(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.issuer = SLICE("https://idp.example.com");
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    struct key_document document;
    assert_false(key_source_document(source, SLICE("other"), &document));
    assert_true(key_source_document(source, SLICE("main"), &document));
    assert_slice(document.issuer, "https://idp.example.com");
    export_all();
    exported.issuer = issuer.issuer;
    begin_anew();
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    issuer.jwks_stale = 2 * NS_PER_S;
    assert_ok(key_source_set(source, &issuer, 1));

    struct key_document bad[] = { exported, exported, exported, exported };
    bad[0].issuer_name = SLICE("other");
    bad[1].issuer = SLICE("https://other.example.com");
    bad[2].source = SLICE("http://127.0.0.1:1/elsewhere");
    bad[3].text = SLICE("{\"keys\":[]}");
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(key_source_restore(source, &bad[i], 1));
    }
    assert_non_null(key_source_restore(source, &exported, -1));
    assert_non_null(key_source_restore(source, &exported, INT64_MAX));
    assert_non_null(key_source_restore(source, &exported, 2));
    assert_int_equal(restored, 0);
    assert_null(key_source_restore(source, &exported, 1));
    assert_int_equal(restored, 1);
    assert_non_null(key_source_restore(source, &exported, 1)); /* it has keys by now */
    int64_t began = clock_monotonic_ns();
    wait_for(&failed_count, 1); /* it is fetched at once nevertheless */
    wait_for(&stale, 1);
    assert_true(clock_monotonic_ns() - began < 10 * NS_PER_S);
    assert_false(key_source_document(source, SLICE("main"), &document));
}

static void test_stale_zero_keeps_keys_for_ever(void **state)
{
    (void)state;
    struct issuer_settings issuer = issuer_at("http://127.0.0.1:%/keys");
    issuer.jwks_refresh = 5 * NS_PER_MS;
    issuer.jwks_stale = 0;
    assert_ok(key_source_set(source, &issuer, 1));
    wait_for(&fetched, 1);
    __atomic_store_n(&server.failing, true, __ATOMIC_SEQ_CST);
    wait_for(&failed_count, 5);
    assert_int_equal(stale, 0);
}

int main(void)
{
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_next_process_inherits_documents, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inherited_documents_go_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_inherited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_record_is_good_for_jwks_stale_from_its_fetch, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_stale_zero_keeps_keys_for_ever, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
