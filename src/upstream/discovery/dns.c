/* What name servers tell: each address of a name is an endpoint, or each address of each target of its SRV records (RFC 2782).
 * A certificate must show the name that the configuration has, not that of a target: who answers for the name servers would choose
 * that one (RFC 6125 section 6.2.1). */
#include "base/limits.h"
#include "base/random.h"
#include "upstream/discovery/dns_channel.h"
#include "upstream/discovery/dns_ttl.h"
#include "upstream/discovery/found.h"
#include "upstream/discovery/internal.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#define SERVICES_MAX 256 /* SRV records of a name */
#define EMPTIES      3   /* answers in a row that there is nothing, before it is believed */

/* Whose addresses are asked for. */
struct dns_target {
    struct dns_lookup *lookup;
    uint16_t port, priority, weight;
    uint8_t tier; /* by priority: 0 is the lowest one */
    bool asking;  /* an answer now is that of /etc/hosts, which knows no TTL */
};

struct dns_lookup {
    struct discovery_source *source;
    struct dns_channel *channel;
    struct arena *memory; /* of what follows, and of what is found */
    struct dns_target *targets;
    size_t target_count, pending; /* questions */
    struct found_endpoints found; /* ENDPOINTS_MAX have room */
    uint32_t ttl;                 /* s: the smallest of all answers; UINT32_MAX: none was told */
    uint32_t names;               /* whose addresses were asked for */
    const char *problem;          /* static; NULL: none */
};

static void fail(struct dns_lookup *lookup, const char *problem)
{
    lookup->problem = lookup->problem != NULL ? lookup->problem : problem;
}

/* There is no such name, or it has none of these records: an answer, too. */
static bool is_nothing(int status)
{
    return status == ARES_ENOTFOUND || status == ARES_ENODATA;
}

static void note_ttl(struct dns_lookup *lookup, uint32_t ttl)
{
    lookup->ttl = ttl < lookup->ttl ? ttl : lookup->ttl;
}

/* ---- records ---- */

static uint32_t weight_of(const struct dns_lookup *lookup, const struct dns_target *target)
{
    uint32_t most = 1;
    for (size_t i = 0; i < lookup->target_count; i++) {
        most = lookup->targets[i].weight > most ? lookup->targets[i].weight : most;
    }
    uint32_t weight =
        most > ENDPOINT_WEIGHT_MAX ? target->weight * (uint32_t)ENDPOINT_WEIGHT_MAX / most : target->weight;
    return weight > 0 ? weight : 1; /* 0 is "very rarely chosen" */
}

static void add(struct dns_lookup *lookup, const struct dns_target *target, const struct address *address)
{
    const struct discovery_settings *settings = &lookup->source->settings;
    char text[ADDRESS_TEXT_MAX];
    if (found_is_odd(address)) {
        return;
    }
    if (lookup->found.count == ENDPOINTS_MAX) {
        fail(lookup, "more addresses than a service may have endpoints, 1024");
        return;
    }
    address_format(address, text);
    struct slice url = arena_printf(lookup->memory, address_is_v4(address) ? "%s://%s:%u" : "%s://[%s]:%u",
                                    discovery_scheme_name(settings->scheme), text, target->port);
    if (url.ptr == NULL) {
        fail(lookup, "no memory for endpoints");
        return;
    }
    lookup->found.items[lookup->found.count++] = (struct found_endpoint){
        .url = url,
        .host = settings->identity,
        .weight = weight_of(lookup, target),
        .tiered = settings->kind == DISCOVERY_SRV,
        .tier = target->tier,
    };
}

static void note_ttls(struct dns_lookup *lookup, const struct ares_addrinfo *result)
{
    for (const struct ares_addrinfo_node *node = result->nodes; node != NULL; node = node->ai_next) {
        note_ttl(lookup, dns_ttl_of((uint32_t)node->ai_ttl));
    }
    for (const struct ares_addrinfo_cname *alias = result->cnames; alias != NULL; alias = alias->next) {
        note_ttl(lookup, dns_ttl_of((uint32_t)alias->ttl));
    }
}

