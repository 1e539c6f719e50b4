/* Users of HTTP Basic, made ready: what rules, limits and headers read of them. */
#include "auth/basic_settings.h"

#include "auth/token.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "json/writer.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define CLAIMS_MAX (64 * 1024) /* bytes of a user's claims as text */

/* Both lists as one, sorted, none twice. */
static bool join(const struct conf_strings *all, const struct conf_strings *own, struct arena *arena,
                 struct conf_strings *out)
{
    struct slice *items = arena_alloc(arena, (all->count + own->count + 1) * sizeof *items);
    size_t count = 0;
    if (items == NULL) {
        return false;
    }
    for (size_t i = 0; i < all->count; i++) {
        items[count++] = all->items[i];
    }
    for (size_t i = 0; i < own->count; i++) {
        items[count++] = own->items[i];
    }
    *out = (struct conf_strings){ items, slices_sort(items, count) };
    return true;
}

static void write_array(struct json_writer *writer, struct slice name, const struct conf_strings *strings)
{
    json_name(writer, name);
    json_array_begin(writer);
    for (size_t i = 0; i < strings->count; i++) {
        json_string(writer, strings->items[i]);
    }
    json_array_end(writer);
}

static struct slice spaced(const struct conf_strings *names, struct arena *arena)
{
    struct slice text = SLICE("");
    for (size_t i = 0; i < names->count && text.ptr != NULL; i++) {
        text =
            arena_printf(arena, "%.*s%s%.*s", SLICE_ARG(text), i > 0 ? " " : "", SLICE_ARG(names->items[i]));
    }
    return text;
}

struct roles_and_scopes {
    struct conf_strings scopes, roles, tags;
};

static const struct json *make_claims(struct slice name, const struct roles_and_scopes *has,
                                      struct arena *arena)
{
    struct buffer text;
    struct json_writer writer;
    struct slice scope = spaced(&has->scopes, arena);
    buffer_init(&text, CLAIMS_MAX);
    json_writer_init(&writer, &text);
    json_object_begin(&writer);
    json_member_string(&writer, SLICE("sub"), name);
    json_member_string(&writer, SLICE("scope"), scope);
    write_array(&writer, SLICE("roles"), &has->roles);
    write_array(&writer, SLICE("tags"), &has->tags);
    json_object_end(&writer);
    struct slice copy =
        scope.ptr != NULL && !writer.failed ? arena_copy(arena, buffer_slice(&text)) : SLICE_NONE;
    struct json *claims = NULL;
    bool good = copy.ptr != NULL && !failed(json_parse(copy, JSON_DEPTH_MAX, arena, &claims, NULL));
    buffer_done(&text);
    return good ? claims : NULL;
}

static bool make_keys(const struct basic_settings *set, struct basic_user *user, struct arena *arena)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct slice issuer = arena_printf(arena, "basic:%.*s", SLICE_ARG(set->name));
    unsigned char identity[PRINCIPAL_KEY_SIZE];
    bool good = context != NULL && issuer.ptr != NULL &&
                caller_key_make(context, EVP_sha256(), issuer, user->name, SLICE(""), user->caller_key) &&
                caller_key_make(context, EVP_sha256(), user->name, user->hash, SLICE(""), identity);
    EVP_MD_CTX_free(context);
    if (good) {
        memcpy(user->identity, identity, sizeof user->identity);
    }
    return good;
}

bool basic_user_prepare(const struct basic_settings *set, const struct basic_user_settings *settings,
                        struct basic_user *user, struct arena *arena)
{
    static const struct basic_user_settings nothing = { 0 };
    const struct basic_user_settings *own = settings != NULL ? settings : &nothing;
    struct roles_and_scopes has = { .tags = own->tags };
    if (!join(&set->scopes, &own->scopes, arena, &has.scopes) ||
        !join(&set->roles, &own->roles, arena, &has.roles)) {
        return false;
    }
    user->scopes = has.scopes.items;
    user->scope_count = has.scopes.count;
    user->roles = has.roles.items;
    user->role_count = has.roles.count;
    if (own->limit.count == 0 || limit_make_own(own->limit, &user->limit) != NULL) {
        user->limit = (struct limit_settings){ .limit = { 0 } };
    }
    user->revoked = own->revoked;
    user->expires = INT64_MAX;
    if (!slice_is_empty(own->expires)) {
        clock_parse_date(own->expires, &user->expires);
    }
    user->claims = make_claims(user->name, &has, arena);
    return user->claims != NULL && make_keys(set, user, arena);
}

const struct basic_user *basic_find_user(const struct basic_settings *set, struct slice name)
{
    size_t low = 0, high = set->known_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_compare(name, set->known[middle].name);
        if (order == 0) {
            return &set->known[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* By a key that nobody outside knows: else who knows one user's hash could tell whose turn a name is. */
const struct basic_user *basic_find_decoy(const struct basic_settings *set, struct slice name)
{
    struct hash_key key;
    if (set->known_count == 0) {
        return NULL;
    }
    memcpy(&key, set->known[0].identity, sizeof key);
    return &set->known[hash_keyed(&key, name.ptr, name.len) % set->known_count];
}

void basic_principal(const struct basic_settings *set, const struct basic_user *user, struct principal *out)
{
    *out = (struct principal){
        .kind = PRINCIPAL_BASIC,
        .issuer_name = set->name,
        .issuer = SLICE(""),
        .subject = user->name,
        .client_id = SLICE(""),
        .scopes = user->scopes,
        .scope_count = user->scope_count,
        .roles = user->roles,
        .role_count = user->role_count,
        .claims = user->claims,
        .expires = user->expires,
        .own_limit = user->limit.limit.count > 0 ? &user->limit : NULL,
        .caller_key = user->caller_key,
    };
}
