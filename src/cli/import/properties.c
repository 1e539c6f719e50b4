/* Properties of Spring: documents, names, placeholders. */
#include "cli/import/spring.h"

#include "config/yaml.h"

/* ---- names ---- */

struct slice spring_canonical(struct import *import, struct slice name)
{
    char *out = arena_alloc(&import->arena, name.len + 1);
    if (out == NULL) {
        import->full = true;
        return SLICE("");
    }
    size_t length = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != '-' && name.ptr[i] != '_') {
            out[length++] = ascii_lower(name.ptr[i]);
        }
    }
    return slice_of(out, length);
}

static void add_property(struct import *import, struct slice shown, const struct conf_node *node)
{
    struct slice name = spring_canonical(import, shown);
    struct import_property *known = map_get(&import->documents, name);
    if (known != NULL) {
        known->node = node;
        return;
    }
    struct import_property *made = arena_calloc(&import->arena, 1, sizeof *made);
    if (made == NULL || !map_put(&import->documents, name, made)) {
        import->full = true;
        return;
    }
    *made = (struct import_property){ .name = name, .shown = shown, .node = node };
    *import->last_property = made;
    import->last_property = &made->next;
}

/* Bounded by the reader's depth. */
static void flatten(struct import *import, struct slice prefix,
                    const struct conf_node *map) // NOLINT(misc-no-recursion)
{
    for (size_t i = 0; i < map->count && !import->full; i++) {
        const struct conf_node *item = map->items[i];
        struct slice name =
            prefix.len > 0 ? ARENA_CONCAT(&import->arena, prefix, SLICE("."), item->key) : item->key;
        import->full |= name.ptr == NULL;
        if (item->type == CONF_NODE_MAPPING && item->count > 0) {
            flatten(import, name, item);
        } else if (!import->full) {
            add_property(import, name, item);
        }
    }
}

/* ---- documents ---- */

static bool is_marker(struct slice line, const char *marker)
{
    struct slice wanted = slice_from_string(marker);
    return slice_starts_with(line, wanted) &&
           (line.len == wanted.len || strchr(" \t\r", line.ptr[wanted.len]) != NULL);
}

/* Is there nothing but comments? */
static bool is_blank(struct slice text)
{
    struct slice line;
    while (slice_next(&text, '\n', &line)) {
        struct slice rest = slice_trim(line);
        if (rest.len > 0 && rest.ptr[0] != '#' && rest.ptr[0] != '\r') {
            return false;
        }
    }
    return true;
}

/* What a document says that it is for, however its names are put together; NULL: it always counts. Bounded by the reader's depth. */
static const struct conf_node *condition_of(struct import *import, struct slice prefix,
                                            const struct conf_node *map) // NOLINT(misc-no-recursion)
{
    static const char *const names[] = { "spring.config.activate.onprofile",
                                         "spring.config.activate.oncloudplatform", "spring.profiles" };
    const struct conf_node *found = NULL;
    for (size_t i = 0; i < map->count && found == NULL && !import->full; i++) {
        const struct conf_node *item = map->items[i];
        struct slice name =
            prefix.len > 0 ? ARENA_CONCAT(&import->arena, prefix, SLICE("."), item->key) : item->key;
        struct slice canonical = name.ptr != NULL ? spring_canonical(import, name) : SLICE("");
        import->full |= name.ptr == NULL;
        if (item->type == CONF_NODE_MAPPING && slice_starts_with(canonical, SLICE("spring"))) {
            found = condition_of(import, name, item);
        }
        for (size_t k = 0; item->type != CONF_NODE_MAPPING && k < sizeof names / sizeof names[0]; k++) {
            found = slice_equal(canonical, slice_from_string(names[k])) ? item : found;
        }
    }
    return found;
}

/* One document, with as many empty lines before it as make its places right. */
static struct error read_document(struct import *import, struct slice text, size_t lines_before)
{
    if (is_blank(text)) {
        return OK;
    }
    char *padded = arena_alloc(&import->arena, lines_before + text.len + 1);
    if (padded == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the configuration");
    }
    memset(padded, '\n', lines_before);
    memcpy(padded + lines_before, text.ptr, text.len);
    struct conf_node *root = NULL;
    TRY(yaml_parse(slice_of(padded, lines_before + text.len), &import->source, &import->diagnostics, &root));
    if (root == NULL) {
        return OK;
    }
    bool is_map = root->type == CONF_NODE_MAPPING;
    const struct conf_node *profile = is_map ? condition_of(import, SLICE(""), root) : NULL;
    if (profile != NULL) {
        import_note(
            import, NULL, profile->place,
            "the document of profile \"%.*s\" alone: make it a file of its own, import that, and run it as "
            "an overlay",
            SLICE_ARG(profile->text));
        return OK;
    }
    flatten(import, SLICE(""), root);
    return OK;
}

struct error spring_read(struct import *import, struct slice text)
{
    size_t begin = 0, begin_line = 0, line_number = 0, documents = 0;
    for (size_t at = 0; at <= text.len; line_number++) {
        ssize_t length = slice_find(slice_from(text, at), '\n');
        size_t end = length < 0 ? text.len : at + (size_t)length;
        struct slice line = slice_of(text.ptr + at, end - at);
        bool is_last = length < 0;
        if (is_marker(line, "---") || is_marker(line, "...") || is_last) {
            if (++documents > IMPORT_DOCUMENTS_MAX) {
                diagnostics_add(&import->diagnostics, DIAGNOSTIC_ERROR,
                                (struct conf_place){ &import->source, (unsigned int)line_number + 1, 1 },
                                "more than %d documents", IMPORT_DOCUMENTS_MAX);
                return OK;
            }
            struct slice body =
                slice_of(text.ptr + begin, (is_last && !is_marker(line, "---") ? end : at) - begin);
            TRY(read_document(import, body, begin_line));
            begin =
                at +
                (line.len >= 3 ? 3 : line.len); /* what stands behind the marker belongs to the document */
            begin_line = line_number;
        }
        if (is_last || import->diagnostics.error_count > 0) {
            break;
        }
        at = end + 1;
    }
    return OK;
}