static void on_addresses(void *context, int status, int timeouts, struct ares_addrinfo *result)
{
    struct dns_target *target = context;
    struct dns_lookup *lookup = target->lookup;
    (void)timeouts;
    lookup->pending--;
    if (status != ARES_SUCCESS && !is_nothing(status)) {
        fail(lookup, ares_strerror(status));
    }
    for (const struct ares_addrinfo_node *node = result != NULL ? result->nodes : NULL; node != NULL;
         node = node->ai_next) {
        struct address address;
        if (address_from_sockaddr(node->ai_addr, &address)) {
            add(lookup, target, &address);
        }
    }
    if (result != NULL) {
        if (!target->asking) {
            note_ttls(lookup, result);
        }
        ares_freeaddrinfo(result);
    }
}

static void ask_addresses(struct dns_lookup *lookup, const char *name, struct dns_target *target)
{
    const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
                                               .ai_socktype = SOCK_STREAM,
                                               .ai_flags = ARES_AI_NOSORT };
    lookup->pending++;
    lookup->names++;
    target->asking = true;
    ares_getaddrinfo(dns_channel_ares(lookup->channel), name, NULL, &hints, on_addresses, target);
    target->asking = false;
}

/* The lowest priority that is not below `from`; -1: there is none. */
static int next_priority(const struct dns_lookup *lookup, int from)
{
    int next = -1;
    for (size_t i = 0; i < lookup->target_count; i++) {
        int priority = lookup->targets[i].priority;
        next = priority >= from && (next < 0 || priority < next) ? priority : next;
    }
    return next;
}

/* There are no more than SERVICES_MAX. */
static void set_tiers(struct dns_lookup *lookup)
{
    uint8_t tier = 0;
    for (int at = next_priority(lookup, 0); at >= 0; at = next_priority(lookup, at + 1)) {
        for (size_t i = 0; i < lookup->target_count; i++) {
            if (lookup->targets[i].priority == at) {
                lookup->targets[i].tier = tier;
            }
        }
        tier++;
    }
}

/* A target that is the root says that the service is not there (RFC 2782). */
static void ask_targets(struct dns_lookup *lookup, const struct ares_srv_reply *records)
{
    size_t count = 0;
    for (const struct ares_srv_reply *record = records; record != NULL; record = record->next) {
        count++;
    }
    if (count > SERVICES_MAX) {
        fail(lookup, "more than 256 SRV records");
        return;
    }
    lookup->targets = arena_calloc(lookup->memory, count + 1, sizeof *lookup->targets);
    if (lookup->targets == NULL) {
        fail(lookup, "no memory for endpoints");
        return;
    }
    for (const struct ares_srv_reply *record = records; record != NULL; record = record->next) {
        lookup->targets[lookup->target_count++] =
            (struct dns_target){ lookup, record->port, record->priority, record->weight, 0, false };
    }
    set_tiers(lookup);
    size_t index = 0;
    for (const struct ares_srv_reply *record = records; record != NULL; record = record->next, index++) {
        if (record->host[0] != '\0' && record->port != 0) {
            ask_addresses(lookup, record->host, &lookup->targets[index]);
        }
    }
}

static void on_services(void *context, int status, int timeouts, unsigned char *answer, int size)
{
    struct dns_lookup *lookup = context;
    struct ares_srv_reply *records = NULL;
    (void)timeouts;
    lookup->pending--;
    if (status == ARES_SUCCESS) {
        status = ares_parse_srv_reply(answer, size, &records);
    }
    if (status == ARES_SUCCESS) {
        note_ttl(lookup, dns_answer_ttl(answer, size));
        ask_targets(lookup, records);
    } else if (!is_nothing(status)) {
        fail(lookup, ares_strerror(status));
    }
    ares_free_data(records);
}

/* ---- what is made of them ---- */

static int compare(const void *a, const void *b)
{
    const struct found_endpoint *one = a, *other = b;
    int order = slice_compare(one->url, other->url);
    order = order != 0 ? order : one->tier - other->tier;
    return order != 0 ? order : (one->weight < other->weight) - (one->weight > other->weight);
}

/* In an order that says nothing: name servers turn theirs with each answer. Of what is told twice, the better one stays. */
static void settle_order(struct found_endpoints *found)
{
    size_t kept = 0;
    qsort(found->items, found->count, sizeof *found->items, compare);
    for (size_t i = 0; i < found->count; i++) {
        if (kept == 0 || !slice_equal(found->items[kept - 1].url, found->items[i].url)) {
            found->items[kept++] = found->items[i];
        }
    }
    found->count = kept;
}

