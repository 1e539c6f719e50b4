/* Many thousands of routes are compared by maps and trees, never each with each. */
#include "config/difference_sites.h"
#include "http/message.h"
#include "route/pattern.h"

void sites_init(struct sites *sites, struct arena *arena)
{
    *sites = (struct sites){ .arena = arena };
    sites->last = &sites->first;
}

void sites_done(struct sites *sites)
{
    for (struct site *site = sites->first; site != NULL; site = site->next) {
        map_done(&site->nodes);
    }
    for (struct place_listener *listener = sites->listeners; listener != NULL; listener = listener->next) {
        map_done(&listener->sites);
    }
}

/* Neither "{}" nor two stars are a text of a pattern. */
struct slice sites_key(struct arena *arena, struct slice path)
{
    struct buffer key;
    struct segment segment;
    char canonical[HTTP_TARGET_MAX + 1];
    buffer_init(&key, 2 * HTTP_TARGET_MAX);
    bool good = true;
    while (good && pattern_next(&path, &segment)) {
        struct slice text = segment.kind == SEGMENT_REST ? SLICE("**") : SLICE("{}");
        if (segment.kind == SEGMENT_TEXT && pattern_canonical_text(segment.text, canonical, &text) != NULL) {
            text = segment.text;
        }
        good = buffer_append_char(&key, '/') && buffer_append(&key, text);
    }
    struct slice copy = SLICE_NONE;
    if (good) {
        copy = buffer_length(&key) > 0 ? arena_copy(arena, buffer_slice(&key)) : SLICE("");
    }
    buffer_done(&key);
    return copy;
}

/* ---- hosts ---- */

static struct place_listener *find_listener(const struct sites *sites, struct slice name)
{
    struct place_listener *listener = sites->listeners;
    while (listener != NULL && !slice_equal(listener->name, name)) {
        listener = listener->next;
    }
    return listener;
}

static const struct site *find_site(const struct place_listener *listener, struct slice host)
{
    return listener != NULL ? map_get(&listener->sites, host) : NULL;
}

const struct site *sites_find(const struct sites *sites, struct slice host, struct slice listener)
{
    return find_site(find_listener(sites, listener), host);
}

/* The wildcard of all that ends with this, from its dot. */
static const struct site *find_wildcard(const struct place_listener *listener, struct slice suffix)
{
    char text[1 + HTTP_HOST_MAX];
    if (suffix.len > HTTP_HOST_MAX) {
        return NULL;
    }
    text[0] = '*';
    memcpy(text + 1, suffix.ptr, suffix.len);
    return find_site(listener, slice_of(text, 1 + suffix.len));
}

const struct site *sites_serving(const struct sites *sites, struct slice host, struct slice listener)
{
    const struct place_listener *on = find_listener(sites, listener);
    const struct site *site = find_site(on, host);
    for (ssize_t dot; site == NULL && (dot = slice_find(host, '.')) >= 0;) {
        site = find_wildcard(on, slice_from(host, (size_t)dot));
        host = slice_from(host, (size_t)dot + 1);
    }
    return site != NULL ? site : find_site(on, SLICE("*"));
}

static struct place_listener *listener_of(struct sites *sites, struct slice name)
{
    struct place_listener *listener = find_listener(sites, name);
    if (listener != NULL) {
        return listener;
    }
    listener = arena_calloc(sites->arena, 1, sizeof *listener);
    if (listener != NULL) {
        listener->name = name;
        listener->next = sites->listeners;
        map_init(&listener->sites);
        sites->listeners = listener;
    }
    return listener;
}

static struct site *site_of(struct sites *sites, const struct place_entry *entry)
{
    struct place_listener *listener = listener_of(sites, entry->listener);
    struct site *site = listener != NULL ? map_get(&listener->sites, entry->host) : NULL;
    if (listener == NULL || site != NULL) {
        return site;
    }
    site = arena_calloc(sites->arena, 1, sizeof *site);
    if (site == NULL || !map_put(&listener->sites, entry->host, site)) {
        return NULL;
    }
    site->host = entry->host;
    site->listener = entry->listener;
    site->last = &site->first;
    site->root.last_child = &site->root.children;
    map_init(&site->nodes);
    *sites->last = site;
    sites->last = &site->next;
    return site;
}

/* ---- paths ---- */

/* The segment behind the first `begin` bytes of the key, with its slash; empty: there is none. */
static struct slice next_segment(struct slice key, size_t begin)
{
    if (begin >= key.len) {
        return SLICE_NONE;
    }
    ssize_t slash = slice_find(slice_from(key, begin + 1), '/');
    return slice_part(key, begin, slash >= 0 ? (size_t)slash + 1 : key.len - begin);
}

static bool is_rest(struct slice segment)
{
    return slice_equal(segment, SLICE("/**"));
}

static bool is_variable(struct slice segment)
{
    return slice_equal(segment, SLICE("/{}"));
}

static struct path_node *node_below(struct sites *sites, struct site *site, struct path_node *above,
                                    struct slice key, struct slice segment)
{
    struct path_node *node = map_get(&site->nodes, key);
    if (node != NULL) {
        return node;
    }
    node = arena_calloc(sites->arena, 1, sizeof *node);
    if (node == NULL || !map_put(&site->nodes, key, node)) {
        return NULL;
    }
    node->key = key;
    if (is_rest(segment)) {
        above->rest = node;
    } else if (is_variable(segment)) {
        above->variable = node;
    }
    node->last_child = &node->children;
    node->last = &node->first;
    *above->last_child = node;
    above->last_child = &node->next;
    return node;
}

