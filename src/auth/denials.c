#include "auth/denials.h"

#include <stdlib.h>
#include <string.h>

bool denials_init(struct denials *denials)
{
    denials->places = calloc(DENIALS_MAX, sizeof *denials->places);
    return denials->places != NULL;
}

void denials_done(struct denials *denials)
{
    free(denials->places);
    denials->places = NULL;
}

static struct denial *place_of(const struct denials *denials, const unsigned char *digest)
{
    uint64_t word;
    memcpy(&word, digest, sizeof word);
    return &denials->places[word % DENIALS_MAX];
}

enum deny_reason denials_find(const struct denials *denials, const unsigned char digest[DENIALS_DIGEST_SIZE],
                              uint64_t owner_id, int64_t now)
{
    const struct denial *place = place_of(denials, digest);
    bool known = place->owner_id == owner_id && place->until > now &&
                 memcmp(place->digest, digest, sizeof place->digest) == 0;
    return known ? place->reason : DENY_NONE;
}

void denials_put(struct denials *denials, const unsigned char digest[DENIALS_DIGEST_SIZE], uint64_t owner_id,
                 int64_t until, enum deny_reason reason)
{
    struct denial *place = place_of(denials, digest);
    *place = (struct denial){ .owner_id = owner_id, .until = until, .reason = reason };
    memcpy(place->digest, digest, sizeof place->digest);
}

void denials_forget(struct denials *denials, uint64_t owner_id)
{
    for (size_t i = 0; i < DENIALS_MAX; i++) {
        if (denials->places[i].owner_id == owner_id) {
            denials->places[i].owner_id = 0;
        }
    }
}
