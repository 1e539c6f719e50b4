#include "cli/import/openapi.h"

static struct slice text_of(const struct conf_node *map, const char *key)
{
    const struct conf_node *node = conf_node_get(map, slice_from_string(key));
    return node != NULL && node->type == CONF_NODE_SCALAR ? node->text : SLICE("");
}

/* ---- schemes ---- */

enum scheme_kind {
    SCHEME_UNKNOWN,
    SCHEME_JWT,
    SCHEME_API_KEY,
    SCHEME_BASIC,
    SCHEME_CERTIFICATE,
    SCHEME_KINDS
};

static const struct {
    const char *way;     /* of `auth` */
    const char *section; /* of the configuration */
} kinds[SCHEME_KINDS] = {
    [SCHEME_JWT] = { "jwt", "issuers" },
    [SCHEME_API_KEY] = { "api_key", "api_keys" },
    [SCHEME_BASIC] = { "basic", "basic" },
    [SCHEME_CERTIFICATE] = { "certificate", "client_certificates" },
};

static enum scheme_kind kind_of(struct import *import, const struct conf_node *scheme)
{
    if (scheme == NULL || !slice_equal(import_name(import, scheme->key), scheme->key)) {
        return SCHEME_UNKNOWN; /* names of components are names of ours, unless somebody means mischief */
    }
    static const struct {
        const char *type, *scheme;
        enum scheme_kind kind;
    } types[] = {
        { "oauth2", NULL, SCHEME_JWT },     { "openIdConnect", NULL, SCHEME_JWT },
        { "http", "bearer", SCHEME_JWT },   { "http", "basic", SCHEME_BASIC },
        { "apiKey", NULL, SCHEME_API_KEY }, { "mutualTLS", NULL, SCHEME_CERTIFICATE },
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (slice_equal(text_of(scheme, "type"), slice_from_string(types[i].type)) &&
            (types[i].scheme == NULL ||
             slice_equal_nocase(text_of(scheme, "scheme"), slice_from_string(types[i].scheme)))) {
            return types[i].kind;
        }
    }
    return SCHEME_UNKNOWN;
}

static const struct conf_node *schemes_of(const struct conf_node *root)
{
    return conf_node_get(conf_node_get(root, SLICE("components")), SLICE("securitySchemes"));
}

/* What is empty is refused by `check`, at its line. */
static void put_issuer(struct import *import, const struct conf_node *scheme)
{
    static const char well_known[] = "/.well-known/openid-configuration";
    struct slice url = text_of(scheme, "openIdConnectUrl"),
                 suffix = slice_of(well_known, sizeof well_known - 1);
    bool is_known = slice_ends_with(url, suffix);
    import_put(import, &import->top, "    issuer: ");
    import_put_text(import, &import->top, is_known ? slice_part(url, 0, url.len - suffix.len) : SLICE(""));
    import_put(import, &import->top, "%s\n    audiences: [] # for whom its tokens are meant: fill in\n",
               is_known ? "" : " # the exact iss of its tokens: fill in");
    import_note(import, NULL, conf_node_place(scheme),
                "%sfor whom tokens of %.*s are meant: fill in %saudiences in issuers.%.*s",
                is_known ? "" : "who issues tokens, and ", SLICE_ARG(scheme->key),
                is_known ? "" : "issuer and ", SLICE_ARG(scheme->key));
}

