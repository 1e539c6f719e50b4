#include "config/compose.h"

#include "base/limits.h"
#include "base/map.h"
#include "config/reader.h"
#include "config/tables.h"
#include "config/values.h"
#include "config/yaml.h"

#include <stdarg.h>
#include <stdio.h>

#define NO_MEMORY FAIL(ERROR_MEMORY, "no memory for the configuration")

struct composer {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct config_files *files;
    struct map seen; /* path → source */
    unsigned int order;
    struct conf_node *root;
    bool incomplete; /* a file is missing or no YAML */
};

/* ---- files ---- */

__attribute__((format(printf, 3, 4))) static void
tell_unreadable(struct composer *composer, const struct conf_node *by, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    composer->incomplete = true;
    if (by != NULL) {
        diagnostics_node(composer->diagnostics, DIAGNOSTIC_ERROR, by, "%s", text);
    } else {
        diagnostics_add(composer->diagnostics, DIAGNOSTIC_ERROR, (struct conf_place){ 0 }, "%s", text);
    }
}

static struct conf_source *new_source(struct composer *composer, struct slice path)
{
    struct conf_source *source = arena_calloc(composer->arena, 1, sizeof *source);
    struct slice copy = arena_copy(composer->arena, path);
    if (source == NULL || copy.ptr == NULL || !map_put(&composer->seen, copy, source)) {
        return NULL;
    }
    source->path = copy;
    source->directory = slice_part(copy, 0, (size_t)(slice_find_last(copy, '/') + 1));
    source->order = composer->order++;
    return source;
}

/* `by`: the entry that names the file, or NULL. `*ret_root` is NULL where something was told. */
static struct error read_file(struct composer *composer, struct slice path, const struct conf_node *by,
                              struct conf_node **ret_root)
{
    *ret_root = NULL;
    if (composer->order == CONFIG_FILES_MAX) {
        tell_unreadable(composer, by, "more than %d files", CONFIG_FILES_MAX);
        return OK;
    }
    struct conf_source *source = new_source(composer, path);
    if (source == NULL) {
        return NO_MEMORY;
    }
    struct slice text;
    struct error error = config_files_read(composer->files, source->path, CONFIG_FILE_MAX, &text);
    if (error.kind == ERROR_MEMORY) {
        return error;
    }
    if (failed(error)) {
        char why[256];
        error_describe(error, why, sizeof why);
        tell_unreadable(composer, by, "%.*s: %s", SLICE_ARG(path), why);
        return OK;
    }
    TRY(yaml_parse(text, source, composer->diagnostics, ret_root));
    composer->incomplete = composer->incomplete || *ret_root == NULL;
    return OK;
}

/* ---- included files ---- */

static void tell_twice(struct composer *composer, const struct conf_node *entry,
                       const struct conf_node *before)
{
    diagnostics_node(composer->diagnostics, DIAGNOSTIC_ERROR, entry, "is defined twice: also at %.*s",
                     SLICE_ARG(conf_place_text(conf_node_place(before), composer->arena)));
}

/* Adds the entries of `more` to the map `*base`, which is a new one. */
static struct error add_entries(struct composer *composer, struct conf_node **base,
                                const struct conf_node *more)
{
    struct conf_node *both = conf_node_copy_map(*base, more->count, composer->arena);
    if (both == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < more->count; i++) {
        const struct conf_node *before = conf_node_get(*base, more->items[i]->key);
        if (before != NULL) {
            tell_twice(composer, more->items[i], before);
        } else {
            both->items[both->count++] = more->items[i];
        }
    }
    *base = both;
    return OK;
}

/* A map by name may be split over files; anything else stands in one of them. */
static struct error add_key(struct composer *composer, struct conf_node *entry)
{
    struct conf_node *root = composer->root;
    const struct conf_field *field = conf_field_find(&config_object, entry->key);
    for (size_t i = 0; i < root->count; i++) {
        struct conf_node *before = root->items[i];
        if (!slice_equal(before->key, entry->key)) {
            continue;
        }
        if (field == NULL || field->type != CONF_MAP || before->type != CONF_NODE_MAPPING ||
            entry->type != CONF_NODE_MAPPING) {
            tell_twice(composer, entry, before);
            return OK;
        }
        return add_entries(composer, &root->items[i], entry);
    }
    root->items[root->count++] = entry;
    return OK;
}

/* What a team's file may hold: its own things, not the house's rules. */
static bool team_may_write(struct slice key)
{
    return slice_equal(key, SLICE("team")) || slice_equal(key, SLICE("groups")) ||
           slice_equal(key, SLICE("routes")) || slice_equal(key, SLICE("upstreams"));
}

