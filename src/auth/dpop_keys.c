#include "auth/dpop_keys.h"

static struct dpop_key_place *set_of(struct dpop_keys *keys, const unsigned char *thumbprint)
{
    uint64_t word;
    memcpy(&word, thumbprint, sizeof word);
    return &keys->places[word % DPOP_KEYS_SETS * DPOP_KEYS_WAYS];
}

struct jws_key *dpop_keys_find(struct dpop_keys *keys, const unsigned char thumbprint[JWS_THUMBPRINT_SIZE])
{
    struct dpop_key_place *set = set_of(keys, thumbprint);
    for (size_t i = 0; i < DPOP_KEYS_WAYS; i++) {
        if (set[i].key != NULL && memcmp(set[i].key->thumbprint, thumbprint, JWS_THUMBPRINT_SIZE) == 0) {
            set[i].used = ++keys->tick;
            return set[i].key;
        }
    }
    return NULL;
}

void dpop_keys_put(struct dpop_keys *keys, struct jws_key *key)
{
    struct dpop_key_place *set = set_of(keys, key->thumbprint), *place = &set[0];
    for (size_t i = 0; i < DPOP_KEYS_WAYS && place->key != NULL; i++) {
        if (set[i].key == NULL || set[i].used < place->used) {
            place = &set[i];
        }
    }
    jws_key_free(place->key);
    *place = (struct dpop_key_place){ .used = ++keys->tick, .key = key };
}

void dpop_keys_done(struct dpop_keys *keys)
{
    for (size_t i = 0; i < DPOP_KEYS_SETS * DPOP_KEYS_WAYS; i++) {
        jws_key_free(keys->places[i].key);
        keys->places[i].key = NULL;
    }
}
