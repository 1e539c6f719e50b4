#include "auth/password.h"

#include "unit.h"

/* Of "U*U": the test vector of the reference implementation of bcrypt. */
static const char *const vector = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
static const char *const yescrypt = "$y$j75$abcdefghijkl$/OYQ6YM2aN7OGxkif7YLK2VAPn5jV0nW8YSYU/CFM61";

static bool matches(const char *hash, struct slice password)
{
    bool matches = false;
    assert_ok(password_verify(slice_from_string(hash), password, &matches));
    return matches;
}

static void verifies(void **state)
{
    (void)state;
    assert_true(matches(vector, SLICE("U*U")));
    assert_false(matches(vector, SLICE("U*U*")));
    assert_false(matches(vector, SLICE("")));
    assert_true(matches(yescrypt, SLICE("open sesame")));
    assert_false(matches(yescrypt, SLICE("open sesam")));
}

static void what_libcrypt_would_cut_off_never_matches(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_MAX], password[PASSWORD_MAX + 1];
    bool matched = true;
    memset(password, 'x', sizeof password);
    assert_fails(password_make(slice_of(password, 73), PASSWORD_BCRYPT, hash), ERROR_LIMIT);
    assert_ok(password_make(slice_of(password, 72), PASSWORD_BCRYPT, hash));
    assert_true(matches(hash, slice_of(password, 72)));
    assert_false(matches(hash, slice_of(password, 73)));
    assert_fails(password_verify(slice_from_string(vector), SLICE("U*U\0x"), &matched), ERROR_LIMIT);
    assert_fails(password_verify(slice_from_string(vector), slice_of(password, sizeof password), &matched),
                 ERROR_LIMIT);
    assert_true(matched); /* untouched */
}

static void makes_what_it_reads(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_MAX], other[PASSWORD_HASH_MAX];
    struct password_hash facts;
    assert_ok(password_make(SLICE("secret"), PASSWORD_YESCRYPT, hash));
    assert_ok(password_make(SLICE("secret"), PASSWORD_YESCRYPT, other));
    assert_string_not_equal(hash, other);
    assert_null(password_hash_read(slice_from_string(hash), &facts));
    assert_int_equal(facts.memory, 16 * 1024 * 1024);
    assert_false(facts.weak);
    assert_true(matches(hash, SLICE("secret")));
    assert_false(matches(hash, SLICE("Secret")));
}

/* Whatever is cut off, a hash is not read past its end, and never verified by mistake. */
static void no_part_of_a_hash_is_one(void **state)
{
    (void)state;
    static const char *const hashes[] = {
        "$2y$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy",
        "$y$j75$abcdefghijkl$/OYQ6YM2aN7OGxkif7YLK2VAPn5jV0nW8YSYU/CFM61",
        "$7$BU..../..../tFUBGQCDa6q9M5BVHeRv/$a/NY4pCPqryKSZWsT.j/0dN1sPPuoKjr.zM14DJa531",
        "$6$saltsalt$e/5XKibXPLqVcfjpD.ouauaJrAOL5V0uo80Lt7n7EbRdRiCx3HbQ90yjOHr.G0T.mx79PEMRy8nmtr0qSYhQp1",
        "$5$rounds=1000$saltsalt$nKsyTQBmKz4GdCft0Sv/FbzLiu0y3wFdEXOzudLQLJ5",
    };
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        struct password_hash facts;
        size_t len = strlen(hashes[i]);
        for (size_t cut = 0; cut < len; cut++) {
            char *exact = malloc(cut + 1);
            assert_non_null(exact);
            memcpy(exact, hashes[i], cut);
            assert_non_null(password_hash_read(slice_of(exact, cut), &facts));
            free(exact);
        }
        assert_null(password_hash_read(slice_of(hashes[i], len), &facts));
    }
}

static void too_expensive_ones_are_refused(void **state)
{
    (void)state;
    static const char *const hashes[] = {
        "$2y$15$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy",
        "$2y$99$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy",
        "$2y$03$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy",
        "$y$jFT$abcdefghijkl$/OYQ6YM2aN7OGxkif7YLK2VAPn5jV0nW8YSYU/CFM61",
        "$y$j75.$abcdefghijkl$/OYQ6YM2aN7OGxkif7YLK2VAPn5jV0nW8YSYU/CFM61",
        "$7$IU..../..../tFUBGQCDa6q9M5BVHeRv/$a/NY4pCPqryKSZWsT.j/0dN1sPPuoKjr.zM14DJa531",
        "$7$BzzzzT/..../tFUBGQCDa6q9M5BVHeRv/$a/NY4pCPqryKSZWsT.j/0dN1sPPuoKjr.zM14DJa531",
        "$7$BU....0..../tFUBGQCDa6q9M5BVHeRv/$a/NY4pCPqryKSZWsT.j/0dN1sPPuoKjr.zM14DJa531",
        "$5$rounds=99999999$saltsalt$nKsyTQBmKz4GdCft0Sv/FbzLiu0y3wFdEXOzudLQLJ5",
        "$5$rounds=99999999999999999999$saltsalt$nKsyTQBmKz4GdCft0Sv/FbzLiu0y3wFdEXOzudLQLJ5",
    };
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        struct password_hash facts;
        assert_non_null(password_hash_read(slice_from_string(hashes[i]), &facts));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies),
        cmocka_unit_test(what_libcrypt_would_cut_off_never_matches),
        cmocka_unit_test(makes_what_it_reads),
        cmocka_unit_test(no_part_of_a_hash_is_one),
        cmocka_unit_test(too_expensive_ones_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
