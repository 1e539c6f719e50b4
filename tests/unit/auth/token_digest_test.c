#include "auth/token_digest.h"

#include "unit.h"

/* FIPS 180-4's examples, and that every byte counts. */
static void test_it_is_sha_256(void **state)
{
    (void)state;
    static const unsigned char abc[TOKEN_DIGEST_SIZE] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
    };
    unsigned char digest[TOKEN_DIGEST_SIZE];
    assert_true(token_digest(SLICE("abc"), digest));
    assert_memory_equal(digest, abc, sizeof abc);
}

static void test_a_byte_more_is_another_token(void **state)
{
    (void)state;
    unsigned char one[TOKEN_DIGEST_SIZE], other[TOKEN_DIGEST_SIZE];
    assert_true(token_digest(SLICE("abcd"), one));
    assert_true(token_digest(SLICE("abce"), other));
    assert_memory_not_equal(one, other, sizeof one);
    assert_true(token_digest(SLICE("abc"), other));
    assert_memory_not_equal(one, other, sizeof one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_sha_256),
        cmocka_unit_test(test_a_byte_more_is_another_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
