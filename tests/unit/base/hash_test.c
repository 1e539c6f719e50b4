#include "unit.h"

#include "base/hash.h"

/* A plain SipHash-1-3, byte by byte, written from the paper: the oracle. */
static uint64_t rotated(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static uint64_t sip13(const struct hash_key *key, const unsigned char *bytes, size_t size)
{
    uint64_t v0 = key->words[0] ^ 0x736f6d6570736575ULL, v1 = key->words[1] ^ 0x646f72616e646f6dULL;
    uint64_t v2 = key->words[0] ^ 0x6c7967656e657261ULL, v3 = key->words[1] ^ 0x7465646279746573ULL;
    uint64_t word = 0;
    for (size_t i = 0; i <= size + (7 - size % 8) + 3; i++) {
        bool finish = i > size + (7 - size % 8);
        unsigned char byte = i < size ? bytes[i] : i == size + (7 - size % 8) ? (unsigned char)size : 0;
        word |= finish ? 0 : (uint64_t)byte << (8 * (i % 8));
        if (!finish && i % 8 != 7) {
            continue;
        }
        if (i == size + (7 - size % 8) + 1) {
            v2 ^= 0xff;
        }
        v3 ^= word;
        v0 += v1, v2 += v3, v1 = rotated(v1, 13), v3 = rotated(v3, 16), v1 ^= v0, v3 ^= v2,
                            v0 = rotated(v0, 32);
        v2 += v1, v0 += v3, v1 = rotated(v1, 17), v3 = rotated(v3, 21), v1 ^= v2, v3 ^= v0,
                            v2 = rotated(v2, 32);
        v0 ^= word;
        word = 0;
    }
    return v0 ^ v1 ^ v2 ^ v3;
}

static void every_length_is_siphash(void **state)
{
    (void)state;
    const struct hash_key key = { { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) } };
    unsigned char text[8 + 300];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (unsigned char)(i * 7 + 1);
    }
    uint64_t word;
    memcpy(&word, text, sizeof word);
    for (size_t size = 0; size <= 300; size++) {
        unsigned char *copy = malloc(size > 0 ? size : 1);
        assert_non_null(copy);
        memcpy(copy, text + 8, size);
        assert_true(hash_keyed(&key, copy, size) == sip13(&key, copy, size));
        /* A word in front is the same as eight bytes in front. */
        assert_true(hash_keyed_behind(&key, word, copy, size) == sip13(&key, text, size + 8));
        free(copy);
    }
    assert_true(hash_keyed(&key, NULL, 0) == sip13(&key, text, 0));
}

/* Vectors that others publish, so that the oracle is not ours alone. */
static void known_answers(void **state)
{
    (void)state;
    const struct hash_key key = { { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) } };
    unsigned char text[16];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (unsigned char)i;
    }
    assert_true(hash_keyed(&key, text, 0) == UINT64_C(0xabac0158050fc4dc));
    assert_true(hash_keyed(&key, text, 1) == UINT64_C(0xc9f49bf37d57ca93));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_is_siphash),
        cmocka_unit_test(known_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
