#include "auth/place.h"

#include "auth/api_key_settings.h"
#include "auth/plan.h"
#include "http/headers.h"

#define OF(member) .offset = offsetof(struct auth_place_settings, member)

static const struct conf_field token_fields[] = {
    { "header", CONF_STRING, CONF_NON_EMPTY | CONF_NAMES, OF(header),
      .help = "A request header: Authorization (with the scheme Bearer), or another that holds the token, "
              "with or "
              "without Bearer before it. Never forwarded." },
    { "cookie", CONF_STRING, CONF_NON_EMPTY | CONF_NAMES, OF(cookie),
      .help = "A cookie. Requests that change something, and WebSockets, must then come from a page of the "
              "host itself "
              "or of an origin that cors (with credentials) or websocket names. Never forwarded." },
    { "query", CONF_STRING, CONF_NON_EMPTY, OF(query),
      .help =
          "A query parameter, as in access_token (RFC 6750, section 2.3), for clients that can do nothing "
          "else; never of an issuer. Never forwarded or logged." },
    { 0 },
};

const struct conf_object auth_token_from_object = {
    .name = "token_from",
    .size = sizeof(struct auth_place_settings),
    .fields = token_fields,
    .help = "Where in a request tokens stand: each that is given is a place, and a token in two of them is "
            "refused. Without it: the header Authorization.",
};

static const struct conf_field key_fields[] = {
    { "header", CONF_STRING, CONF_NON_EMPTY | CONF_NAMES, OF(header),
      .help = "A request header. Never forwarded." },
    { "cookie", CONF_STRING, CONF_NON_EMPTY | CONF_NAMES, OF(cookie),
      .help = "A cookie, with the same check of Origin as that of token_from. Never forwarded." },
    { "query", CONF_STRING, CONF_NON_EMPTY, OF(query),
      .help = "A query parameter, for clients that can do nothing else. Never forwarded or logged." },
    { 0 },
};

const struct conf_object auth_key_from_object = {
    .name = "key_from",
    .size = sizeof(struct auth_place_settings),
    .fields = key_fields,
    .help = "Where in a request API keys stand, instead of the header of their set: each that is given is a "
            "place, and a key in two of them is refused.",
};

/* ---- checks ---- */

bool auth_place_header_is_taken(struct slice header)
{
    static const struct slice taken[] = {
        SLICE_INIT("host"),
        SLICE_INIT("cookie"),
        SLICE_INIT("connection"),
        SLICE_INIT("upgrade"),
        SLICE_INIT("content-length"),
        SLICE_INIT("content-type"),
        SLICE_INIT("transfer-encoding"),
        SLICE_INIT("te"),
        SLICE_INIT("trailer"),
        SLICE_INIT("forwarded"),
        SLICE_INIT("expect"),
        SLICE_INIT("authorization"),
        SLICE_INIT("proxy-authorization"),
    };
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (slice_equal_nocase(header, taken[i])) {
            return true;
        }
    }
    return false;
}

static bool is_authorization(struct slice header)
{
    return slice_equal_nocase(header, SLICE("authorization"));
}

/* Names that every reader of queries takes for the same thing. */
static bool is_plain_name(struct slice name)
{
    bool good = name.len > 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        good = good && (ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c == '-' || c == '.');
    }
    return good;
}

const char *auth_place_check(const struct auth_place_settings *settings, bool in_issuer)
{
    if (settings->header.len + settings->cookie.len + settings->query.len == 0) {
        return "names no place: header, cookie or query is missing";
    }
    if (settings->header.len > 0 &&
        (!http_token_valid(settings->header) || slice_find(settings->header, '_') >= 0)) {
        return "header is no name of a header";
    }
    if (auth_place_header_is_taken(settings->header) && !is_authorization(settings->header)) {
        return "header is one that means something else";
    }
    if (settings->cookie.len > 0 && !http_token_valid(settings->cookie)) {
        return "cookie is no name of a cookie";
    }
    if (settings->query.len > 0 && in_issuer) {
        return "a query is for a route to say, in its auth: what stands in a URL ends up in histories";
    }
    return settings->query.len > 0 && !is_plain_name(settings->query)
               ? "query is no plain name: letters, digits, _, - and ."
               : NULL;
}

/* ---- the places of a plan ---- */

const char *auth_place_kind_text(enum auth_place_kind kind)
{
    static const char *const texts[] = {
        [AUTH_PLACE_BEARER] = "header",
        [AUTH_PLACE_HEADER] = "header",
        [AUTH_PLACE_COOKIE] = "cookie",
        [AUTH_PLACE_QUERY] = "query parameter",
    };
    return texts[kind];
}

