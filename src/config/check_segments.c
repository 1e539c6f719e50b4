/* What a route keeps inside stays inside: no route of an external listener leads to the same place of the same service, by another name,
 * a wildcard or a rewrite. What cannot be told counts as the same place. */
#include "config/internal.h"
#include "http/uri.h"
#include "net/name.h"
#include "route/alike.h"
#include "route/conditions.h"

/* The paths that a route's requests may have for its upstream. */
struct shape {
    struct segment items[ROUTE_SEGMENTS_MAX];
    size_t count;
    bool rest;          /* whatever follows */
    bool holds_slashes; /* a segment that a client fills in may be several to the service: "a%2Fb" */
};

/* ---- paths ---- */

/* Does the configuration alone say what stands there? A parameter, ";x", is no part of the segment to some services. */
static bool is_fixed(const struct segment *segment)
{
    return segment->kind == SEGMENT_TEXT && slice_find(segment->text, '{') < 0 &&
           slice_find(segment->text, ';') < 0;
}

static void append(struct shape *shape, struct slice pattern)
{
    struct segment segment;
    while (!shape->rest && pattern_next(&pattern, &segment)) {
        if (segment.kind == SEGMENT_REST || shape->count == ROUTE_SEGMENTS_MAX ||
            (shape->holds_slashes && (!is_fixed(&segment) || slice_find(segment.text, '%') >= 0))) {
            shape->rest = true;
        } else {
            shape->items[shape->count++] = segment;
        }
    }
}

static void strip(struct shape *shape, size_t count)
{
    count = count < shape->count ? count : shape->count;
    shape->count -= count;
    memmove(shape->items, shape->items + count, shape->count * sizeof shape->items[0]);
}

static void prefix(struct shape *shape, struct slice path)
{
    struct shape whole = { .holds_slashes = shape->holds_slashes };
    append(&whole, path);
    for (size_t i = 0; i < shape->count && !whole.rest; i++) {
        if (whole.count == ROUTE_SEGMENTS_MAX) {
            whole.rest = true;
        } else {
            whole.items[whole.count++] = shape->items[i];
        }
    }
    whole.rest = whole.rest || shape->rest;
    *shape = whole;
}

static void apply(struct shape *shape, const struct filter_settings *filter)
{
    strip(shape, (size_t)filter->strip_prefix);
    if (filter->prefix_path.len > 0) {
        prefix(shape, filter->prefix_path);
    }
    if (filter->set_path.len > 0) {
        *shape = (struct shape){ .holds_slashes = shape->holds_slashes };
        append(shape, filter->set_path);
    }
    if (filter->rewrite_path != NULL) {
        *shape = (struct shape){
            .rest = true, .holds_slashes = shape->holds_slashes
        }; /* a regular expression may make anything of it */
    }
}

static bool changes_path(const struct filter_settings *filter)
{
    return filter->strip_prefix > 0 || filter->prefix_path.len > 0 || filter->set_path.len > 0 ||
           filter->rewrite_path != NULL;
}

static bool keeps_paths(const struct route_policy *policy)
{
    const struct filter_settings *filters = policy->filters.items;
    for (size_t i = 0; i < policy->filters.count; i++) {
        if (changes_path(&filters[i])) {
            return false;
        }
    }
    return true;
}

static void shape_of(struct slice pattern, const struct route_policy *policy, struct shape *out)
{
    *out = (struct shape){ .holds_slashes = (policy->path_allows & URI_ALLOW_ENCODED_SLASH) != 0 };
    append(out, pattern);
    const struct filter_settings *filters = policy->filters.items;
    for (size_t i = 0; i < policy->filters.count; i++) {
        apply(out, &filters[i]);
    }
}

/* A slash at the end, and case, are all one to many services. */
static bool ends_at(const struct shape *shape, size_t at)
{
    return at == shape->count ||
           (at + 1 == shape->count && is_fixed(&shape->items[at]) && shape->items[at].text.len == 0);
}