/* ---- looking up ---- */

const struct conf_node *spring_property(struct import *import, const char *name)
{
    struct import_property *found = map_get(&import->documents, slice_from_string(name));
    if (found == NULL) {
        return NULL;
    }
    found->used = true;
    return found->node;
}

const struct conf_node *spring_gateway_property(struct import *import, const char *name)
{
    static const char *const prefixes[] = { "spring.cloud.gateway.server.webflux.",
                                            "spring.cloud.gateway.server.webmvc.",
                                            "spring.cloud.gateway.mvc.", "spring.cloud.gateway." };
    const struct conf_node *found = NULL;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0] && found == NULL; i++) {
        char whole[160];
        snprintf(whole, sizeof whole, "%s%s", prefixes[i], name);
        found = spring_property(import, whole);
    }
    return found;
}

/* ---- placeholders ---- */

/* Deeper within each other they are no placeholders. So many that never end would take the square of their number to look through. */
#define NESTING_MAX 64

/* Where the placeholder that begins at `at` ends: behind its brace, or 0. */
static size_t placeholder_end(struct slice text, size_t at)
{
    size_t depth = 0;
    for (size_t i = at; i < text.len; i++) {
        if (text.ptr[i] == '$' && i + 1 < text.len && text.ptr[i + 1] == '{') {
            if (++depth > NESTING_MAX) {
                return 0;
            }
            i++;
        } else if (text.ptr[i] == '}' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

#define EXPANSION_DEPTH_MAX 8

/* Does it stand beside an expression with a group of that name? Spring leaves what it cannot fill in as it is, so that
 * "RewritePath=/a/(?<rest>.*), /${rest}" works as well as "$\{rest}". */
static bool is_group(struct import *import, const struct conf_node *node, struct slice name)
{
    struct slice group = ARENA_CONCAT(&import->arena, SLICE("(?<"), name, SLICE(">"));
    bool found = group.ptr != NULL && slice_contains(node->text, group);
    for (size_t i = 0; group.ptr != NULL && node->parent != NULL && !found && i < node->parent->count; i++) {
        const struct conf_node *beside = node->parent->items[i];
        found = node->parent->type == CONF_NODE_MAPPING && beside->type == CONF_NODE_SCALAR &&
                slice_contains(beside->text, group);
    }
    import->full |= group.ptr == NULL;
    return found;
}

static void expand(struct import *import, struct import_route *route, const struct conf_node *node,
                   struct slice text, size_t depth, struct buffer *out);

/* `inner` is what stands between the braces. */
static void expand_one(struct import *import, struct import_route *route,
                       const struct conf_node *node, // NOLINT(misc-no-recursion)
                       struct slice inner, size_t depth, struct buffer *out)
{
    ssize_t colon = slice_find(inner, ':');
    struct slice name = colon >= 0 ? slice_part(inner, 0, (size_t)colon) : inner;
    const struct import_property *known =
        map_get(&import->documents, spring_canonical(import, slice_trim(name)));
    if (known != NULL && known->node->type == CONF_NODE_SCALAR) {
        ((struct import_property *)map_get(&import->documents, known->name))->used = true;
        expand(import, route, node, known->node->text, depth + 1, out);
    } else if (colon >= 0) {
        import_note(import, route, node->place,
                    "the placeholder ${%.*s}: its default is written; where it differs, write the value or "
                    "use an overlay",
                    SLICE_ARG(name));
        expand(import, route, node, slice_from(inner, (size_t)colon + 1), depth + 1, out);
    } else if (is_group(import, node, name)) {
        import_put(import, out, "${%.*s}", SLICE_ARG(name));
    } else {
        import_note(import, route, node->place,
                    "the placeholder ${%.*s}, which has no default: write the value itself", SLICE_ARG(name));
        import_put(import, out, "fill-in-%.*s", SLICE_ARG(import_name(import, name)));
    }
}

static void expand(struct import *import, struct import_route *route,
                   const struct conf_node *node, // NOLINT(misc-no-recursion)
                   struct slice text, size_t depth, struct buffer *out)
{
    for (size_t at = 0; at < text.len && !import->full;) {
        bool begins = text.ptr[at] == '$' && at + 1 < text.len && text.ptr[at + 1] == '{';
        size_t end = begins && depth < EXPANSION_DEPTH_MAX ? placeholder_end(text, at) : 0;
        if (end == 0) {
            import->full |= !buffer_append_char(out, text.ptr[at++]);
            continue;
        }
        import->full |= ++import->expansions > IMPORT_EXPANSIONS_MAX;
        expand_one(import, route, node, slice_of(text.ptr + at + 2, end - at - 3), depth, out);
        at = end;
    }
}

struct slice spring_text(struct import *import, struct import_route *route, const struct conf_node *node)
{
    if (node == NULL || node->type != CONF_NODE_SCALAR) {
        return SLICE("");
    }
    if (!slice_contains(node->text, SLICE("${"))) {
        return node->text;
    }
    struct buffer out;
    buffer_init(&out, IMPORT_VALUE_MAX);
    expand(import, route, node, node->text, 0, &out);
    struct slice text = arena_copy(&import->arena, buffer_slice(&out));
    buffer_done(&out);
    import->full |= text.ptr == NULL;
    return text.ptr != NULL ? text : SLICE("");
}