static void put_scheme(struct import *import, const struct conf_node *scheme, enum scheme_kind kind)
{
    struct slice name = import_name(import, scheme->key);
    struct buffer *out = &import->top;
    import_put(import, out, "  %.*s:\n", SLICE_ARG(name));
    switch (kind) {
    case SCHEME_JWT:
        put_issuer(import, scheme);
        return;
    case SCHEME_API_KEY:
        import_put(import, out,
                   "    store: %.*s.db\n"
                   "    peppers: { p1: \"${file:%.*s.pepper}\" } # openssl rand -hex 32 > %.*s.pepper\n",
                   SLICE_ARG(name), SLICE_ARG(name), SLICE_ARG(name));
        if (slice_equal(text_of(scheme, "in"), SLICE("header"))) {
            import_put(import, out, "    header: ");
            import_put_text(import, out, text_of(scheme, "name"));
            import_put(import, out, "\n");
        }
        return;
    case SCHEME_BASIC:
        import_put(import, out, "    htpasswd: %.*s.htpasswd # sallyport basic hash USER >> %.*s.htpasswd\n",
                   SLICE_ARG(name), SLICE_ARG(name));
        return;
    default:
        import_put(import, out, "    identity: dns\n    allow: [] # the names that are let in: fill in\n");
        import_note(
            import, NULL, conf_node_place(scheme),
            "whose certificates %.*s lets in: name them in client_certificates, and the listener's client_ca",
            SLICE_ARG(scheme->key));
        return;
    }
}

void openapi_schemes(struct import *import, const struct conf_node *root)
{
    const struct conf_node *schemes = schemes_of(root);
    for (enum scheme_kind kind = SCHEME_JWT; schemes != NULL && kind < SCHEME_KINDS; kind++) {
        bool begun = false;
        for (size_t i = 0; schemes->type == CONF_NODE_MAPPING && i < schemes->count; i++) {
            if (kind_of(import, schemes->items[i]) != kind) {
                continue;
            }
            if (!begun) {
                import_put(import, &import->top, "\n%s:\n", kinds[kind].section);
            }
            begun = true;
            put_scheme(import, schemes->items[i], kind);
        }
    }
}

/* ---- requirements ---- */

enum key_place {
    KEY_HEADER,
    KEY_QUERY,
    KEY_COOKIE,
    KEY_PLACES
};

struct requirement {
    struct buffer ways, scopes;
    struct slice places[KEY_PLACES]; /* of API keys: names; ptr NULL: none stands there */
    size_t way_count;
    const char *problem; /* why it cannot be carried over */
};

/* Of each kind of place one can be read. */
static void take_place(const struct conf_node *scheme, struct requirement *out)
{
    static const char *const names[KEY_PLACES] = { "header", "query", "cookie" };
    for (size_t i = 0; i < KEY_PLACES; i++) {
        if (!slice_equal(text_of(scheme, "in"), slice_from_string(names[i]))) {
            continue;
        }
        struct slice name = text_of(scheme, "name");
        if (out->places[i].ptr != NULL && !slice_equal(out->places[i], name)) {
            out->problem =
                "API keys in two places of one kind: write \"auth\", and \"key_from\" with one of them";
        }
        out->places[i] = name;
    }
}

/* ", key_from: { query: "key" }": where keys stand in their sets' headers alone, nothing. */
static void put_places(struct import *import, struct buffer *out, const struct requirement *all)
{
    static const char *const names[KEY_PLACES] = { "header", "query", "cookie" };
    if (all->places[KEY_QUERY].ptr == NULL && all->places[KEY_COOKIE].ptr == NULL) {
        return;
    }
    const char *before = ", key_from: { ";
    for (size_t i = 0; i < KEY_PLACES; i++) {
        if (all->places[i].ptr != NULL) {
            import_put(import, out, "%s%s: ", before, names[i]);
            import_put_text(import, out, all->places[i]);
            before = ", ";
        }
    }
    import_put(import, out, " }");
}

/* One scheme of an alternative; false where it has no counterpart. */
static bool take_scheme(struct import *import, const struct conf_node *root, const struct conf_node *wanted,
                        struct requirement *out)
{
    const struct conf_node *scheme = conf_node_get(schemes_of(root), wanted->key);
    enum scheme_kind kind = kind_of(import, scheme);
    if (kind == SCHEME_UNKNOWN) {
        out->problem = scheme == NULL
                           ? "a scheme that components.securitySchemes does not have: write \"auth\""
                           : "a scheme that is not known here: write \"auth\"; see docs/authentication.md";
        return false;
    }
    import_put(import, &out->ways, "%s{ %s: %.*s }", out->way_count++ > 0 ? ", " : "", kinds[kind].way,
               SLICE_ARG(import_name(import, scheme->key)));
    if (kind == SCHEME_API_KEY) {
        take_place(scheme, out);
    }
    for (size_t i = 0; wanted->type == CONF_NODE_SEQUENCE && i < wanted->count; i++) {
        import_put_item(import, &out->scopes, wanted->items[i]->text);
    }
    return true;
}

