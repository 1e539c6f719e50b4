#include "auth/api_key.h"

#include "unit.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define PREFIX SLICE("sallyport")

static void a_key_has_its_form(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char text[API_KEY_MAX];
        size_t len = api_key_make(PREFIX, text);
        assert_int_equal(len, 9 + 1 + 36);
        assert_memory_equal(text, "sallyport_", 10);
        assert_true(api_key_is_formed(slice_of(text, len), PREFIX));
        assert_false(api_key_is_formed(slice_of(text, len - 1), PREFIX));
        assert_false(api_key_is_formed(slice_of(text, len), SLICE("sallypor")));
        assert_false(api_key_is_formed(slice_of(text, len), SLICE("sallyporx")));
    }
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, API_KEY_RANDOM);
}

/* Every character comes about as often as any other, and no two keys are one. */
static void keys_are_random(void **state)
{
    (void)state;
    enum {
        KEYS = 4000
    };
    static char keys[KEYS][API_KEY_RANDOM];
    unsigned int seen[256] = { 0 };
    for (int i = 0; i < KEYS; i++) {
        char text[API_KEY_MAX];
        api_key_make(PREFIX, text);
        memcpy(keys[i], text + 10, API_KEY_RANDOM);
        for (int k = 0; k < API_KEY_RANDOM; k++) {
            seen[(unsigned char)keys[i][k]]++;
        }
    }
    unsigned int different = 0;
    for (int c = 0; c < 256; c++) {
        different += seen[c] > 0;
        /* 1935 are expected, with a deviation of 44: eight of them are never left by chance */
        assert_true(seen[c] == 0 || (seen[c] > 1583 && seen[c] < 2287));
    }
    assert_int_equal(different, 62);
    qsort(keys, KEYS, sizeof keys[0], compare);
    for (int i = 1; i < KEYS; i++) {
        assert_memory_not_equal(keys[i - 1], keys[i], API_KEY_RANDOM);
    }
}

/* A known one, so that the form cannot change unseen: CRC-32 of "sallyport_000000000000000000000000000000" is 0x659f3ad3. */
static void the_form_is_fixed(void **state)
{
    (void)state;
    const char *known = "sallyport_0000000000000000000000000000001rNjF5";
    assert_true(api_key_is_formed(slice_from_string(known), PREFIX));
}

/* One wrong character, or two that changed places, is seen: what a CRC promises. */
static void typos_are_seen(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_ =\n";
    char text[API_KEY_MAX];
    size_t len = api_key_make(PREFIX, text);
    for (size_t at = 0; at < len; at++) {
        char right = text[at];
        for (size_t c = 0; c < sizeof alphabet; c++) { /* its NUL too */
            text[at] = alphabet[c];
            assert_int_equal(api_key_is_formed(slice_of(text, len), PREFIX), alphabet[c] == right);
        }
        text[at] = right;
    }
    for (size_t at = 10; at + 1 < len; at++) {
        char first = text[at], second = text[at + 1];
        text[at] = second;
        text[at + 1] = first;
        assert_int_equal(api_key_is_formed(slice_of(text, len), PREFIX), first == second);
        text[at] = first;
        text[at + 1] = second;
    }
}

static void prefixes(void **state)
{
    (void)state;
    static const char *const good[] = { "sp", "sallyport", "acme_live", "a1", "abcdefghijklmnopqrstuvwx" };
    static const char *const bad[] = { "",    "a",  "1a",
                                       "_a",  "a_", "Acme",
                                       "a-b", "ä1", "abcdefghijklmnopqrstuvwxy" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(api_key_prefix_valid(slice_from_string(good[i])));
        char text[API_KEY_MAX];
        size_t len = api_key_make(slice_from_string(good[i]), text);
        assert_true(api_key_is_formed(slice_of(text, len), slice_from_string(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(api_key_prefix_valid(slice_from_string(bad[i])));
    }
}

/* OpenSSL's own HMAC is the oracle, for peppers shorter and longer than a block. */
static void the_digest_is_hmac_sha_256(void **state)
{
    (void)state;
    char secret[200];
    for (size_t i = 0; i < sizeof secret; i++) {
        secret[i] = (char)(i * 7 + 1);
    }
    static const size_t sizes[] = { 32, 63, 64, 65, 128, 200 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char text[API_KEY_MAX];
        size_t len = api_key_make(PREFIX, text);
        struct api_pepper pepper;
        unsigned char ours[API_KEY_DIGEST_SIZE], theirs[EVP_MAX_MD_SIZE];
        assert_true(api_pepper_init(&pepper, slice_of(secret, sizes[i])));
        assert_true(api_key_digest(&pepper, slice_of(text, len), ours));
        assert_non_null(HMAC(EVP_sha256(), secret, (int)sizes[i], (unsigned char *)text, len, theirs, NULL));
        assert_memory_equal(ours, theirs, sizeof ours);
        unsigned char again[API_KEY_DIGEST_SIZE];
        assert_true(api_key_digest(&pepper, slice_of(text, len), again));
        assert_memory_equal(ours, again, sizeof ours);
        api_pepper_done(&pepper);
        static const struct api_pepper wiped;
        assert_memory_equal(&pepper, &wiped, sizeof pepper);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_its_form), cmocka_unit_test(keys_are_random),
        cmocka_unit_test(the_form_is_fixed),  cmocka_unit_test(typos_are_seen),
        cmocka_unit_test(prefixes),           cmocka_unit_test(the_digest_is_hmac_sha_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
