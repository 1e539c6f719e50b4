/* The configuration of what was imported. */
#include "cli/import/import.h"

static void put_buffer(struct import *import, struct buffer *out, const struct buffer *text)
{
    import->full |= !buffer_append(out, buffer_slice(text));
}

static void put_notes(struct import *import, struct buffer *out, const struct import_note *first, int indent)
{
    for (const struct import_note *one = first; one != NULL; one = one->next_of_route) {
        struct slice text = arena_printf(&import->arena, "not carried over (line %u): %.*s", one->place.line,
                                         SLICE_ARG(one->text));
        import_put_comment(import, out, indent, text.ptr != NULL ? text : SLICE("not carried over"));
    }
}

/* ---- weights ---- */

static bool same(const struct buffer *a, const struct buffer *b)
{
    return slice_equal(buffer_slice(a), buffer_slice(b));
}

/* Do two routes differ by nothing but their upstreams? */
static bool are_twins(const struct import_route *a, const struct import_route *b)
{
    for (size_t i = 0; i < IMPORT_MATCHES; i++) {
        if (!same(&a->match[i], &b->match[i])) {
            return false;
        }
    }
    return same(&a->filters, &b->filters) && same(&a->rest, &b->rest) && same(&a->auth, &b->auth) &&
           same(&a->limits, &b->limits) && slice_equal(a->after, b->after) &&
           slice_equal(a->before, b->before) && a->wider == b->wider && a->upstream != NULL &&
           b->upstream != NULL;
}

static bool has_share(struct import *import, const struct buffer *shares, struct slice upstream)
{
    struct slice key = ARENA_CONCAT(&import->arena, SLICE(" "), upstream, SLICE(": "));
    return key.ptr == NULL || slice_contains(buffer_slice(shares), key);
}

/* The others of a route's group, in one `split` with it. */
static void share_out(struct import *import, struct import_route *first)
{
    struct buffer shares;
    buffer_init(&shares, CLI_OUTPUT_MAX);
    import_put(import, &shares, " %.*s: %llu", SLICE_ARG(first->upstream->name),
               (unsigned long long)first->weight);
    size_t merged = 0;
    for (struct import_route *other = first->next; other != NULL; other = other->next) {
        if (other->merged || other->hidden || !slice_equal(other->weight_group, first->weight_group)) {
            continue;
        }
        if (!are_twins(first, other) || has_share(import, &shares, other->upstream->name)) {
            import_lose(import, other, other->place,
                        "Weight: the routes of one group differ by more than their uri: make them one route "
                        "with \"split\"");
            continue;
        }
        import_put(import, &shares, ", %.*s: %llu", SLICE_ARG(other->upstream->name),
                   (unsigned long long)other->weight);
        other->merged = true;
        merged++;
    }
    if (merged > 0) {
        import_put(import, &first->rest, "    split: { weights: {%.*s } }\n",
                   SLICE_ARG(buffer_slice(&shares)));
        first->upstream = NULL;
    } else {
        import_note(import, first, first->place,
                    "Weight: there is no other route like it in its group: it gets everything");
    }
    buffer_done(&shares);
}

static void merge_weighted(struct import *import)
{
    for (struct import_route *route = import->routes; route != NULL; route = route->next) {
        if (route->weight_group.len > 0 && !route->merged && !route->hidden && !route->wider &&
            route->upstream != NULL) {
            share_out(import, route);
        }
    }
}

/* ---- one route ---- */

