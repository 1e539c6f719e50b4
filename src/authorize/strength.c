#include "authorize/strength.h"

#include "base/clock.h"

/* An auth_time further ahead is no matter of clocks: milliseconds, say, which would be fresh for ever. */
#define AHEAD_MAX 600

static bool has_text(const struct json *claim, struct slice text)
{
    for (size_t i = 0; claim->type == JSON_ARRAY && i < claim->count; i++) {
        if (claim->items[i].type == JSON_STRING && slice_equal(claim->items[i].text, text)) {
            return true;
        }
    }
    return false;
}

static bool has_acr(const struct conf_strings *wanted, const struct principal *principal)
{
    const struct json *acr = principal_claim(principal, SLICE("acr"));
    return acr != NULL && acr->type == JSON_STRING && conf_strings_contain(wanted, acr->text);
}

static bool has_amr(const struct conf_strings *wanted, const struct principal *principal)
{
    const struct json *amr = principal_claim(principal, SLICE("amr"));
    bool all = amr != NULL;
    for (size_t i = 0; all && i < wanted->count; i++) {
        all = has_text(amr, wanted->items[i]);
    }
    return all;
}

static bool is_recent(int64_t max_age, const struct principal *principal, int64_t now)
{
    const struct json *time = principal_claim(principal, SLICE("auth_time"));
    int64_t latest = now + AHEAD_MAX, earliest = now - max_age / NS_PER_S;
    return time != NULL && time->type == JSON_NUMBER && time->number <= (double)latest &&
           time->number >= (double)earliest;
}

bool strength_is_enough(const struct authorize_settings *settings, const struct principal *principal,
                        int64_t now)
{
    return (settings->acr.count == 0 || has_acr(&settings->acr, principal)) &&
           (settings->amr.count == 0 || has_amr(&settings->amr, principal)) &&
           (settings->max_age == 0 || is_recent(settings->max_age, principal, now));
}
