#include "auth/dpop_keys.h"

#include "unit.h"

static struct dpop_keys keys;

static int end(void **state)
{
    (void)state;
    dpop_keys_done(&keys);
    return 0;
}

/* The first bytes choose the set. */
static struct jws_key *key_of(unsigned char set, unsigned char number)
{
    struct jws_key *key = calloc(1, sizeof *key);
    assert_non_null(key);
    key->thumbprint[0] = set;
    key->thumbprint[31] = number;
    return key;
}

static struct jws_key *find(unsigned char set, unsigned char number)
{
    unsigned char thumbprint[JWS_THUMBPRINT_SIZE] = { [0] = set, [31] = number };
    return dpop_keys_find(&keys, thumbprint);
}

static void what_was_put_is_found(void **state)
{
    (void)state;
    assert_null(find(1, 1));
    struct jws_key *one = key_of(1, 1), *other = key_of(2, 1);
    dpop_keys_put(&keys, one);
    dpop_keys_put(&keys, other);
    assert_ptr_equal(find(1, 1), one);
    assert_ptr_equal(find(2, 1), other);
    assert_null(find(1, 2));
}

static void the_least_recently_used_goes(void **state)
{
    (void)state;
    for (unsigned char i = 0; i < DPOP_KEYS_WAYS; i++) {
        dpop_keys_put(&keys, key_of(3, i));
    }
    assert_non_null(find(3, 0));
    dpop_keys_put(&keys, key_of(3, 100));
    assert_non_null(find(3, 0));
    assert_null(find(3, 1));
    assert_non_null(find(3, 100));
    for (unsigned char i = 2; i < DPOP_KEYS_WAYS; i++) {
        assert_non_null(find(3, i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_was_put_is_found, end),
        cmocka_unit_test_teardown(the_least_recently_used_goes, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