static bool segments_meet(const struct segment *a, const struct segment *b)
{
    return !is_fixed(a) || !is_fixed(b) || route_texts_same(a->text, b->text, true);
}

static bool shapes_meet(const struct shape *a, const struct shape *b)
{
    size_t i = 0;
    while (i < a->count && i < b->count) {
        if (!segments_meet(&a->items[i], &b->items[i])) {
            return false;
        }
        i++;
    }
    return i == a->count ? a->rest || ends_at(b, i) : b->rest || ends_at(a, i);
}

/* ---- services ---- */

/* This machine, by one of the names that it has everywhere: what listens on all of its addresses has them all. */
static bool is_here(const struct upstream_endpoint *endpoint)
{
    return endpoint->is_address
               ? address_is_loopback(&endpoint->address) || address_is_unspecified(&endpoint->address)
               : name_is_localhost(endpoint->host);
}

/* The next part of a path that says something: not "" and not ".". */
static bool next_part(struct slice *path, struct slice *ret_part)
{
    do {
        if (!slice_next(path, '/', ret_part)) {
            return false;
        }
    } while (ret_part->len == 0 || slice_equal(*ret_part, SLICE(".")));
    return true;
}

/* One file, however it is written. What ".." leads to is not known before there are files: then the last part decides. */
static bool is_same_file(struct slice a, struct slice b)
{
    struct slice one = SLICE_NONE, other = SLICE_NONE, last = SLICE_NONE, other_last = SLICE_NONE;
    bool same = a.len > 0 && b.len > 0, climbs = false;
    for (bool has = true, other_has = true; has || other_has;) {
        has = next_part(&a, &one);
        other_has = next_part(&b, &other);
        same = same && has == other_has && (!has || slice_equal(one, other));
        climbs = climbs || (has && slice_equal(one, SLICE(".."))) ||
                 (other_has && slice_equal(other, SLICE("..")));
        last = has ? one : last;
        other_last = other_has ? other : other_last;
    }
    return same || (climbs && slice_equal(last, other_last));
}

static bool is_same_server(const struct upstream_endpoint *a, const struct upstream_endpoint *b)
{
    if (a->path.len > 0 || b->path.len > 0) {
        return is_same_file(a->path, b->path);
    }
    return upstream_endpoint_is_same(a, b) || (a->port == b->port && is_here(a) && is_here(b));
}

/* Its endpoints are looked up by that name, and one that is written has the name itself. */
static bool discovers(const struct discovery_settings *discover, const struct upstream_endpoint *endpoint)
{
    return discover->kind == DISCOVERY_DNS && discover->port == endpoint->port &&
           (slice_equal(discover->name, endpoint->host) ||
            (name_is_localhost(discover->name) && is_here(endpoint)));
}

/* Who is asked, and which of the servers are wanted, says nothing: a registry has several names, and one server several tags. */
static bool is_same_source(const struct discovery_settings *a, const struct discovery_settings *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case DISCOVERY_FILE:
        return is_same_file(a->path, b->path);
    case DISCOVERY_DNS:
        return slice_equal(a->name, b->name) && a->port == b->port;
    case DISCOVERY_CONSUL:
        return slice_equal_nocase(a->service, b->service);
    case DISCOVERY_KUBERNETES: /* without a name of a port it is the only one */
        return slice_equal_nocase(a->space, b->space) && slice_equal_nocase(a->service, b->service) &&
               (a->port_name.len == 0 || b->port_name.len == 0 ||
                slice_equal_nocase(a->port_name, b->port_name));
    default:
        return slice_equal(a->name, b->name);
    }
}

/* Of what is discovered, the source is known alone. */
static bool may_discover(const struct upstream_settings *one, const struct upstream_settings *other)
{
    if (one->discover != NULL && other->discover != NULL) {
        return is_same_source(one->discover, other->discover);
    }
    const struct upstream_settings *found = one->discover != NULL ? one : other,
                                   *written = found == one ? other : one;
    for (size_t i = 0; found->discover != NULL && i < written->endpoints.count; i++) {
        if (discovers(found->discover, &written->parsed[i])) {
            return true;
        }
    }
    return false;
}

