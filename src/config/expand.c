/* From layers to routes: which policies hold for a route, merged; its whole match; its name and team. */
#include "config/compose.h"
#include "config/internal.h"

/* ---- names ---- */

void *settings_find(const void *items, size_t count, size_t size, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        char *item = (char *)items + i * size;
        if (slice_equal(*(const struct slice *)item, name)) {
            return item;
        }
    }
    return NULL;
}

void *loader_find(struct loader *loader, const struct conf_node *node, const char *kind, const void *items,
                  size_t count, size_t size, struct slice name)
{
    void *found = settings_find(items, count, size, name);
    if (found != NULL) {
        return found;
    }
    struct suggestion suggestion;
    suggestion_init(&suggestion, name);
    for (size_t i = 0; i < count; i++) {
        suggestion_offer(&suggestion, *(const struct slice *)((const char *)items + i * size));
    }
    diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "there is no %s \"%.*s\"%.*s", kind,
                     SLICE_ARG(name), SLICE_ARG(suggestion_text(&suggestion, loader->arena)));
    return NULL;
}

/* ---- layers ---- */

static void add_layer(struct loader *loader, struct route_source *source,
                      const struct layer_settings *settings, bool is_policy)
{
    const struct conf_node *node = loader_object(loader, settings);
    if (node == NULL || node->type != CONF_NODE_MAPPING) {
        return;
    }
    if (source->layer_count == LAYERS_MAX) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, source->node,
                         "more than %d policies hold for it", LAYERS_MAX - 3);
        return;
    }
    source->layers[source->layer_count++] = (struct layer){ settings, node, is_policy };
}

/* What a thing uses stands below its own keys. */
static void add_layers(struct loader *loader, struct route_source *source,
                       const struct layer_settings *settings)
{
    if (settings == NULL) {
        return;
    }
    const struct conf_list *policies = &loader->places->input.policies;
    for (size_t i = 0; i < settings->use.count; i++) {
        const struct slice *name = &settings->use.items[i];
        const struct layer_settings *policy =
            loader_find(loader, loader_node(loader, name, source->node), "policy", policies->items,
                        policies->count, sizeof *policy, *name);
        if (policy != NULL) {
            add_layer(loader, source, policy, true);
        }
    }
    add_layer(loader, source, settings, false);
}

static struct error merge_layers(struct loader *loader, struct route_source *source,
                                 struct route_policy *policy)
{
    add_layers(loader, source, loader->places->input.defaults);
    add_layers(loader, source, source->group);
    add_layers(loader, source, source->route);
    for (size_t i = 0; i < source->layer_count; i++) {
        source->merged =
            compose_layer(source->merged, source->layers[i].node, &effective_object, loader->arena);
        if (source->merged == NULL) {
            return NO_MEMORY;
        }
    }
    return conf_read(&loader->reader, &effective_object, source->merged, policy);
}

/* ---- match ---- */

/* Has a layer said it, right or wrong? What was wrong has been told. */
static bool is_written(const struct conf_node *layer, struct slice key)
{
    return conf_node_get(conf_node_get(layer, SLICE("match")), key) != NULL;
}

static struct error lower_hosts(struct loader *loader, const struct conf_strings *from,
                                struct conf_strings *out)
{
    struct slice *items = arena_calloc(loader->arena, from->count + 1, sizeof *items);
    if (items == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < from->count; i++) {
        char *text = arena_alloc(loader->arena, from->items[i].len + 1);
        const struct conf_node *node = places_field(&loader->places->fields, &from->items[i]);
        if (text == NULL ||
            (node != NULL && !places_put(&loader->places->fields, &items[i], PLACE_FIELD, node))) {
            return NO_MEMORY;
        }
        for (size_t k = 0; k < from->items[i].len; k++) {
            text[k] = ascii_lower(from->items[i].ptr[k]);
        }
        items[i] = slice_of(text, from->items[i].len);
    }
    *out = (struct conf_strings){ items, from->count };
    return OK;
}

static struct slice join_path(struct slice prefix, struct slice path, struct arena *arena)
{
    while (prefix.len > 0 && prefix.ptr[prefix.len - 1] == '/') {
        prefix.len--;
    }
    if (prefix.len > 0 && slice_equal(path, SLICE("/"))) {
        return prefix; /* "/" below "/orders" is "/orders" itself */
    }
    return arena_printf(arena, "%.*s%.*s", SLICE_ARG(prefix), SLICE_ARG(path));
}

