#include "upstream/outlier/ejection.h"

const char *const ejection_reason_names[EJECTION_REASONS] = {
    [EJECTION_FAILURES] = "failures",
    [EJECTION_SUCCESS_GAP] = "success_gap",
};

bool ejection_may(const struct ejection *endpoints, size_t count, const struct outlier_settings *settings)
{
    size_t ejected = 0, allowed = count * (size_t)settings->max_ejected / 100;
    for (size_t i = 0; i < count; i++) {
        ejected += endpoints[i].ejected;
    }
    return count > 1 && ejected < (allowed > 0 ? allowed : 1);
}

void ejection_begin(struct ejection *endpoint, const struct outlier_settings *settings, int64_t now)
{
    int64_t longest = settings->max_ejection;
    endpoint->times++;
    bool is_longer = endpoint->times > longest / settings->ejection;
    endpoint->until = now + (is_longer ? longest : settings->ejection * endpoint->times);
    endpoint->ejected = true;
}

bool ejection_end(struct ejection *endpoint, int64_t now)
{
    if (!endpoint->ejected || now < endpoint->until) {
        return false;
    }
    endpoint->ejected = false;
    return true;
}

static unsigned int share_of(uint64_t well, uint64_t all)
{
    return (unsigned int)(well * 100 / all);
}

bool ejection_lags(const struct ejection *endpoints, size_t count, size_t index,
                   const struct outlier_settings *settings, unsigned int *ret_share, unsigned int *ret_others)
{
    const struct ejection *endpoint = &endpoints[index];
    uint64_t own = endpoint->well + endpoint->failed, others = 0, others_well = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t requests = endpoints[i].well + endpoints[i].failed;
        if (i != index && requests >= (uint64_t)settings->min_requests) {
            others += requests;
            others_well += endpoints[i].well;
        }
    }
    if (settings->success_gap == 0 || own < (uint64_t)settings->min_requests || others == 0) {
        return false;
    }
    *ret_share = share_of(endpoint->well, own);
    *ret_others = share_of(others_well, others);
    return *ret_others >= *ret_share + (unsigned int)settings->success_gap;
}

void ejection_next_interval(struct ejection *endpoint)
{
    endpoint->well = endpoint->failed = 0;
    if (!endpoint->ejected && endpoint->times > 0) {
        endpoint->times--;
    }
}
