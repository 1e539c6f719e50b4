#include "auth/jws.h"
#include "auth/jwt.h"

#include <stdlib.h>

#include "base/limits.h"

/* Bytes of tree: sixteen times the largest text. A document that needs more was made to hurt. */
#define TREE_MAX (16 * 1024 * 1024)

static struct error parse_keys(struct jws_crypto *crypto, const struct json *keys,
                               struct jws_key_set **ret_set)
{
    struct jws_key_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a key set");
    }
    for (size_t i = 0; i < keys->count; i++) {
        struct error error = jws_key_parse(crypto, &keys->items[i], &set->keys[set->count]);
        if (error.kind == ERROR_MEMORY) {
            jws_key_set_free(set);
            return error;
        }
        set->count += failed(error) ? 0 : 1;
    }
    *ret_set = set;
    return OK;
}

static struct error parse_document(struct jws_crypto *crypto, struct slice text, struct arena *arena,
                                   struct jws_key_set **ret_set)
{
    struct json *document;
    TRY(json_parse(text, JSON_DEPTH_MAX, arena, &document, NULL));
    const struct json *keys = json_get(document, SLICE("keys"));
    if (keys == NULL || keys->type != JSON_ARRAY) {
        return FAIL(ERROR_VALUE, "the document has no array of keys: it is no JSON Web Key Set");
    }
    if (keys->count > JWKS_KEYS_MAX) {
        return FAIL(ERROR_LIMIT, "the key set has too many keys");
    }
    return parse_keys(crypto, keys, ret_set);
}

struct error jws_key_set_parse(struct jws_crypto *crypto, struct slice text, struct jws_key_set **ret_set)
{
    if (text.len > JWKS_TEXT_MAX) {
        return FAIL(ERROR_LIMIT, "the key set is too large");
    }
    struct arena arena;
    arena_init(&arena, TREE_MAX);
    struct error error = parse_document(crypto, text, &arena, ret_set);
    arena_done(&arena);
    return error;
}

void jws_key_set_free(struct jws_key_set *set)
{
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        jws_key_free(set->keys[i]);
    }
    free(set);
}

struct error jwt_keys_check(struct slice jwks_text, size_t *ret_used)
{
    struct jws_crypto crypto;
    struct jws_key_set *set;
    TRY(jws_crypto_init(&crypto));
    struct error error = jws_key_set_parse(&crypto, jwks_text, &set);
    if (!failed(error)) {
        *ret_used = set->count;
        jws_key_set_free(set);
    }
    jws_crypto_done(&crypto);
    return error;
}
