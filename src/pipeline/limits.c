#include "pipeline/limits.h"

#define FIELD_MAX 2048

/* Bytes of an address that the networks of one site share: a /24 of IPv4, which is mapped, and a /48 of IPv6. */
#define SITE_V4 15
#define SITE_V6 6

/* A text of any length, told apart from others by what stands before it. The limiter hashes it under a key of its own. */
static bool text_key(struct exchange *exchange, struct slice prefix, struct slice text, struct limit_key *out)
{
    char *key = arena_alloc(&exchange->arena, prefix.len + text.len);
    if (key == NULL) {
        return false;
    }
    memcpy(key, prefix.ptr, prefix.len);
    if (text.len > 0) {
        memcpy(key + prefix.len, text.ptr, text.len);
    }
    out->key = key;
    out->key_size = prefix.len + text.len;
    return true;
}

static bool caller_key(struct exchange *exchange, struct limit_key *out)
{
    unsigned char *key = arena_alloc(&exchange->arena, PRINCIPAL_KEY_SIZE);
    if (key == NULL || !principal_caller_key(&exchange->principal, key)) {
        return false;
    }
    out->key = key;
    out->key_size = PRINCIPAL_KEY_SIZE;
    return true;
}

static bool claim_key(struct exchange *exchange, struct slice path, struct limit_key *out)
{
    const struct json *claim = principal_claim(&exchange->principal, path);
    if (claim == NULL || (claim->type != JSON_STRING && claim->type != JSON_NUMBER)) {
        return false;
    }
    return text_key(exchange, SLICE("c"), claim->text, out);
}

/* The value of the field that a rule names; empty where there is none. False for several: which of them its upstream goes
 * by we do not know, and a client that varied the other would have an allowance for each. */
static bool field_of(const struct exchange *exchange, struct slice name, struct slice *ret_value)
{
    const struct headers *headers = &exchange->input.headers;
    const struct relay_settings *relay = exchange->route != NULL ? exchange_policy(exchange)->relay : NULL;
    size_t count = 0;
    *ret_value = SLICE("");
    for (size_t i = 0; i < headers->count; i++) {
        if (relay_is_field(relay, headers->items[i].name, name)) {
            *ret_value = headers->items[i].value;
            count++;
        }
    }
    return count <= 1;
}

void limits_network_key(const struct address *network, struct limit_key *out)
{
    out->key = network->bytes;
    out->key_size = sizeof network->bytes;
    /* Whoever has one network of a site may well have all of it. */
    out->prefix = network->bytes;
    out->prefix_size = address_is_v4(network) ? SITE_V4 : SITE_V6;
}

static enum deny_reason unless(bool there)
{
    return there ? DENY_NONE : DENY_AUTHORIZATION_ERROR;
}

/* What a rule counts this request by. A request that has no such thing, or two of them, fails closed. */
static enum deny_reason key_of(struct exchange *exchange, const struct limit_settings *rule,
                               const struct address *network, struct limit_key *out)
{
    struct slice address = { (const char *)network->bytes, sizeof network->bytes };
    struct slice field;
    *out = (struct limit_key){ .settings = rule };
    switch ((enum limit_by_kind)rule->kind) {
    case LIMIT_BY_ADDRESS:
        limits_network_key(network, out);
        return DENY_NONE;
    case LIMIT_BY_CALLER:
        return unless(caller_key(exchange, out));
    case LIMIT_BY_CLAIM:
        return unless(claim_key(exchange, rule->argument, out));
    case LIMIT_BY_HEADER:
        if (!field_of(exchange, rule->argument, &field)) {
            return DENY_LIMIT_FIELD_REPEATED;
        }
        /* The client chooses its value, so it never counts without the address; which makes up many values is a crowd. */
        out->prefix = network->bytes;
        out->prefix_size = sizeof network->bytes;
        return unless(text_key(exchange, address, field, out));
    case LIMIT_BY_ROUTE:
        out->key = "";
        out->key_size = 0;
        return DENY_NONE;
    }
    return DENY_AUTHORIZATION_ERROR;
}

/* Appends to a list-structured field. */
static struct slice join(struct exchange *exchange, struct slice before, const char *text, size_t length)
{
    if (length == 0) {
        return before;
    }
    return before.len == 0
               ? arena_copy(&exchange->arena, slice_of(text, length))
               : arena_printf(&exchange->arena, "%.*s, %.*s", SLICE_ARG(before), (int)length, text);
}

static enum stage_verdict enforce(struct exchange *exchange, const struct limit_settings *const *rules,
                                  size_t count, enum deny_reason reason)
{
    if (count == 0) {
        return STAGE_NEXT;
    }
    struct address network = address_network(&exchange->client);
    struct limit_key keys[LIMIT_KEYS_MAX] __attribute__((uninitialized));
    size_t used = 0;
    /* All keys before anything is counted. */
    for (size_t i = 0; i < count; i++) {
        enum deny_reason wrong = key_of(exchange, rules[i], &network, &keys[used++]);
        if (wrong != DENY_NONE) {
            return stage_deny(exchange, wrong,
                              wrong == DENY_AUTHORIZATION_ERROR
                                  ? SLICE("a limit's key is missing from the request")
                                  : SLICE_NONE);
        }
    }
    struct limit_answer answer;
    limiter_decide(exchange->worker->limiter, keys, used, exchange->started, &answer);
    char text[FIELD_MAX] __attribute__((uninitialized));
    exchange->rate_policy =
        join(exchange, exchange->rate_policy, text, limit_policy_field(keys, used, text, sizeof text));
    exchange->rate_state =
        join(exchange, exchange->rate_state, text, limit_state_field(keys, &answer, text, sizeof text));
    if (!answer.allowed) {
        exchange->retry_after = answer.retry_after;
        return stage_deny(exchange, reason, keys[answer.refused_by].settings->name);
    }
    return STAGE_NEXT;
}

/* Counts like any other, and shows itself to nobody: not in RateLimit fields, not as a denial. */
static void observe(struct exchange *exchange, const struct limit_settings *rule, enum deny_reason reason)
{
    struct address network = address_network(&exchange->client);
    struct limit_key key;
    struct limit_answer answer;
    enum deny_reason wrong = key_of(exchange, rule, &network, &key);
    if (wrong == DENY_NONE) {
        limiter_decide(exchange->worker->limiter, &key, 1, exchange->started, &answer);
        wrong = answer.allowed ? DENY_NONE : reason;
    }
    if (wrong != DENY_NONE) {
        stage_would_deny(exchange, wrong);
    }
}

enum stage_verdict limits_apply(struct exchange *exchange, const struct limit_settings *const *rules,
                                size_t count, enum deny_reason reason)
{
    if (count > LIMIT_KEYS_MAX) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("more limits than one request may have"));
    }
    const struct limit_settings *enforced[LIMIT_KEYS_MAX] = { NULL };
    int64_t now = exchange->started_real / NS_PER_S;
    size_t enforced_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!shadow_observes(&rules[i]->shadow, now)) {
            enforced[enforced_count++] = rules[i];
        }
    }
    enum stage_verdict verdict = enforce(exchange, enforced, enforced_count, reason);
    /* What is refused charges nothing, here neither. */
    for (size_t i = 0; verdict == STAGE_NEXT && enforced_count < count && i < count; i++) {
        if (shadow_observes(&rules[i]->shadow, now)) {
            observe(exchange, rules[i], reason);
        }
    }
    return verdict;
}
