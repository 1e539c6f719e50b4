/* What a decision is remembered by. */
/* As auth/token_digest.c: EVP allocates on each call, which would be felt where a hit costs little else. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "external/request.h"

#include <openssl/sha.h>

struct digest {
    SHA256_CTX context;
    bool failed;
};

/* Lengths go first: so "ab" with "c" is not "a" with "bc". */
static void put(struct digest *digest, struct slice text)
{
    uint64_t len = text.len;
    digest->failed = digest->failed || SHA256_Update(&digest->context, &len, sizeof len) != 1 ||
                     SHA256_Update(&digest->context, text.len > 0 ? text.ptr : "", text.len) != 1;
}

static void put_number(struct digest *digest, uint64_t number)
{
    digest->failed = digest->failed || SHA256_Update(&digest->context, &number, sizeof number) != 1;
}

/* How many there are, and each of them. */
static void put_fields(struct digest *digest, const struct headers *fields, struct slice name)
{
    uint64_t count = 0;
    for (size_t i = 0; i < fields->count; i++) {
        if (slice_equal_nocase(fields->items[i].name, name)) {
            put(digest, fields->items[i].value);
            count++;
        }
    }
    put_number(digest, count);
}

/* Whatever tells one caller from another: what the client sent, and what we say of it. */
static void put_credential(struct digest *digest, const struct external_request *request,
                           const struct external_fields *fields)
{
    static const struct principal nobody;
    const struct principal *principal = request->principal != NULL ? request->principal : &nobody;
    put_fields(digest, &fields->client, SLICE("Authorization"));
    put_fields(digest, &fields->client, SLICE("Cookie"));
    put_number(digest, (uint64_t)principal->kind);
    put(digest, principal->issuer_name);
    put(digest, principal->subject);
    put(digest, principal->client_id);
    for (size_t i = 0; i < fields->identity.count; i++) {
        put(digest, fields->identity.items[i].name);
        put(digest, fields->identity.items[i].value);
    }
    put_number(digest, fields->identity.count);
}

static void put_part(struct digest *digest, enum decision_part part, const struct external_request *request,
                     const struct external_fields *fields)
{
    put_number(digest, (uint64_t)part);
    switch (part) {
    case DECISION_CREDENTIAL:
        put_credential(digest, request, fields);
        break;
    case DECISION_METHOD:
        put(digest, request->method);
        break;
    case DECISION_HOST:
        put(digest, request->host);
        put_number(digest, request->port);
        put_number(digest, request->is_tls ? 1 : 0);
        break;
    case DECISION_PATH:
        put(digest, request->path);
        break;
    case DECISION_QUERY: /* an empty one is another than none */
        put(digest, request->query);
        put_number(digest, request->query.ptr != NULL ? 1 : 0);
        break;
    case DECISION_ADDRESS:
        put(digest, slice_of((const char *)request->client.bytes, sizeof request->client.bytes));
        break;
    case DECISION_PARTS:
        digest->failed = true;
        break;
    }
}

bool external_key_of(const struct authorizer_settings *settings, const struct external_request *request,
                     const struct external_fields *fields, unsigned char out[EXTERNAL_KEY_SIZE])
{
    const struct decision_cache_settings *cache = settings->cache;
    struct digest digest = { .failed = false };
    if (cache == NULL || cache->parts == 0 || SHA256_Init(&digest.context) != 1) {
        return false;
    }
    for (int part = 0; part < DECISION_PARTS; part++) {
        if ((cache->parts & (1U << part)) != 0) {
            put_part(&digest, (enum decision_part)part, request, fields);
        }
    }
    for (size_t i = 0; i < cache->headers.count; i++) {
        put(&digest, cache->headers.items[i]);
        put_fields(&digest, &fields->client, cache->headers.items[i]);
    }
    return !digest.failed && SHA256_Final(out, &digest.context) == 1;
}