/* Two names may stand for one service. */
static bool is_same_service(const struct settings *settings, struct slice a, struct slice b)
{
    const struct upstream_settings *one =
        settings_find(settings->upstreams, settings->upstream_count, sizeof *one, a);
    const struct upstream_settings *other =
        settings_find(settings->upstreams, settings->upstream_count, sizeof *other, b);
    if (one == NULL || other == NULL || one == other) {
        return one != NULL && one == other;
    }
    for (size_t i = 0; i < one->endpoints.count; i++) {
        for (size_t k = 0; k < other->endpoints.count; k++) {
            if (is_same_server(&one->parsed[i], &other->parsed[k])) {
                return true;
            }
        }
    }
    return may_discover(one, other);
}

#define SERVICES_MAX (SPLIT_SHARES_MAX + 3)

/* All that a route's requests, or copies of them, may go to. */
static size_t services_of(const struct route_policy *policy, struct slice names[SERVICES_MAX])
{
    size_t count = 0;
    const struct split_share *shares = policy->split != NULL ? policy->split->weights.items : NULL;
    for (size_t i = 0; shares != NULL && i < policy->split->weights.count && i < SPLIT_SHARES_MAX; i++) {
        names[count++] = shares[i].name;
    }
    if (policy->split == NULL) {
        names[count++] = policy->upstream;
    }
    if (policy->fallback != NULL && policy->fallback->upstream.len > 0) {
        names[count++] = policy->fallback->upstream;
    }
    if (policy->mirror != NULL) {
        names[count++] = policy->mirror->upstream;
    }
    return count;
}

static bool share_a_service(const struct settings *settings, const struct route_policy *a,
                            const struct route_policy *b, struct slice *ret_name)
{
    struct slice some[SERVICES_MAX], others[SERVICES_MAX];
    size_t count = services_of(a, some), other_count = services_of(b, others);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < other_count; k++) {
            if (is_same_service(settings, some[i], others[k])) {
                *ret_name = others[k];
                return true;
            }
        }
    }
    return false;
}

/* ---- routes ---- */

/* An external listener that it stands on; NULL: none. */
static const struct listener_settings *outside(const struct settings *settings,
                                               const struct route_settings *route)
{
    for (size_t i = 0; i < route->policy.listeners.count; i++) {
        const struct listener_settings *listener =
            settings_find(settings->listeners, settings->listener_count, sizeof *listener,
                          route->policy.listeners.items[i]);
        if (listener != NULL && listener->exposure == EXPOSURE_EXTERNAL) {
            return listener;
        }
    }
    return NULL;
}

static bool all_covered(const struct conf_strings *narrow, const struct conf_strings *wide,
                        bool (*covers)(struct slice, struct slice))
{
    for (size_t i = 0; i < narrow->count; i++) {
        bool covered = false;
        for (size_t k = 0; k < wide->count && !covered; k++) {
            covered = covers(wide->items[k], narrow->items[i]);
        }
        if (!covered) {
            return false;
        }
    }
    return true;
}

/* The pattern with a slash at its end, or without that one. False: there is no such other. */
static bool with_other_end(struct slice pattern, char out[HTTP_TARGET_MAX + 1], struct slice *ret_other)
{
    if (slice_ends_with(pattern, SLICE("/"))) {
        *ret_other = slice_part(pattern, 0, pattern.len - 1);
        return ret_other->len > 0;
    }
    if (slice_ends_with(pattern, SLICE("/**")) || pattern.len > HTTP_TARGET_MAX) {
        return false;
    }
    memcpy(out, pattern.ptr, pattern.len);
    out[pattern.len] = '/';
    *ret_other = slice_of(out, pattern.len + 1);
    return true;
}

