#include "base/hash.h"

#include "base/random.h"

static inline uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip *sip)
{
    sip->v0 += sip->v1;
    sip->v1 = rotate(sip->v1, 13) ^ sip->v0;
    sip->v0 = rotate(sip->v0, 32);
    sip->v2 += sip->v3;
    sip->v3 = rotate(sip->v3, 16) ^ sip->v2;
    sip->v0 += sip->v3;
    sip->v3 = rotate(sip->v3, 21) ^ sip->v0;
    sip->v2 += sip->v1;
    sip->v1 = rotate(sip->v1, 17) ^ sip->v2;
    sip->v2 = rotate(sip->v2, 32);
}

static inline void sip_word(struct sip *sip, uint64_t word)
{
    sip->v3 ^= word;
    sip_round(sip);
    sip->v0 ^= word;
}

static inline struct sip sip_begin(const struct hash_key *key)
{
    return (struct sip){
        key->words[0] ^ 0x736f6d6570736575ULL,
        key->words[1] ^ 0x646f72616e646f6dULL,
        key->words[0] ^ 0x6c7967656e657261ULL,
        key->words[1] ^ 0x7465646279746573ULL,
    };
}

/* `before`: bytes that were taken in already, a multiple of eight. */
__attribute__((always_inline)) static inline uint64_t sip_end(struct sip sip, const unsigned char *bytes,
                                                              size_t size, size_t before)
{
    uint64_t word;
    for (size_t left = size / 8; left > 0; left--, bytes += 8) {
        memcpy(&word, bytes, 8);
        sip_word(&sip, word);
    }
    word = (uint64_t)(size + before) << 56;
    for (size_t i = 0; i < size % 8; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    sip_word(&sip, word);
    sip.v2 ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(&sip);
    }
    return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}

uint64_t hash_keyed(const struct hash_key *key, const void *data, size_t size)
{
    return sip_end(sip_begin(key), data, size, 0);
}

uint64_t hash_keyed_behind(const struct hash_key *key, uint64_t word, const void *data, size_t size)
{
    struct sip sip = sip_begin(key);
    sip_word(&sip, word);
    return sip_end(sip, data, size, sizeof word);
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
