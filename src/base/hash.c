#include "base/hash.h"

#include "base/random.h"

static inline uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

uint64_t hash_keyed(const struct hash_key *key, const void *data, size_t size)
{
    uint64_t v[4] = {
        key->words[0] ^ 0x736f6d6570736575ULL,
        key->words[1] ^ 0x646f72616e646f6dULL,
        key->words[0] ^ 0x6c7967656e657261ULL,
        key->words[1] ^ 0x7465646279746573ULL,
    };
    const unsigned char *bytes = data;
    uint64_t word;
    for (size_t left = size / 8; left > 0; left--, bytes += 8) {
        memcpy(&word, bytes, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)size << 56;
    for (size_t i = 0; i < size % 8; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct hash_key process_key;

/* Before main, so that no thread ever sees it unset and no reader pays for a check. */
__attribute__((constructor)) static void draw_process_key(void)
{
    random_bytes(&process_key, sizeof process_key);
}

uint64_t hash_bytes(const void *data, size_t size)
{
    return hash_keyed(&process_key, data, size);
}
