#include "auth/principal.h"

#include <openssl/evp.h>

#include "auth/token.h"

void principal_release(struct principal *principal)
{
    if (principal->held != NULL) {
        principal->release(principal->held);
    }
    *principal = (struct principal){ .kind = PRINCIPAL_ANONYMOUS };
}

bool principal_has_scope(const struct principal *principal, struct slice scope)
{
    return slices_hold(principal->scopes, principal->scope_count, scope);
}

bool principal_has_role(const struct principal *principal, struct slice role)
{
    return slices_hold(principal->roles, principal->role_count, role);
}

/* The issuer's length tells where it ends. `kind` keeps a client_id from counting as the user whose subject is spelt like it. */
bool caller_key_make(EVP_MD_CTX *context, const EVP_MD *md, struct slice issuer, struct slice subject,
                     struct slice client_id, unsigned char out[PRINCIPAL_KEY_SIZE])
{
    bool has_subject = !slice_is_empty(subject);
    struct slice name = has_subject ? subject : client_id;
    const char kind = has_subject ? 's' : 'c';
    const uint64_t length = issuer.len;
    unsigned char key[PRINCIPAL_KEY_SIZE];
    if (slice_is_empty(name) || EVP_DigestInit_ex2(context, md, NULL) != 1 ||
        EVP_DigestUpdate(context, &length, sizeof length) != 1 ||
        EVP_DigestUpdate(context, issuer.ptr, issuer.len) != 1 ||
        EVP_DigestUpdate(context, &kind, sizeof kind) != 1 ||
        EVP_DigestUpdate(context, name.ptr, name.len) != 1 || EVP_DigestFinal_ex(context, key, NULL) != 1) {
        return false;
    }
    memcpy(out, key, sizeof key);
    return true;
}

bool principal_caller_key(const struct principal *principal, unsigned char out[PRINCIPAL_KEY_SIZE])
{
    if (principal->kind == PRINCIPAL_ANONYMOUS) {
        return false;
    }
    if (principal->caller_key != NULL) {
        memcpy(out, principal->caller_key, PRINCIPAL_KEY_SIZE);
        return true;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool made = context != NULL && caller_key_make(context, EVP_sha256(), principal->issuer,
                                                   principal->subject, principal->client_id, out);
    EVP_MD_CTX_free(context);
    return made;
}

/* Takes the next name off a claim path: name, .name, ["name"]. False where the path is malformed. */
static bool next_name(struct slice *path, bool first, struct slice *ret_name)
{
    struct slice rest = *path;
    if (slice_starts_with(rest, SLICE("[\""))) {
        rest = slice_from(rest, 2);
        ssize_t quote = slice_find(rest, '"');
        if (quote <= 0 || !slice_starts_with(slice_from(rest, (size_t)quote), SLICE("\"]"))) {
            return false;
        }
        *ret_name = slice_part(rest, 0, (size_t)quote);
        *path = slice_from(rest, (size_t)quote + 2);
        return true;
    }
    if (!first) {
        if (rest.ptr[0] != '.') {
            return false;
        }
        rest = slice_from(rest, 1);
    }
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '.' && rest.ptr[len] != '[') {
        len++;
    }
    *ret_name = slice_part(rest, 0, len);
    *path = slice_from(rest, len);
    return len > 0;
}

bool principal_claim_path_valid(struct slice path)
{
    struct slice name;
    if (path.len == 0 || !next_name(&path, true, &name)) {
        return false;
    }
    while (path.len > 0) {
        if (!next_name(&path, false, &name)) {
            return false;
        }
    }
    return true;
}

bool principal_claim_reference(struct slice text, struct slice *ret_path)
{
    if (!slice_starts_with(text, SLICE("claims"))) {
        return false;
    }
    struct slice path = slice_from(text, sizeof "claims" - 1);
    if (slice_starts_with(path, SLICE("."))) {
        path = slice_from(path, 1);
    } else if (!slice_starts_with(path, SLICE("["))) {
        return false;
    }
    if (!principal_claim_path_valid(path)) {
        return false;
    }
    *ret_path = path;
    return true;
}

const struct json *principal_claim(const struct principal *principal, struct slice path)
{
    return principal_claim_in(principal->claims, path);
}

const struct json *principal_claim_in(const struct json *payload, struct slice path)
{
    const struct json *value = payload;
    bool first = true;
    while (value != NULL && (first || path.len > 0)) {
        struct slice name;
        if (!next_name(&path, first, &name)) {
            return NULL;
        }
        value = json_get(value, name);
        first = false;
    }
    return value;
}
