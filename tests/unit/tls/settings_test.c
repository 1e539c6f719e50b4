#include "unit.h"

#include "base/arena.h"
#include "tls/settings.h"

static struct slice ids[] = { SLICE_INIT("spiffe://a/b"), SLICE_INIT("spiffe://a/c") };

static struct tls_client_settings whole(void)
{
    return (struct tls_client_settings){
        .ca = SLICE("ca.pem"),
        .server_name = SLICE("a.example"),
        .cert = SLICE("own.pem"),
        .key = SLICE("own.key"),
        .min_version = TLS_1_3,
        .spiffe_ids = { ids, 2 },
        .spiffe_trust_domain = SLICE("a"),
        .ca_pem = SLICE("CA"),
        .cert_pem = SLICE("CERT"),
        .key_pem = SLICE("KEY"),
    };
}

static void a_copy_is_whole_and_its_own(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    const struct tls_client_settings settings = whole();
    struct tls_client_settings *copy = tls_client_settings_copy(&settings, &arena);
    assert_non_null(copy);
    assert_true(tls_client_settings_equal(copy, &settings));
    assert_slice(copy->ca, "ca.pem");
    assert_slice(copy->cert, "own.pem");
    assert_slice(copy->key, "own.key");
    assert_ptr_not_equal(copy->key_pem.ptr, settings.key_pem.ptr);
    assert_ptr_not_equal(copy->ca_pem.ptr, settings.ca_pem.ptr);
    assert_ptr_not_equal(copy->spiffe_ids.items, settings.spiffe_ids.items);
    assert_ptr_not_equal(copy->spiffe_ids.items[1].ptr, ids[1].ptr);
    const struct slice key = copy->key_pem;
    tls_client_settings_wipe(copy);
    static const char none[3];
    assert_memory_equal(key.ptr, none, sizeof none);
    assert_slice(settings.key_pem, "KEY");
    tls_client_settings_wipe(NULL);
    arena_done(&arena);
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, sizeof(struct tls_client_settings) + 16);
    const struct tls_client_settings settings = whole();
    assert_null(tls_client_settings_copy(&settings, &arena));
    arena_done(&arena);
}

static void what_differs_is_not_equal(void **state)
{
    (void)state;
    const struct tls_client_settings settings = whole();
    struct tls_client_settings others[7];
    for (size_t i = 0; i < 7; i++) {
        others[i] = settings;
    }
    others[0].ca_pem = SLICE("ca");
    others[1].cert_pem = SLICE("cert");
    others[2].key_pem = SLICE_NONE;
    others[3].server_name = SLICE("b.example");
    others[4].spiffe_trust_domain = SLICE("b");
    others[5].spiffe_ids.count = 1;
    others[6].min_version = TLS_1_2;
    for (size_t i = 0; i < 7; i++) {
        assert_false(tls_client_settings_equal(&settings, &others[i]));
        assert_false(tls_client_settings_equal(&others[i], &settings));
    }
    assert_false(tls_client_settings_equal(&settings, NULL));
    assert_false(tls_client_settings_equal(NULL, &settings));
    assert_true(tls_client_settings_equal(NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_whole_and_its_own),
        cmocka_unit_test(without_memory_there_is_none),
        cmocka_unit_test(what_differs_is_not_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
