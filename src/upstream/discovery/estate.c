#include "upstream/discovery/estate.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "upstream/discovery/internal.h"

#define TEXT_MAX ((size_t)1024 * 1024)
#define MARK_MAX ((size_t)8 * 1024 * 1024) /* certificates are part of it */

/* Before each endpoint's three texts. */
struct endpoint_head {
    uint32_t url_size, host_size, zone_size, weight;
    uint8_t tiered, tier, reserved[2];
};

/* ---- where they come from ---- */

static bool add_text(struct buffer *out, struct slice text)
{
    return buffer_printf(out, "%zu:", text.len) && (text.len == 0 || buffer_append(out, text));
}

static bool add_list(struct buffer *out, const struct conf_strings *list)
{
    bool good = buffer_printf(out, "%zu;", list->count);
    for (size_t i = 0; good && i < list->count; i++) {
        good = add_text(out, list->items[i]);
    }
    return good;
}

static bool add_tls(struct buffer *out, const struct tls_client_settings *tls)
{
    return tls == NULL ||
           (add_text(out, tls->ca_pem) && add_text(out, tls->cert_pem) && add_text(out, tls->server_name) &&
            add_list(out, &tls->spiffe_ids) && add_text(out, tls->spiffe_trust_domain) &&
            buffer_printf(out, "%d;", (int)tls->min_version));
}

/* As source_is_of compares them, so that another source inherits nothing. Every process must come to the same. */
static bool mark_of(const struct discovery_settings *settings, uint64_t *ret_mark)
{
    static const struct hash_key key;
    struct buffer text;
    buffer_init(&text, MARK_MAX);
    bool good = add_text(&text, settings->from) && add_text(&text, settings->token_file) &&
                add_text(&text, settings->api) && add_text(&text, settings->datacenter) &&
                add_list(&text, &settings->resolvers) && add_list(&text, &settings->tags) &&
                buffer_printf(&text, "%d %d;", settings->scheme, settings->stale) &&
                add_tls(&text, settings->tls);
    if (good) {
        struct slice all = buffer_slice(&text);
        *ret_mark = hash_keyed(&key, all.ptr, all.len);
    }
    buffer_done(&text);
    return good;
}

/* ---- leaving ---- */

static bool add_endpoint(struct buffer *out, const struct found_endpoint *endpoint)
{
    const struct endpoint_head head = {
        .url_size = (uint32_t)endpoint->url.len,
        .host_size = (uint32_t)endpoint->host.len,
        .zone_size = (uint32_t)endpoint->zone.len,
        .weight = endpoint->weight,
        .tiered = endpoint->tiered,
        .tier = endpoint->tier,
    };
    const struct slice parts[] = { slice_of((const char *)&head, sizeof head), endpoint->url, endpoint->host,
                                   endpoint->zone };
    bool good = true;
    for (size_t i = 0; good && i < sizeof parts / sizeof parts[0]; i++) {
        good = parts[i].len == 0 || buffer_append(out, parts[i]);
    }
    return good;
}

void discovery_export(const struct discovery *discovery,
                      void (*put)(void *context, const struct discovery_estate *estate), void *context)
{
    const struct discovery_source *source = discovery != NULL ? discovery->sources : NULL;
    for (; source != NULL; source = source->next) {
        uint64_t mark;
        struct buffer text;
        buffer_init(&text, TEXT_MAX);
        bool good = source->wanted && source->found.count > 0 && mark_of(&source->settings, &mark);
        for (size_t i = 0; good && i < source->found.count; i++) {
            good = add_endpoint(&text, &source->found.items[i]);
        }
        if (good) {
            const struct discovery_estate estate = { source->upstream,
                                                     slice_of((const char *)&mark, sizeof mark),
                                                     buffer_slice(&text) };
            put(context, &estate);
        }
        buffer_done(&text);
    }
}

/* ---- inheriting ---- */

static bool take(struct slice *rest, size_t size, struct slice *ret_part)
{
    if (size > rest->len) {
        return false;
    }
    *ret_part = slice_part(*rest, 0, size);
    *rest = slice_from(*rest, size);
    return true;
}

static bool take_endpoint(struct slice *rest, struct found_endpoint *endpoint)
{
    struct slice part;
    struct endpoint_head head;
    if (!take(rest, sizeof head, &part)) {
        return false;
    }
    memcpy(&head, part.ptr, sizeof head);
    endpoint->weight = head.weight;
    endpoint->tiered = head.tiered != 0;
    endpoint->tier = head.tier;
    return head.weight >= 1 && head.weight <= ENDPOINT_WEIGHT_MAX &&
           take(rest, head.url_size, &endpoint->url) && take(rest, head.host_size, &endpoint->host) &&
           take(rest, head.zone_size, &endpoint->zone);
}

static bool parse(struct slice text, struct arena *memory, struct found_endpoints *ret_found)
{
    struct slice rest = arena_copy(memory, text);
    ret_found->items = arena_calloc(memory, ENDPOINTS_MAX, sizeof *ret_found->items);
    bool good = rest.ptr != NULL && ret_found->items != NULL && text.len <= TEXT_MAX;
    while (good && rest.len > 0) {
        good = ret_found->count < ENDPOINTS_MAX && take_endpoint(&rest, &ret_found->items[ret_found->count]);
        ret_found->count += good;
    }
    return good && ret_found->count > 0;
}

static bool is_heir(const struct discovery_source *source, const struct discovery_estate *estate)
{
    uint64_t mark;
    return source->found_memory == NULL && slice_equal(source->upstream, estate->upstream) &&
           mark_of(&source->settings, &mark) &&
           slice_equal(estate->source, slice_of((const char *)&mark, sizeof mark));
}

void discovery_inherit(struct discovery *discovery, const struct discovery_estate *estate)
{
    struct discovery_source *source = discovery->sources;
    while (source != NULL && !is_heir(source, estate)) {
        source = source->next;
    }
    struct arena *memory = source != NULL ? source_memory_new() : NULL;
    struct found_endpoints found = { 0 };
    if (memory == NULL || !parse(estate->text, memory, &found)) {
        source_memory_free(memory);
        return;
    }
    source->found_memory = memory;
    source->found = found;
    log_event(LOG_INFO, "endpoints_inherited", LOG_TEXT("upstream", source->upstream),
              LOG_TEXT("from", source->settings.from), LOG_NUMBER("endpoints", found.count));
}