static struct error add_file(struct composer *composer, struct conf_node *file)
{
    if (composer->root == NULL) {
        composer->root = conf_node_copy_map(NULL, 0, composer->arena);
        if (composer->root == NULL) {
            return NO_MEMORY;
        }
        composer->root->place = file->place;
    }
    struct conf_node *grown = conf_node_copy_map(composer->root, file->count, composer->arena);
    if (grown == NULL) {
        return NO_MEMORY;
    }
    composer->root = grown;
    bool is_main = file->place.source->order == 0;
    for (size_t i = 0; i < file->count; i++) {
        struct conf_node *entry = file->items[i];
        bool is_team = slice_equal(entry->key, SLICE("team"));
        if (is_team && is_main) {
            diagnostics_node(composer->diagnostics, DIAGNOSTIC_ERROR, entry,
                             "stands at the top of included files only; a group here says its own team");
        } else if (file->place.source->team != NULL && !team_may_write(entry->key) &&
                   conf_field_find(&config_object, entry->key) != NULL) {
            diagnostics_node(composer->diagnostics, DIAGNOSTIC_ERROR, entry,
                             "a team's file holds groups, routes and upstreams only");
        } else if (!is_team && !slice_equal(entry->key, SLICE("include"))) {
            TRY(add_key(composer, entry));
        }
    }
    return OK;
}

static struct error include_files(struct composer *composer, const struct conf_node *file,
                                  unsigned int depth);

static struct error include_file(struct composer *composer, struct slice path,
                                 const struct conf_node *pattern, unsigned int depth)
{
    const struct conf_source *before = map_get(&composer->seen, path);
    if (before != NULL) {
        diagnostics_node(composer->diagnostics, DIAGNOSTIC_ERROR, pattern, "%.*s is included twice",
                         SLICE_ARG(before->path));
        return OK;
    }
    struct conf_node *file;
    TRY(read_file(composer, path, pattern, &file));
    if (file == NULL) {
        return OK;
    }
    struct conf_source *source = map_get(&composer->seen, path);
    source->team = conf_node_get(file, SLICE("team"));
    TRY(add_file(composer, file));
    return include_files(composer, file, depth + 1);
}

static bool is_pattern(struct slice text)
{
    return slice_find(text, '*') >= 0 || slice_find(text, '?') >= 0 || slice_find(text, '[') >= 0;
}

static struct error include_pattern(struct composer *composer, const struct conf_node *pattern,
                                    unsigned int depth)
{
    if (pattern->type != CONF_NODE_SCALAR || pattern->text.len == 0) {
        diagnostics_node(composer->diagnostics, DIAGNOSTIC_ERROR, pattern,
                         "a path or pattern is wanted here, not %.*s",
                         SLICE_ARG(conf_node_describe(pattern, composer->arena)));
        return OK;
    }
    struct slice path = value_path(pattern->place.source, pattern->text, composer->arena);
    if (path.ptr == NULL) {
        return NO_MEMORY;
    }
    if (!is_pattern(path)) {
        return include_file(composer, path, pattern, depth);
    }
    struct slice *paths;
    size_t count;
    struct error error = config_files_glob(composer->files, path, composer->arena, &paths, &count);
    if (error.kind == ERROR_MEMORY) {
        return error;
    }
    if (failed(error)) {
        char why[256];
        error_describe(error, why, sizeof why);
        tell_unreadable(composer, pattern, "%.*s: %s", SLICE_ARG(path), why);
        return OK;
    }
    if (count == 0) {
        diagnostics_node(composer->diagnostics, DIAGNOSTIC_WARNING, pattern, "no file matches %.*s",
                         SLICE_ARG(path));
    }
    for (size_t i = 0; i < count; i++) {
        TRY(include_file(composer, paths[i], pattern, depth));
    }
    return OK;
}

/* As deep as CONFIG_INCLUDE_DEPTH_MAX. */
static struct error include_files(struct composer *composer, const struct conf_node *file, unsigned int depth)
{
    const struct conf_node *include = conf_node_get(file, SLICE("include"));
    if (include == NULL || file->place.source->team != NULL) {
        return OK; /* in a team's file it has been refused: what it includes would not be the team's */
    }
    if (depth == CONFIG_INCLUDE_DEPTH_MAX) {
        tell_unreadable(composer, include, "files include each other more than %d levels deep",
                        CONFIG_INCLUDE_DEPTH_MAX);
        return OK;
    }
    if (include->type != CONF_NODE_SEQUENCE) {
        return include_pattern(composer, include, depth);
    }
    for (size_t i = 0; i < include->count; i++) {
        TRY(include_pattern(composer, include->items[i], depth));
    }
    return OK;
}

/* ---- overlays ---- */