/* What an alternative demands, all together; false: it cannot be carried over. */
static bool take_alternative(struct import *import, const struct conf_node *root,
                             const struct conf_node *alternative, struct requirement *out)
{
    if (alternative->type != CONF_NODE_MAPPING || alternative->count == 0) {
        out->problem = "callers without any credential ({}): \"none\" as \"auth\" lets everybody in, \"mode: "
                       "optional\" in it "
                       "those without one beside those with a right one; write which is meant";
        return false;
    }
    for (size_t i = 0; i < alternative->count; i++) {
        if (!take_scheme(import, root, alternative->items[i], out)) {
            return false;
        }
    }
    return true;
}

static void put_auth(struct import *import, struct import_route *route, bool is_all,
                     const struct requirement *all)
{
    struct slice ways = buffer_slice(&all->ways);
    struct buffer *out = &route->auth;
    if (all->way_count == 1) { /* without its braces */
        import_put(import, out, "    auth: { %.*s", SLICE_ARG(slice_part(ways, 2, ways.len - 4)));
    } else {
        import_put(import, out, "    auth: { %s: [%.*s]", is_all ? "all_of" : "any_of", SLICE_ARG(ways));
    }
    put_places(import, out, all);
    import_put(import, out, " }\n");
}

static void put_authorize(struct import *import, struct import_route *route, const struct buffer *scopes)
{
    if (buffer_length(scopes) > 0) {
        import_put(import, &route->auth, "    authorize: { scopes: [%.*s] }\n",
                   SLICE_ARG(buffer_slice(scopes)));
    } else {
        import_put(import, &route->auth, "    authorize: any_caller\n");
    }
}

static void take_alternatives(struct import *import, struct import_route *route, const struct conf_node *root,
                              const struct conf_node *security)
{
    struct requirement all = { .way_count = 0 };
    buffer_init(&all.ways, CONFIG_FILE_MAX);
    buffer_init(&all.scopes, CONFIG_FILE_MAX);
    for (size_t i = 0; i < security->count && all.problem == NULL; i++) {
        size_t before = all.way_count;
        if (take_alternative(import, root, security->items[i], &all) && security->count > 1 &&
            all.way_count > before + 1) {
            all.problem =
                "schemes together in one of several alternatives: write \"auth\", with any_of and all_of";
        }
    }
    if (all.problem != NULL) {
        import_note(import, route, security->place, "%s", all.problem);
    } else {
        put_auth(import, route, security->count == 1, &all);
        put_authorize(import, route, &all.scopes);
        if (security->count > 1 && buffer_length(&all.scopes) > 0) {
            import_note(
                import, route, security->place,
                "scopes of one alternative alone: callers of every alternative must have all of them; where "
                "that is too much, write \"authorize\"");
        }
    }
    buffer_done(&all.ways);
    buffer_done(&all.scopes);
}

void openapi_security(struct import *import, struct import_route *route, const struct conf_node *root,
                      const struct conf_node *operation)
{
    const struct conf_node *own = conf_node_get(operation, SLICE("security"));
    const struct conf_node *security = own != NULL ? own : conf_node_get(root, SLICE("security"));
    bool is_list = security != NULL && security->type == CONF_NODE_SEQUENCE;
    if (is_list && security->count > 0) {
        take_alternatives(import, route, root, security);
    } else if (is_list && own != NULL) {
        import_put(import, &route->auth, "    auth: none # security: []\n");
    } else {
        import_note(import, route, route->place,
                    "no security is said: write \"auth\" and \"authorize\"; it is public only where it says "
                    "security: [] itself");
    }
}