static struct error join_paths(struct loader *loader, const struct conf_strings *prefixes,
                               const struct conf_strings *paths, struct conf_strings *out)
{
    static struct slice none = SLICE_INIT("");
    static const struct conf_strings no_prefix = { &none, 1 };
    if (prefixes->count == 0) {
        prefixes = &no_prefix;
    }
    struct slice *items = arena_calloc(loader->arena, prefixes->count * paths->count + 1, sizeof *items);
    if (items == NULL) {
        return NO_MEMORY;
    }
    *out = (struct conf_strings){ items, 0 };
    for (size_t i = 0; i < prefixes->count; i++) {
        for (size_t k = 0; k < paths->count; k++) {
            const struct conf_node *node = places_field(&loader->places->fields, &paths->items[k]);
            struct slice *item = &items[out->count++];
            *item = join_path(prefixes->items[i], paths->items[k], loader->arena);
            if (item->ptr == NULL ||
                (node != NULL && !places_put(&loader->places->fields, item, PLACE_FIELD, node))) {
                return NO_MEMORY;
            }
        }
    }
    return OK;
}

/* The path of a group is a prefix, and each path begins with "/". */
static void check_path_starts(struct loader *loader, const struct match_settings *match, bool is_prefix,
                              const struct conf_node *node)
{
    for (size_t i = 0; match != NULL && i < match->path.count; i++) {
        const struct slice *path = &match->path.items[i];
        if (!slice_starts_with(*path, SLICE("/"))) {
            tell(loader, path, node, "a path begins with \"/\"");
        } else if (is_prefix && slice_ends_with(*path, SLICE("**"))) {
            tell(loader, path, node, "the path of a group is a prefix: leave \"**\" to its routes");
        }
    }
}

/* Each of the conditions is the route's own, or else the group's. */
static void join_conditions(const struct match_settings *own, const struct match_settings *group,
                            struct match_settings *out)
{
    out->headers = own->headers.count > 0 ? own->headers : group->headers;
    out->query = own->query.count > 0 ? own->query : group->query;
    out->cookies = own->cookies.count > 0 ? own->cookies : group->cookies;
    out->addresses = own->addresses.count > 0 ? own->addresses : group->addresses;
    out->after = own->after.len > 0 ? own->after : group->after;
    out->before = own->before.len > 0 ? own->before : group->before;
    out->priority = own->priority != 0 ? own->priority : group->priority;
}

static struct error join_match(struct loader *loader, const struct route_source *source,
                               struct match_settings *out)
{
    static const struct match_settings nothing;
    const struct match_settings *own = source->route->match != NULL ? source->route->match : &nothing;
    const struct match_settings *group =
        source->group != NULL && source->group->match != NULL ? source->group->match : &nothing;
    check_path_starts(loader, own, false, source->node);
    TRY(lower_hosts(loader, own->host.count > 0 ? &own->host : &group->host, &out->host));
    TRY(join_paths(loader, &group->path, &own->path, &out->path));
    out->methods = own->methods.count > 0 ? own->methods : group->methods;
    join_conditions(own, group, out);
    if (out->host.count == 0 && !is_written(source->node, SLICE("host")) &&
        !is_written(source->group_node, SLICE("host"))) {
        diagnostics_node(
            loader->diagnostics, DIAGNOSTIC_ERROR, source->node,
            "match.host is missing, as in \"match: { host: api.example.com, path: /orders/** }\"");
    }
    if (own->path.count == 0 && !is_written(source->node, SLICE("path"))) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, source->node,
                         "match.path is missing, as in \"match: { path: /** }\" for everything%s",
                         group->path.count > 0 ? " below its group's path" : "");
    }
    return OK;
}

/* ---- teams ---- */

