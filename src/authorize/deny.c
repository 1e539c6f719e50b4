#include "authorize/deny.h"

#include "authorize/said.h"

static bool claim_matches(const struct deny_settings *rule, struct slice text)
{
    return rule->contains.len > 0 ? slice_contains(text, rule->contains)
           : rule->equals.len > 0 ? slice_equal(text, rule->equals)
                                  : conf_strings_contain(&rule->one_of, text);
}

/* False for null alone, which is as good as absent. */
static bool value_fires(const struct deny_settings *rule, const struct json *value)
{
    switch (value->type) {
    case JSON_NULL:
        return false;
    case JSON_BOOL:
        return claim_matches(rule, value->boolean ? SLICE("true") : SLICE("false"));
    case JSON_NUMBER:
    case JSON_STRING:
        return claim_matches(rule, value->text);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return true;
}

static bool claim_fires(const struct deny_settings *rule, const struct principal *principal)
{
    const struct json *claim = principal_claim(principal, rule->claim);
    if (claim == NULL || claim->type != JSON_ARRAY) {
        return claim != NULL && value_fires(rule, claim);
    }
    for (size_t i = 0; i < claim->count; i++) {
        if (value_fires(rule, &claim->items[i])) {
            return true;
        }
    }
    return false;
}

static bool contains_nocase(struct slice text, struct slice part)
{
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (slice_equal_nocase(slice_part(text, i, part.len), part)) {
            return true;
        }
    }
    return false;
}

/* As a service may read it: without white space and quotes around it. */
static struct slice bare(struct slice text)
{
    text = slice_trim(text);
    while (text.len > 0 && text.ptr[0] == '"') {
        text = slice_trim(slice_from(text, 1));
    }
    while (text.len > 0 && text.ptr[text.len - 1] == '"') {
        text = slice_trim(slice_part(text, 0, text.len - 1));
    }
    return text;
}

static bool is_named(const struct deny_settings *rule, struct slice text)
{
    text = bare(text);
    bool found = rule->equals.len > 0 && slice_equal_nocase(text, rule->equals);
    for (size_t i = 0; !found && i < rule->one_of.count; i++) {
        found = slice_equal_nocase(text, rule->one_of.items[i]);
    }
    return found;
}

/* The value as a whole, and what every comma splits off it: within quotes, too, for not every service heeds them. */
static bool field_fires(const struct deny_settings *rule, struct slice value)
{
    if (rule->contains.len > 0) {
        return contains_nocase(value, rule->contains);
    }
    bool fires = is_named(rule, value);
    struct slice element;
    while (!fires && slice_next(&value, ',', &element)) {
        fires = is_named(rule, element);
    }
    return fires;
}

static bool header_fires(const struct deny_settings *rule, const struct headers *headers)
{
    if (headers == NULL) {
        return true;
    }
    for (size_t i = 0; i < headers->count; i++) {
        if (said_same_field(headers->items[i].name, rule->header) &&
            field_fires(rule, headers->items[i].value)) {
            return true;
        }
    }
    return false;
}

bool deny_fires(const struct conf_list *list, const struct principal *principal,
                const struct authorize_request *request)
{
    const struct deny_settings *rules = list->items;
    for (size_t i = 0; i < list->count; i++) {
        const struct deny_settings *rule = &rules[i];
        if (!rule->sound ||
            (rule->header.len > 0 ? header_fires(rule, request->headers) : claim_fires(rule, principal))) {
            return true;
        }
    }
    return false;
}
