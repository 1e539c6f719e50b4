#include "upstream/balance/lottery.h"

#include <stdlib.h>

bool lottery_init(struct lottery *lottery, size_t capacity, uint64_t start)
{
    *lottery = (struct lottery){ .at = start };
    lottery->thresholds = calloc(capacity, sizeof *lottery->thresholds);
    lottery->aliases = calloc(capacity, sizeof *lottery->aliases);
    lottery->left = calloc(capacity, sizeof *lottery->left);
    lottery->short_ = calloc(capacity, sizeof *lottery->short_);
    lottery->over_ = calloc(capacity, sizeof *lottery->over_);
    return lottery->thresholds != NULL && lottery->aliases != NULL && lottery->left != NULL &&
           lottery->short_ != NULL && lottery->over_ != NULL;
}

void lottery_done(struct lottery *lottery)
{
    free(lottery->thresholds);
    free(lottery->aliases);
    free(lottery->left);
    free(lottery->short_);
    free(lottery->over_);
}

/* A bucket is worth the mean weight. Each number that has less fills the rest of its bucket from one that has more. Weights are
 * counted in parts of the count, so that the mean is a whole number: their sum. */
void lottery_set(struct lottery *lottery, const uint32_t *weights, size_t count)
{
    uint64_t sum = 0;
    size_t shorts = 0, overs = 0;
    for (size_t i = 0; i < count; i++) {
        sum += weights[i];
    }
    lottery->count = count;
    for (size_t i = 0; i < count; i++) {
        lottery->left[i] = (uint64_t)weights[i] * count;
        lottery->thresholds[i] = UINT32_MAX;
        lottery->aliases[i] = (uint16_t)i;
        if (lottery->left[i] < sum) {
            lottery->short_[shorts++] = (uint16_t)i;
        } else {
            lottery->over_[overs++] = (uint16_t)i;
        }
    }
    while (shorts > 0 && overs > 0) {
        uint16_t taker = lottery->short_[--shorts], giver = lottery->over_[overs - 1];
        lottery->thresholds[taker] = (uint32_t)(((unsigned __int128)lottery->left[taker] << 32) / sum);
        lottery->aliases[taker] = giver;
        lottery->left[giver] -= sum - lottery->left[taker];
        if (lottery->left[giver] < sum) {
            overs--;
            lottery->short_[shorts++] = giver;
        }
    }
}