/* The team of the file that a group or route is written in holds for it, whatever it says itself. */
static void find_team(struct loader *loader, struct route_source *source, struct route_settings *route)
{
    const struct conf_node *outer = source->group_node != NULL ? source->group_node : source->node;
    const struct conf_node *of_file = outer->place.source->team;
    const struct conf_node *node = of_file;
    if (source->group != NULL && source->group->team.len > 0) {
        const struct conf_node *own = loader_node(loader, &source->group->team, source->group_node);
        if (of_file != NULL && !slice_equal(of_file->text, source->group->team)) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, own,
                             "the file is of team \"%.*s\" (%.*s)", SLICE_ARG(of_file->text),
                             SLICE_ARG(conf_place_text(of_file->place, loader->arena)));
        } else {
            node = own;
        }
    }
    if (node == NULL) {
        return;
    }
    if (node->type != CONF_NODE_SCALAR || node->text.len == 0) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "the name of a team is wanted here, not %.*s",
                         SLICE_ARG(conf_node_describe(node, loader->arena)));
        return;
    }
    const struct conf_list *teams = &loader->places->input.teams;
    route->team = node->text;
    source->team = loader_find(loader, node, "team", teams->items, teams->count, sizeof(struct team_settings),
                               node->text);
}

/* ---- routes ---- */

static struct error add_route(struct loader *loader, const struct layer_settings *own,
                              const struct layer_settings *group)
{
    struct settings *settings = loader->settings;
    size_t index = settings->route_count;
    struct route_settings *route = &settings->routes[index];
    struct route_source *source = &loader->places->routes[index];
    source->route = own;
    source->node = loader_object(loader, own);
    source->group = group;
    source->group_node = group != NULL ? loader_object(loader, group) : NULL;
    if (group == NULL) {
        route->name = own->name;
    } else {
        route->name = arena_printf(loader->arena, "%.*s.%.*s", SLICE_ARG(group->name), SLICE_ARG(own->name));
    }
    if (route->name.ptr == NULL) {
        return NO_MEMORY;
    }
    const struct route_settings *same = settings_find(settings->routes, index, sizeof *same, route->name);
    if (same != NULL) {
        const struct conf_node *other = loader->places->routes[same - settings->routes].node;
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, source->node,
                         "another route is called \"%.*s\" too: %.*s", SLICE_ARG(route->name),
                         SLICE_ARG(conf_place_text(conf_node_place(other), loader->arena)));
    }
    settings->route_count++;
    route->admin = settings->admin != NULL && group != NULL && slice_equal(group->name, SLICE("admin"));
    TRY(merge_layers(loader, source, &route->policy));
    TRY(join_match(loader, source, &route->match));
    find_team(loader, source, route);
    return OK;
}

static size_t count_routes(const struct input_settings *input)
{
    size_t count = input->routes.count;
    const struct layer_settings *groups = input->groups.items;
    for (size_t i = 0; i < input->groups.count; i++) {
        count += groups[i].routes.count;
    }
    return count;
}

/* `use` of defaults and of policies that no route has yet is looked at too. */
static void check_uses(struct loader *loader, const struct layer_settings *layer,
                       const struct conf_node *node)
{
    const struct conf_list *policies = &loader->places->input.policies;
    for (size_t i = 0; layer != NULL && i < layer->use.count; i++) {
        const struct slice *name = &layer->use.items[i];
        loader_find(loader, loader_node(loader, name, node), "policy", policies->items, policies->count,
                    sizeof(struct layer_settings), *name);
    }
}

struct error load_routes(struct loader *loader)
{
    const struct input_settings *input = &loader->places->input;
    size_t count = count_routes(input);
    loader->settings->routes = arena_calloc(loader->arena, count + 1, sizeof(struct route_settings));
    loader->places->routes = arena_calloc(loader->arena, count + 1, sizeof(struct route_source));
    if (loader->settings->routes == NULL || loader->places->routes == NULL) {
        return NO_MEMORY;
    }
    check_uses(loader, input->defaults, loader->places->root);
    const struct layer_settings *groups = input->groups.items;
    for (size_t i = 0; i < input->groups.count; i++) {
        const struct layer_settings *routes = groups[i].routes.items;
        check_uses(loader, &groups[i], loader_object(loader, &groups[i]));
        check_path_starts(loader, groups[i].match, true, loader_object(loader, &groups[i]));
        for (size_t k = 0; k < groups[i].routes.count; k++) {
            TRY(add_route(loader, &routes[k], &groups[i]));
        }
    }
    const struct layer_settings *routes = input->routes.items;
    for (size_t i = 0; i < input->routes.count; i++) {
        TRY(add_route(loader, &routes[i], NULL));
    }
    return OK;
}
