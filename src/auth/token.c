#include "auth/token.h"

#include <stdlib.h>

#include "auth/principal.h"

static int compare_scopes(const void *left, const void *right)
{
    return slice_compare(*(const struct slice *)left, *(const struct slice *)right);
}

/* Returns how many are left. */
static size_t sort_unique(struct slice *scopes, size_t count)
{
    qsort(scopes, count, sizeof *scopes, compare_scopes);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !slice_equal(scopes[i], scopes[kept - 1])) {
            scopes[kept++] = scopes[i];
        }
    }
    return kept;
}

static struct slice put_text(char **at, struct slice text)
{
    char *copy = *at;
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    *at += text.len;
    return slice_of(copy, text.len);
}

struct jwt_token *token_new(struct jws_crypto *crypto, const struct jws *jws, const struct json *payload,
                            struct slice issuer_name, const struct jws_key *key, uint64_t generation)
{
    size_t scope_count = claims_scopes(payload, NULL, 0);
    size_t scopes_size = scope_count * sizeof(struct slice);
    size_t payload_size = json_flat_size(payload);
    size_t size = sizeof(struct jwt_token) + scopes_size + payload_size + issuer_name.len + jws->kid.len;
    struct jwt_token *token = malloc(size);
    if (token == NULL) {
        return NULL;
    }
    *token = (struct jwt_token){
        .references = 1, .size = size, .generation = generation, .has_kid = jws->has_kid
    };
    memcpy(token->key, key->thumbprint, sizeof token->key);
    struct slice *scopes = (struct slice *)(token + 1);
    char *at = (char *)(token + 1) + scopes_size;
    const struct json *copy = json_flat_copy(payload, at);
    at += payload_size;
    token->issuer_name = put_text(&at, issuer_name);
    token->kid = put_text(&at, jws->kid);
    claims_read(jws, copy, &token->claims);
    token->scopes = scopes;
    token->scope_count = sort_unique(scopes, claims_scopes(copy, scopes, scope_count));
    token->has_caller_key =
        caller_key_make(crypto->digest[JWS_SHA256], crypto->md[JWS_SHA256], token->claims.issuer,
                        token->claims.subject, token->claims.client_id, token->caller_key);
    return token;
}

void jwt_token_unref(struct jwt_token *token)
{
    if (token != NULL && --token->references == 0) {
        free(token);
    }
}

void jwt_principal(struct jwt_token *token, struct principal *out)
{
    *out = (struct principal){
        .kind = PRINCIPAL_JWT,
        .issuer_name = token->issuer_name,
        .issuer = token->claims.issuer,
        .subject = token->claims.subject,
        .client_id = token->claims.client_id,
        .scopes = token->scopes,
        .scope_count = token->scope_count,
        .claims = token->claims.payload,
        .expires = token->claims.expires,
        .bound = token->claims.binding != CLAIMS_UNBOUND,
        .token = token,
    };
}