/* Is a path of `inner` one of these, with a slash at its end and without it, where `pattern` takes both? */
static bool takes_whole(const struct conf_strings *paths, struct slice pattern, struct slice inner)
{
    char text[HTTP_TARGET_MAX + 1];
    struct slice other_end;
    const struct conf_strings one = { &inner, 1 }, other = { &other_end, 1 };
    return all_covered(&one, paths, path_covers) &&
           (!with_other_end(inner, text, &other_end) || !route_paths_meet(pattern, other_end) ||
            all_covered(&other, paths, path_covers));
}

/* Another route takes these requests before `route` sees them: it is where they go. It stands on the very hosts, for the best host that
 * exists decides: what is under a wildcard is not asked. */
static bool is_taken_before(const struct settings *settings, const struct route_settings *route,
                            struct slice pattern, struct slice inner)
{
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *other = &settings->routes[i];
        bool narrower = other != route && route_condition_count(&other->match) == 0 &&
                        takes_whole(&other->match.path, pattern, inner) &&
                        all_covered(&route->match.host, &other->match.host, slice_equal) &&
                        all_covered(&route->policy.listeners, &other->policy.listeners, slice_equal);
        for (size_t k = 0; k < other->match.path.count && narrower; k++) {
            narrower = path_covers(pattern, other->match.path.items[k]) &&
                       !path_covers(other->match.path.items[k], pattern);
        }
        if (narrower) {
            return true;
        }
    }
    return false;
}

static bool reaches(const struct settings *settings, const struct route_settings *route,
                    const struct route_settings *inner)
{
    for (size_t i = 0; i < route->match.path.count; i++) {
        struct slice pattern = route->match.path.items[i];
        struct shape ours, theirs;
        shape_of(pattern, &route->policy, &ours);
        for (size_t k = 0; k < inner->match.path.count; k++) {
            struct slice kept = inner->match.path.items[k];
            shape_of(kept, &inner->policy, &theirs);
            /* "/a;x" and "/a%2Fb" pass by another route's "/a", and are the same place to some services. */
            bool plain =
                keeps_paths(&route->policy) && keeps_paths(&inner->policy) && route->policy.path_allows == 0;
            if (shapes_meet(&ours, &theirs) && !(plain && is_taken_before(settings, route, pattern, kept))) {
                return true;
            }
        }
    }
    return false;
}

static void check_pair(struct loader *loader, const struct route_settings *route,
                       const struct route_settings *inner, const struct listener_settings *listener)
{
    const struct settings *settings = loader->settings;
    struct slice service;
    if (conf_strings_contain(&route->policy.exposes, inner->name) ||
        !route_methods_meet(&route->match.methods, &inner->match.methods) ||
        !share_a_service(settings, &route->policy, &inner->policy, &service) ||
        !reaches(settings, route, inner)) {
        return;
    }
    diagnostics_node(
        loader->diagnostics, DIAGNOSTIC_ERROR, loader->places->routes[route - settings->routes].node,
        "listener \"%.*s\" is external, and leads by this route to what route \"%.*s\" keeps inside "
        "(exposure: internal), at upstream \"%.*s\": narrow its path, or give those paths a route of their "
        "own there; if it is meant so, say exposes: [%.*s]",
        SLICE_ARG(listener->name), SLICE_ARG(inner->name), SLICE_ARG(service), SLICE_ARG(inner->name));
}

/* ---- the gateway's own listeners, as a service ---- */

/* One that listens everywhere is known by loopback; which addresses this machine has otherwise, a configuration cannot tell. */
static bool is_listener(const struct upstream_endpoint *endpoint, const struct listener_settings *listener)
{
    const struct address *address = &listener->parsed_address;
    if (endpoint->path.len > 0 || listener->path.len > 0) {
        return is_same_file(endpoint->path, listener->path);
    }
    if (endpoint->port != listener->port || endpoint->port == 0) {
        return false;
    }
    if (!endpoint->is_address) {
        return name_is_localhost(endpoint->host);
    }
    /* A connection to "any address" goes to loopback. */
    bool to_any = address_is_unspecified(&endpoint->address);
    return address_is_unspecified(address) || to_any
               ? is_here(endpoint) && (address_is_unspecified(address) || address_is_loopback(address))
               : address_is_same(address, &endpoint->address);
}