static struct error add_overlay(struct composer *composer, struct slice path)
{
    if (map_get(&composer->seen, path) != NULL) {
        tell_unreadable(composer, NULL, "the overlay %.*s is a file of the configuration already",
                        SLICE_ARG(path));
        return OK;
    }
    struct conf_node *file;
    TRY(read_file(composer, path, NULL, &file));
    if (file == NULL || composer->root == NULL) {
        return OK;
    }
    struct conf_node *rest = conf_node_copy_map(NULL, file->count, composer->arena);
    if (rest == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < file->count; i++) {
        struct conf_node *entry = file->items[i];
        if (slice_equal(entry->key, SLICE("include")) || slice_equal(entry->key, SLICE("team"))) {
            diagnostics_node(composer->diagnostics, DIAGNOSTIC_ERROR, entry, "cannot stand in an overlay");
        } else {
            rest->items[rest->count++] = entry;
        }
    }
    composer->root = compose_overlay(composer->root, rest, composer->arena);
    return composer->root != NULL ? OK : NO_MEMORY;
}

/* ---- owners ---- */

static struct error own(struct composer *composer, struct conf_node *node, const char *kind,
                        struct slice name)
{
    struct conf_owner *owner = arena_calloc(composer->arena, 1, sizeof *owner);
    if (owner == NULL) {
        return NO_MEMORY;
    }
    owner->text = arena_printf(composer->arena, "%s%s%.*s", kind, name.len > 0 ? " " : "", SLICE_ARG(name));
    conf_node_own(node, owner);
    return owner->text.ptr != NULL ? OK : NO_MEMORY;
}

static struct error own_entries(struct composer *composer, struct slice section, const char *kind)
{
    const struct conf_node *map = conf_node_get(composer->root, section);
    for (size_t i = 0; map != NULL && map->type == CONF_NODE_MAPPING && i < map->count; i++) {
        TRY(own(composer, map->items[i], kind, map->items[i]->key));
    }
    return OK;
}

static struct error own_group_routes(struct composer *composer, const struct conf_node *group)
{
    const struct conf_node *routes = conf_node_get(group, SLICE("routes"));
    for (size_t i = 0; routes != NULL && routes->type == CONF_NODE_MAPPING && i < routes->count; i++) {
        struct slice name = arena_printf(composer->arena, "%.*s.%.*s", SLICE_ARG(group->key),
                                         SLICE_ARG(routes->items[i]->key));
        if (name.ptr == NULL) {
            return NO_MEMORY;
        }
        TRY(own(composer, routes->items[i], "route", name));
    }
    return OK;
}

static struct error own_everything(struct composer *composer)
{
    struct conf_node *defaults = conf_node_get(composer->root, SLICE("defaults"));
    if (defaults != NULL) {
        TRY(own(composer, defaults, "defaults", SLICE("")));
    }
    struct conf_node *admin = conf_node_get(composer->root, SLICE("admin"));
    if (admin != NULL) {
        TRY(own(composer, admin, "admin", SLICE("")));
    }
    TRY(own_entries(composer, SLICE("listeners"), "listener"));
    TRY(own_entries(composer, SLICE("issuers"), "issuer"));
    TRY(own_entries(composer, SLICE("introspection"), "introspection endpoint"));
    TRY(own_entries(composer, SLICE("api_keys"), "API keys"));
    TRY(own_entries(composer, SLICE("basic"), "Basic users"));
    TRY(own_entries(composer, SLICE("client_certificates"), "client certificate"));
    TRY(own_entries(composer, SLICE("authorizers"), "authorizer"));
    TRY(own_entries(composer, SLICE("resources"), "resource"));
    TRY(own_entries(composer, SLICE("upstreams"), "upstream"));
    TRY(own_entries(composer, SLICE("policies"), "policy"));
    TRY(own_entries(composer, SLICE("routes"), "route"));
    TRY(own_entries(composer, SLICE("groups"), "group"));
    const struct conf_node *groups = conf_node_get(composer->root, SLICE("groups"));
    for (size_t i = 0; groups != NULL && groups->type == CONF_NODE_MAPPING && i < groups->count; i++) {
        TRY(own_group_routes(composer, groups->items[i]));
    }
    return OK;
}

static struct error compose(struct composer *composer, const struct config_options *options)
{
    struct conf_node *file;
    TRY(read_file(composer, options->path, NULL, &file));
    if (file != NULL) {
        TRY(add_file(composer, file));
        TRY(include_files(composer, file, 0));
    }
    for (size_t i = 0; i < options->overlay_count; i++) {
        TRY(add_overlay(composer, options->overlays[i]));
    }
    return composer->root != NULL ? own_everything(composer) : OK;
}

struct error compose_load(const struct config_options *options, struct config_files *files,
                          struct diagnostics *diagnostics, struct conf_node **ret_root)
{
    struct composer composer = { .arena = diagnostics->arena, .diagnostics = diagnostics, .files = files };
    map_init(&composer.seen);
    struct error error = compose(&composer, options);
    map_done(&composer.seen);
    TRY(error);
    *ret_root = composer.incomplete ? NULL : composer.root;
    return OK;
}