static void put_match(struct import *import, struct buffer *out, const struct import_route *route)
{
    static const char *const names[IMPORT_MATCHES] = {
        [IMPORT_HOST] = "host",           [IMPORT_PATH] = "path",       [IMPORT_METHODS] = "methods",
        [IMPORT_ADDRESSES] = "addresses", [IMPORT_HEADERS] = "headers", [IMPORT_QUERY] = "query",
        [IMPORT_COOKIES] = "cookies",
    };
    import_put(import, out, "    match:\n");
    for (size_t i = 0; i < IMPORT_MATCHES; i++) {
        struct slice entries = buffer_slice(&route->match[i]);
        if (entries.len == 0 && i > IMPORT_PATH) {
            continue;
        }
        if (entries.len == 0) {
            import_put(import, out, "      %s: %s\n", names[i], i == IMPORT_HOST ? "\"*\"" : "/**");
            continue;
        }
        bool is_map = i >= IMPORT_HEADERS;
        import_put(import, out, is_map ? "      %s: { %.*s }\n" : "      %s: [%.*s]\n", names[i],
                   SLICE_ARG(entries));
    }
    const struct slice dates[] = { route->after, route->before };
    for (size_t i = 0; i < 2; i++) {
        if (dates[i].len > 0) {
            import_put(import, out, "      %s: \"%.*s\"\n", i == 0 ? "after" : "before", SLICE_ARG(dates[i]));
        }
    }
    if (route->conditions > 0) {
        /* Routes were tried in their order. */
        unsigned int priority = 1000;
        for (const struct import_route *other = import->routes; other != route && priority > 0;
             other = other->next) {
            priority -= other->conditions > 0;
        }
        import_put(import, out, "      priority: %u\n", priority);
    }
}

static void put_auth(struct import *import, struct buffer *out, const struct import_route *route)
{
    if (route->wider || import->defaults.wider) {
        import_put(import, out,
                   "    auth: { jwt: " IMPORT_ASK_CONDITION
                   " } # it serves other requests than it did: see above\n"
                   "    authorize: any_caller\n");
    } else if (buffer_length(&route->auth) > 0) {
        put_buffer(import, out, &route->auth);
    } else if (import->issuer.len > 0) {
        import_put(import, out, "    auth: { jwt: %.*s }\n    authorize: any_caller\n",
                   SLICE_ARG(import->issuer));
    } else {
        import_put(import, out,
                   "    auth: { jwt: " IMPORT_ASK_CALLERS
                   " } # who may call it? Name an issuer, or another way\n"
                   "    authorize: any_caller\n");
    }
}

static void put_filters(struct import *import, struct buffer *out, const struct import_route *route,
                        int indent)
{
    if (buffer_length(&route->filters) > 0) {
        import_put(import, out, "%*sfilters:\n", indent, "");
        put_buffer(import, out, &route->filters);
    }
}

/* Those of the whole, too: in `defaults` they would be one count for all routes. */
static void put_limits(struct import *import, struct buffer *out, const struct import_route *route)
{
    struct slice whole = buffer_slice(&import->defaults.limits), own = buffer_slice(&route->limits);
    if (whole.len + own.len > 0) {
        import_put(import, out, "    limits: [%.*s%s%.*s]\n", SLICE_ARG(whole),
                   whole.len > 0 && own.len > 0 ? ", " : "", SLICE_ARG(own));
    }
}

static void put_route(struct import *import, struct buffer *out, const struct import_route *route)
{
    import_put(import, out, "\n  %.*s:\n", SLICE_ARG(route->name));
    put_notes(import, out, route->notes, 4);
    put_match(import, out, route);
    put_auth(import, out, route);
    if (route->upstream != NULL) {
        import_put(import, out, "    upstream: %.*s\n", SLICE_ARG(route->upstream->name));
    }
    if (route->websocket) {
        import_put(import, out,
                   "    websocket: {} # for pages of its own host; those of others in origins: [...]\n");
    }
    put_limits(import, out, route);
    put_buffer(import, out, &route->rest);
    put_filters(import, out, route, 4);
}

/* ---- the whole ---- */

/* False: none is. */
static bool mark_used(struct import *import)
{
    bool found = false;
    for (struct import_route *route = import->routes; route != NULL; route = route->next) {
        if (route->upstream != NULL && !route->hidden) {
            route->upstream->used = found = true;
        }
    }
    return found;
}