bool sites_add(struct sites *sites, const struct place_entry *entry)
{
    struct site *site = site_of(sites, entry);
    struct place_entry *copy = arena_alloc(sites->arena, sizeof *copy);
    struct path_node *node = site != NULL && copy != NULL ? &site->root : NULL;
    struct slice segment;
    for (size_t at = 0; node != NULL && (segment = next_segment(entry->key, at)).len > 0;) {
        at += segment.len;
        node = node_below(sites, site, node, slice_part(entry->key, 0, at), segment);
    }
    if (node == NULL || node == &site->root) {
        return node != NULL; /* a path has a slash */
    }
    *copy = *entry;
    copy->next = NULL;
    if (node->first == NULL) {
        node->path = entry->path;
        *site->last = node;
        site->last = &node->next_end;
    }
    *node->last = copy;
    node->last = &copy->next;
    return true;
}

const struct path_node *site_path(const struct site *site, struct slice key)
{
    const struct path_node *node = site != NULL ? map_get(&site->nodes, key) : NULL;
    return node != NULL && node->first != NULL ? node : NULL;
}

/* Behind a variable a node's key is not what the path begins with. */
static const struct path_node *text_by_copy(const struct site *site, const struct path_node *node,
                                            struct slice segment)
{
    char text[2 * HTTP_TARGET_MAX];
    if (node->key.len + segment.len > sizeof text) {
        return NULL;
    }
    memcpy(text, node->key.ptr, node->key.len);
    memcpy(text + node->key.len, segment.ptr, segment.len);
    return map_get(&site->nodes, slice_of(text, node->key.len + segment.len));
}

/* Below `node`, where the text of `key` goes on with `segment` at `at`. */
static const struct path_node *text_below(const struct site *site, const struct path_node *node,
                                          struct slice key, size_t at, struct slice segment)
{
    if (node->children == NULL) {
        return NULL;
    }
    return slice_equal(node->key, slice_part(key, 0, at))
               ? map_get(&site->nodes, slice_part(key, 0, at + segment.len))
               : text_by_copy(site, node, segment);
}

/* Text goes before a variable, and that before a rest. Depth is bounded by ROUTE_SEGMENTS_MAX, visits by the number of nodes. */
static const struct path_node *search(const struct site *site, const struct path_node *node, struct slice key,
                                      size_t at)
{
    struct slice segment = next_segment(key, at);
    if (node == NULL) {
        return NULL;
    }
    if (segment.len == 0) {
        return node->first != NULL ? node : node->rest;
    }
    if (is_rest(segment)) {
        return node->rest;
    }
    size_t behind = at + segment.len;
    const struct path_node *found = NULL;
    if (!is_variable(segment)) {
        found = search(site, text_below(site, node, key, at, segment), key, behind);
    }
    if (found == NULL && segment.len > 1) { /* a variable is never empty */
        found = search(site, node->variable, key, behind);
    }
    return found != NULL ? found : node->rest;
}

const struct path_node *site_end(const struct site *site, struct slice key)
{
    const struct path_node *exact = site_path(site, key);
    return exact != NULL || site == NULL ? exact : search(site, &site->root, key, 0);
}

/* ---- what two paths share ---- */

struct meeting {
    const struct site *site;
    struct slice key;
    bool (*visit)(void *context, const struct path_node *node);
    void *context;
};

static bool visit(const struct meeting *meeting, const struct path_node *node)
{
    return node == NULL || node->first == NULL || meeting->visit(meeting->context, node);
}

static bool visit_all(const struct meeting *meeting, const struct path_node *node)
{
    bool good = visit(meeting, node);
    for (const struct path_node *child = node->children; good && child != NULL; child = child->next) {
        good = visit_all(meeting, child);
    }
    return good;
}

static bool visit_meeting(const struct meeting *meeting, const struct path_node *node, size_t at)
{
    struct slice segment = next_segment(meeting->key, at);
    if (node == NULL) {
        return true;
    }
    if (is_rest(segment)) {
        return visit_all(meeting, node);
    }
    if (!visit(meeting, node->rest)) {
        return false;
    }
    if (segment.len == 0) {
        return visit(meeting, node);
    }
    size_t behind = at + segment.len;
    bool good = true;
    if (is_variable(segment)) {
        for (const struct path_node *child = node->children; good && child != NULL; child = child->next) {
            bool is_empty = child->key.len == node->key.len + 1;
            good = child == node->rest || is_empty || visit_meeting(meeting, child, behind);
        }
        return good;
    }
    good = visit_meeting(meeting, text_below(meeting->site, node, meeting->key, at, segment), behind);
    return good && (segment.len == 1 || visit_meeting(meeting, node->variable, behind));
}

bool site_each_meeting(const struct site *site, struct slice key,
                       bool (*visit_one)(void *context, const struct path_node *node), void *context)
{
    struct meeting meeting = { site, key, visit_one, context };
    return site == NULL || visit_meeting(&meeting, &site->root, 0);
}