/* What is looked up while the gateway runs, by a name that is this machine's. */
static bool is_found_here(const struct discovery_settings *discover, const struct listener_settings *listener)
{
    return discover != NULL && discover->kind == DISCOVERY_DNS && name_is_localhost(discover->name) &&
           listener->path.len == 0 && discover->port == listener->port;
}

/* The inner listener that the upstream leads back to; NULL: none. */
static const struct listener_settings *leads_back(const struct settings *settings, struct slice name)
{
    const struct upstream_settings *upstream =
        settings_find(settings->upstreams, settings->upstream_count, sizeof *upstream, name);
    for (size_t i = 0; upstream != NULL && i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        if (listener->exposure != EXPOSURE_INTERNAL) {
            continue;
        }
        if (is_found_here(upstream->discover, listener)) {
            return listener;
        }
        for (size_t k = 0; k < upstream->endpoints.count; k++) {
            if (is_listener(&upstream->parsed[k], listener)) {
                return listener;
            }
        }
    }
    return NULL;
}

/* There its requests would be taken for those of somebody inside. */
static void check_way_back(struct loader *loader, const struct route_settings *route,
                           const struct listener_settings *outer)
{
    struct slice names[SERVICES_MAX];
    size_t count = services_of(&route->policy, names);
    for (size_t i = 0; i < count; i++) {
        const struct listener_settings *inner = leads_back(loader->settings, names[i]);
        if (inner != NULL) {
            diagnostics_node(
                loader->diagnostics, DIAGNOSTIC_ERROR,
                loader->places->routes[route - loader->settings->routes].node,
                "listener \"%.*s\" is external, and upstream \"%.*s\" of this route is the gateway's own "
                "listener "
                "\"%.*s\", which is internal: let the route go to the service that stands behind it",
                SLICE_ARG(outer->name), SLICE_ARG(names[i]), SLICE_ARG(inner->name));
        }
    }
}

/* Names that nobody has, or that stand for nothing inner, would hide a mistake. */
static void check_exposes(struct loader *loader, const struct route_settings *route)
{
    const struct settings *settings = loader->settings;
    const struct conf_node *node = loader->places->routes[route - settings->routes].node;
    for (size_t i = 0; i < route->policy.exposes.count; i++) {
        const struct slice *name = &route->policy.exposes.items[i];
        const struct route_settings *inner =
            loader_find(loader, loader_node(loader, name, node), "route", settings->routes,
                        settings->route_count, sizeof *inner, *name);
        if (inner != NULL && inner->policy.exposure != EXPOSURE_INTERNAL) {
            tell(loader, name, node, "route \"%.*s\" is not kept inside: it has no exposure: internal",
                 SLICE_ARG(*name));
        }
    }
}

void check_segments(struct loader *loader)
{
    const struct settings *settings = loader->settings;
    for (size_t i = 0; i < settings->route_count; i++) {
        check_exposes(loader, &settings->routes[i]);
        const struct listener_settings *listener = outside(settings, &settings->routes[i]);
        bool is_outer = listener != NULL && settings->routes[i].policy.exposure != EXPOSURE_INTERNAL;
        if (listener != NULL) {
            check_way_back(loader, &settings->routes[i], listener);
        }
        for (size_t k = 0; is_outer && k < settings->route_count; k++) {
            if (settings->routes[k].policy.exposure == EXPOSURE_INTERNAL && !settings->routes[k].admin) {
                check_pair(loader, &settings->routes[i], &settings->routes[k], listener);
            }
        }
    }
}