static void put_upstreams(struct import *import, struct buffer *out, bool any)
{
    if (!any) {
        return;
    }
    import_put(import, out, "\nupstreams:\n");
    for (const struct import_upstream *upstream = import->upstreams; upstream != NULL;
         upstream = upstream->next) {
        if (!upstream->used) {
            continue;
        }
        import_put(import, out, "  %.*s:\n", SLICE_ARG(upstream->name));
        if (buffer_length(&upstream->endpoints) > 0) {
            import_put(import, out, "    endpoints: [%.*s]\n", SLICE_ARG(buffer_slice(&upstream->endpoints)));
        } else {
            import_put(import, out, "    endpoints: [] # fill in where it runs\n");
        }
        if (upstream->host_header.len > 0) {
            import_put(import, out, "    host_header: ");
            import_put_text(import, out, upstream->host_header);
            import_put(import, out, "\n");
        }
        struct slice time =
            upstream->connect_timeout.len > 0 ? upstream->connect_timeout : import->connect_timeout;
        if (time.len > 0) {
            import_put(import, out, "    connect_timeout: %.*s\n", SLICE_ARG(time));
        }
        struct slice breaker = upstream->breaker.len > 0 ? upstream->breaker : import->defaults.breaker;
        if (breaker.len > 0) {
            import_put(import, out, "    breaker: %.*s\n", SLICE_ARG(breaker));
        }
    }
}

static void put_head(struct import *import, struct buffer *out)
{
    struct slice origin = arena_printf(
        &import->arena, "Imported from %.*s (%.*s). `sallyport check` says what is left to fill in.",
        SLICE_ARG(import->source.path), SLICE_ARG(import->kind));
    import_put_comment(import, out, 0, origin.ptr != NULL ? origin : SLICE("Imported."));
    import_put_comment(
        import, out, 0,
        SLICE("Credentials of callers reach no upstream unless a route has `relay: { token: forward }`."));
    import_put_comment(
        import, out, 0,
        SLICE("What the file does not bound is bounded: bodies (`body: 1MiB`), answers (`timeout: 15s`)."));
    if (import->by_turns) {
        import_put_comment(import, out, 0,
                           SLICE("Default filters stand in each route, where its own take turns with them."));
    }
    if (buffer_length(&import->ignored) > 0) {
        struct slice text = arena_printf(&import->arena, "Not about routes, and left out: %.*s",
                                         SLICE_ARG(buffer_slice(&import->ignored)));
        import_put_comment(import, out, 0,
                           text.ptr != NULL ? text
                                            : SLICE("Settings that are not about routes are left out."));
    }
    put_notes(import, out, import->defaults.notes, 0);
}

/* What routes share stands deeper in a route than in `defaults`. */
static void put_defaults(struct import *import, struct buffer *out)
{
    const struct import_route *defaults = &import->defaults;
    if (buffer_length(&defaults->rest) + buffer_length(&defaults->filters) == 0) {
        return;
    }
    import_put(import, out, "\ndefaults:\n");
    struct buffer lines;
    buffer_init(&lines, CLI_OUTPUT_MAX);
    put_buffer(import, &lines, &defaults->rest);
    put_filters(import, &lines, defaults, 4);
    struct slice rest = buffer_slice(&lines), line;
    while (slice_next(&rest, '\n', &line) && (line.len > 0 || rest.ptr != NULL)) {
        import_put(import, out, "%.*s\n", SLICE_ARG(slice_from(line, line.len >= 2 ? 2 : 0)));
    }
    buffer_done(&lines);
}

bool import_write(struct import *import, struct buffer *out)
{
    bool any_upstream = mark_used(import);
    merge_weighted(import);
    put_head(import, out);
    put_buffer(import, out, &import->listeners);
    put_buffer(import, out, &import->top);
    put_upstreams(import, out, any_upstream);
    put_defaults(import, out);
    import_put(import, out, "\nroutes:\n");
    for (const struct import_route *route = import->routes; route != NULL; route = route->next) {
        if (!route->merged && !route->hidden) {
            put_route(import, out, route);
        }
    }
    return !import->full;
}
