#include "auth/token.h"

#include <stdlib.h>

#include "auth/principal.h"

static struct slice put_text(char **at, struct slice text)
{
    char *copy = *at;
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    *at += text.len;
    return slice_of(copy, text.len);
}

static void read_claims(struct jwt_token *token, const struct jws *jws, const struct json *payload)
{
    if (jws != NULL) {
        claims_read(jws, payload, &token->claims);
    } else {
        claims_read_payload(payload, &token->claims);
    }
}

struct jwt_token *token_new(struct jws_crypto *crypto, const struct json *payload,
                            const struct token_source *source)
{
    struct slice kid = source->jws != NULL ? source->jws->kid : SLICE_NONE;
    size_t scope_count = claims_scopes(payload, NULL, 0);
    size_t role_count = claims_roles(payload, source->roles_claim, NULL, 0);
    size_t lists_size = (scope_count + role_count) * sizeof(struct slice);
    size_t payload_size = json_flat_size(payload);
    size_t size = sizeof(struct jwt_token) + lists_size + payload_size + source->name.len + kid.len +
                  source->roles_claim.len + source->issuer.len;
    struct jwt_token *token = malloc(size);
    if (token == NULL) {
        return NULL;
    }
    *token = (struct jwt_token){
        .references = 1,
        .size = size,
        .generation = source->generation,
        .has_kid = source->jws != NULL && source->jws->has_kid,
    };
    if (source->key != NULL) {
        memcpy(token->key, source->key->thumbprint, sizeof token->key);
    }
    struct slice *scopes = (struct slice *)(token + 1);
    struct slice *roles = scopes + scope_count;
    char *at = (char *)(token + 1) + lists_size;
    const struct json *copy = json_flat_copy(payload, at);
    at += payload_size;
    token->issuer_name = put_text(&at, source->name);
    token->kid = put_text(&at, kid);
    token->roles_claim = put_text(&at, source->roles_claim);
    struct slice issuer = put_text(&at, source->issuer);
    read_claims(token, source->jws, copy);
    if (slice_is_empty(token->claims.issuer)) {
        token->claims.issuer = issuer;
    }
    token->scopes = scopes;
    token->scope_count = slices_sort(scopes, claims_scopes(copy, scopes, scope_count));
    token->roles = roles;
    token->role_count = slices_sort(roles, claims_roles(copy, token->roles_claim, roles, role_count));
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

void token_release(void *held)
{
    jwt_token_unref(held);
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
        .roles = token->roles,
        .role_count = token->role_count,
        .claims = token->claims.payload,
        .expires = token->claims.expires,
        .bound = token->claims.binding != CLAIMS_UNBOUND,
        .caller_key = token->has_caller_key ? token->caller_key : NULL,
        .held = token,
        .release = token_release,
    };
}