bool auth_place_same(const struct auth_place *one, const struct auth_place *other)
{
    bool exact = one->kind == AUTH_PLACE_COOKIE;
    return one->kind == other->kind &&
           (exact ? slice_equal(one->name, other->name) : slice_equal_nocase(one->name, other->name));
}

static struct auth_place *place_of(struct auth_places *places, const struct auth_place *wanted)
{
    for (size_t i = 0; i < places->count; i++) {
        if (auth_place_same(&places->items[i], wanted)) {
            return &places->items[i];
        }
    }
    return NULL;
}

/* One place more of the use's source `index`. */
static bool add_place(struct auth_use *use, size_t index, enum auth_place_kind kind, struct slice at,
                      struct arena *arena)
{
    struct auth_places *places = &use->places;
    const struct auth_place wanted = { .kind = kind, .name = at };
    struct auth_place *place = place_of(places, &wanted);
    if (place == NULL) {
        size_t most = use->names.count;
        struct slice *names =
            places->count < AUTH_PLACES_MAX ? arena_calloc(arena, most, sizeof *names) : NULL;
        const void **settings = names != NULL ? arena_calloc(arena, most, sizeof *settings) : NULL;
        if (settings == NULL) {
            return false;
        }
        place = &places->items[places->count++];
        *place = wanted;
        place->names.items = names;
        place->settings = settings;
    }
    place->settings[place->names.count] = use->sources[index].settings;
    place->names.items[place->names.count++] = use->names.items[index];
    return true;
}

static bool add_places(struct auth_use *use, size_t index, const struct auth_place_settings *from,
                       struct arena *arena)
{
    enum auth_place_kind kind = is_authorization(from->header) ? AUTH_PLACE_BEARER : AUTH_PLACE_HEADER;
    return (from->header.len == 0 || add_place(use, index, kind, from->header, arena)) &&
           (from->cookie.len == 0 || add_place(use, index, AUTH_PLACE_COOKIE, from->cookie, arena)) &&
           (from->query.len == 0 || add_place(use, index, AUTH_PLACE_QUERY, from->query, arena));
}

static const struct auth_place_settings in_authorization = { .header = SLICE_INIT("Authorization") };

static bool add_issuer(struct auth_use *use, size_t index, const struct auth_settings *settings,
                       struct arena *arena)
{
    const struct issuer_settings *issuer = use->sources[index].settings;
    const struct auth_place_settings *from = settings->token_from;
    if (from == NULL && issuer != NULL) {
        from = issuer->token_from;
    }
    return add_places(use, index, from != NULL ? from : &in_authorization, arena);
}

static bool add_opaque(struct auth_use *use, size_t index, const struct auth_settings *settings,
                       struct arena *arena)
{
    return add_places(use, index, settings->token_from != NULL ? settings->token_from : &in_authorization,
                      arena);
}

static bool add_set(struct auth_use *use, size_t index, const struct auth_settings *settings,
                    struct arena *arena)
{
    const struct api_keys_settings *set = use->sources[index].settings;
    if (settings->key_from != NULL) {
        return add_places(use, index, settings->key_from, arena);
    }
    /* A name that leads nowhere has been told. */
    return set == NULL || add_place(use, index, AUTH_PLACE_HEADER, set->header, arena);
}

/* By method; NULL: its credential stands in one place always. */
static bool (*const add_source[AUTH_METHOD_COUNT])(struct auth_use *use, size_t index,
                                                   const struct auth_settings *settings,
                                                   struct arena *arena) = {
    [AUTH_JWT] = add_issuer,
    [AUTH_INTROSPECTION] = add_opaque,
    [AUTH_API_KEY] = add_set,
};

bool auth_places_set(struct auth_plan *plan, const struct auth_settings *settings, struct arena *arena)
{
    for (size_t i = 0; i < plan->use_count; i++) {
        struct auth_use *use = &plan->uses[i];
        use->places =
            (struct auth_places){ arena_calloc(arena, AUTH_PLACES_MAX, sizeof(struct auth_place)), 0 };
        if (use->places.items == NULL) {
            return false;
        }
        for (size_t k = 0; add_source[use->method] != NULL && k < use->names.count; k++) {
            if (!add_source[use->method](use, k, settings, arena)) {
                return false;
            }
        }
    }
    return true;
}