/* One answer may be that of a name server that has just been set up anew. */
static bool is_believed(struct discovery_source *source, const struct found_endpoints *found)
{
    source->empties = found->count == 0 ? source->empties + 1 : 0;
    return found->count > 0 || source->found.count == 0 || source->empties >= EMPTIES;
}

static void free_lookup(struct dns_lookup *lookup)
{
    if (lookup->channel != NULL) {
        dns_channel_free(lookup->channel);
    }
    source_memory_free(lookup->memory);
    free(lookup);
}

static int64_t pause_after(const struct dns_lookup *lookup)
{
    int64_t interval = lookup->source->settings.interval;
    uint32_t chance;
    random_bytes(&chance, sizeof chance);
    return lookup->problem != NULL || lookup->found.count == 0
               ? dns_pause_of_nothing(interval, chance)
               : dns_pause(lookup->ttl, lookup->names, interval, chance);
}

/* `source` keeps a reference to its own text in what is found: `identity`, of its memory. */
static void finish(struct dns_lookup *lookup)
{
    struct discovery_source *source = lookup->source;
    struct discovery *discovery = source->discovery;
    source->lookup = NULL;
    source->due = discovery->loop->now + pause_after(lookup);
    settle_order(&lookup->found);
    if (lookup->problem != NULL) {
        source_fail(source, lookup->problem);
    } else if (!is_believed(source, &lookup->found)) {
        source_fail(source, "there is no such name, or it has no addresses");
    } else {
        struct arena *memory = lookup->memory;
        lookup->memory = NULL;
        (void)source_take(source, memory, &lookup->found); /* told again by the next answer */
    }
    free_lookup(lookup);
    discovery_looked(discovery);
}

static void on_turn(void *context)
{
    struct dns_lookup *lookup = context;
    if (lookup->pending == 0 || lookup->problem != NULL) {
        finish(lookup);
    }
}

/* ---- asking ---- */

static bool prepare(struct dns_lookup *lookup)
{
    const struct discovery_settings *settings = &lookup->source->settings;
    lookup->memory = source_memory_new();
    if (lookup->memory == NULL) {
        return false;
    }
    lookup->found.items = arena_calloc(lookup->memory, ENDPOINTS_MAX, sizeof *lookup->found.items);
    lookup->targets = arena_calloc(lookup->memory, 1, sizeof *lookup->targets);
    lookup->channel = dns_channel_new(lookup->source->discovery->loop, settings->servers,
                                      settings->server_count, on_turn, lookup);
    return lookup->found.items != NULL && lookup->targets != NULL && lookup->channel != NULL;
}

static void ask(struct dns_lookup *lookup, const char *name)
{
    if (lookup->source->settings.kind == DISCOVERY_SRV) {
        lookup->pending++;
        ares_query(dns_channel_ares(lookup->channel), name, ns_c_in, ns_t_srv, on_services, lookup);
    } else {
        lookup->targets[lookup->target_count++] =
            (struct dns_target){ lookup, lookup->source->settings.port, 0, 1, 0, false };
        ask_addresses(lookup, name, &lookup->targets[0]);
    }
    dns_channel_begin(lookup->channel);
}

void source_ask(struct discovery_source *source)
{
    struct dns_lookup *lookup = calloc(1, sizeof *lookup);
    char name[256];
    source->due = source->discovery->loop->now + dns_pause_of_nothing(source->settings.interval, 0);
    if (lookup == NULL) {
        return;
    }
    lookup->source = source;
    lookup->ttl = UINT32_MAX;
    if (!prepare(lookup)) {
        free_lookup(lookup);
        source_fail(source, "no name servers are known, or there is no memory to ask them");
        return;
    }
    snprintf(name, sizeof name, "%.*s", SLICE_ARG(source->settings.name));
    source->lookup = lookup;
    source->due = INT64_MAX;
    ask(lookup, name);
}

void source_forget_lookup(struct discovery_source *source)
{
    if (source->lookup != NULL) {
        free_lookup(source->lookup);
        source->lookup = NULL;
    }
}
