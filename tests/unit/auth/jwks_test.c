#include "unit.h"

#include "auth/jwt.h"
#include "auth/mint.h"
#include "base/buffer.h"
#include "base/limits.h"

static struct mint_key rsa, p256;

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

static void counts_what_it_can_use_and_leaves_the_rest(void **state)
{
    (void)state;
    char text[16384];
    size_t used = 0;
    snprintf(
        text, sizeof text,
        "{\"keys\":[%s,{\"kty\":\"oct\",\"k\":\"AAAA\"},%s,7,null,{},%s,{\"kty\":\"new\"}],\"more\":true}",
        mint_jwk(&rsa, "\"kid\":\"1\""), mint_jwk(&p256, "\"kid\":\"2\""),
        mint_jwk(&rsa, "\"kid\":\"3\",\"use\":\"enc\""));
    assert_ok(jwt_keys_check(slice_from_string(text), &used));
    assert_int_equal(used, 2);
    assert_ok(jwt_keys_check(SLICE("{\"keys\":[]}"), &used));
    assert_int_equal(used, 0);
}

static void refuses_what_is_no_key_set(void **state)
{
    (void)state;
    static const char *const texts[] = { "",
                                         "{}",
                                         "[]",
                                         "{\"keys\":{}}",
                                         "{\"keys\":null}",
                                         "<html></html>",
                                         "{\"keys\":[]",
                                         "{\"keys\":[],\"keys\":[]}",
                                         "{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"EC\"}]}" };
    size_t used = 42;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(failed(jwt_keys_check(slice_from_string(texts[i]), &used)));
    }
    assert_int_equal(used, 42);
}

/* T18: a document made to hurt is capped in text, keys and tree. */
static void bounds_text_and_keys(void **state)
{
    (void)state;
    size_t used = 0, size = JWKS_TEXT_MAX + 1;
    char *text = malloc(size);
    memset(text, ' ', size);
    memcpy(text, "{\"keys\":[]}", 11);
    assert_fails(jwt_keys_check(slice_of(text, size), &used), ERROR_LIMIT);
    assert_ok(jwt_keys_check(slice_of(text, size - 1), &used));
    free(text);
    struct buffer many;
    buffer_init(&many, 65536);
    assert_true(buffer_append(&many, SLICE("{\"keys\":[{}")));
    for (int i = 1; i < JWKS_KEYS_MAX; i++) {
        assert_true(buffer_append(&many, SLICE(",{}")));
    }
    struct slice fits = buffer_slice(&many);
    assert_true(buffer_append(&many, SLICE("]}")));
    assert_ok(jwt_keys_check(buffer_slice(&many), &used));
    many.end = fits.len;
    assert_true(buffer_append(&many, SLICE(",{}]}")));
    assert_fails(jwt_keys_check(buffer_slice(&many), &used), ERROR_LIMIT);
    buffer_done(&many);
}

/* T29: what is wrong is told without what was sent. */
static void errors_hold_nothing_of_the_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"keys\":[sesame", "{\"sesame\":1,\"sesame\":2}", "{\"keys\":\"sesame\"}", "\"sesame\\x\"",
        "[sesame]",
    };
    size_t used = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[256];
        struct error error = jwt_keys_check(slice_from_string(texts[i]), &used);
        assert_true(failed(error));
        error_describe(error, text, sizeof text);
        assert_null(strstr(text, "sesame"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_it_can_use_and_leaves_the_rest),
        cmocka_unit_test(refuses_what_is_no_key_set),
        cmocka_unit_test(bounds_text_and_keys),
        cmocka_unit_test(errors_hold_nothing_of_the_text),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
