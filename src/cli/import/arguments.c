/* What predicates and filters are given: by place ("Name=a,b") or by name. */
#include "cli/import/spring.h"

static bool add(struct spring_call *call, struct spring_argument argument)
{
    if (call->count == SPRING_ARGUMENTS_MAX) {
        return false;
    }
    call->arguments[call->count++] = argument;
    return true;
}

/* As Spring takes it apart: pieces between commas, trimmed; empty ones are none. */
static bool add_shortcut(struct spring_call *call, struct slice text)
{
    struct slice part;
    bool good = true;
    while (slice_next(&text, ',', &part)) {
        struct slice value = slice_trim(part);
        good = (value.len == 0 || add(call, (struct spring_argument){ .value = value })) && good;
    }
    return good;
}

static struct slice under(struct import *import, struct slice prefix, struct slice name)
{
    struct slice whole = prefix.len > 0 ? ARENA_CONCAT(&import->arena, prefix, SLICE("."), name) : name;
    import->full |= whole.ptr == NULL;
    return whole.ptr != NULL ? whole : SLICE("");
}

/* What stands beneath `of`: "patterns" by "patterns[0]"; by its place what is called "_genkey_0". */
static struct spring_argument name_argument(struct import *import, const struct spring_argument *of,
                                            struct slice key)
{
    ssize_t bracket = slice_find(key, '[');
    struct slice shown = bracket > 0 ? slice_part(key, 0, (size_t)bracket) : key;
    struct slice name = spring_canonical(import, shown);
    if (slice_starts_with(name, SLICE("genkey"))) {
        return (struct spring_argument){ 0 };
    }
    return (struct spring_argument){ .name = under(import, of->name, name),
                                     .shown = under(import, of->shown, shown) };
}

/* Those whose text is a list, between commas. */
static bool is_list(struct slice name)
{
    static const char *const names[] = { "patterns",    "methods", "sources",   "statuses",
                                         "statuscodes", "series",  "exceptions" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal(name, slice_from_string(names[i]))) {
            return true;
        }
    }
    return false;
}

static bool add_text(struct spring_call *call, struct spring_argument argument, struct slice text)
{
    bool good = true;
    struct slice part;
    while (is_list(argument.name) && slice_next(&text, ',', &part)) {
        argument.value = slice_trim(part);
        good = add(call, argument) && good;
    }
    argument.value = text;
    return is_list(argument.name) ? good : add(call, argument);
}

static bool add_node(struct import *import, struct import_route *route,
                     struct spring_call *call, // NOLINT(misc-no-recursion)
                     struct spring_argument argument, const struct conf_node *node)
{
    bool good = true;
    bool is_none =
        node->count == 0 && slice_equal(argument.name, SLICE("series")); /* which differs from unsaid */
    if (node->type == CONF_NODE_SCALAR || is_none) {
        return add_text(call, argument, spring_text(import, route, node));
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct conf_node *item = node->items[i];
        bool is_map = node->type == CONF_NODE_MAPPING;
        good = add_node(import, route, call, is_map ? name_argument(import, &argument, item->key) : argument,
                        item) &&
               good;
    }
    return good;
}

bool spring_read_call(struct import *import, struct import_route *route, const struct conf_node *node,
                      struct spring_call *out)
{
    *out = (struct spring_call){ .place = node->place };
    bool good = true;
    if (node->type == CONF_NODE_SCALAR) {
        struct slice rest = spring_text(import, route, node);
        ssize_t equals = slice_find(rest, '=');
        out->name = slice_trim(equals >= 0 ? slice_part(rest, 0, (size_t)equals) : rest);
        good = equals < 0 || add_shortcut(out, slice_from(rest, (size_t)equals + 1));
    } else {
        out->name = spring_text(import, route, conf_node_get(node, SLICE("name")));
        const struct conf_node *arguments = conf_node_get(node, SLICE("args"));
        good = arguments == NULL || add_node(import, route, out, (struct spring_argument){ 0 }, arguments);
    }
    if (out->name.len == 0 || !good) {
        import_lose(import, route, node->place,
                    good ? "this has no name: write what it is to do"
                         : "this has more than 64 arguments: write what it is to do");
        return false;
    }
    return true;
}

struct slice spring_argument(struct spring_call *call, size_t place, const char *name)
{
    size_t nameless = 0;
    for (size_t i = 0; i < call->count; i++) {
        struct spring_argument *argument = &call->arguments[i];
        bool found = argument->name.len == 0 ? nameless++ == place
                                             : slice_equal(argument->name, slice_from_string(name));
        if (found) {
            argument->used = true;
            return argument->value;
        }
    }
    return SLICE_NONE;
}

static bool next(struct spring_call *call, const char *name, bool by_place, struct slice *ret_value)
{
    for (size_t i = 0; i < call->count; i++) {
        struct spring_argument *argument = &call->arguments[i];
        bool found =
            argument->name.len == 0 ? by_place : slice_equal(argument->name, slice_from_string(name));
        if (found && !argument->used) {
            argument->used = true;
            *ret_value = argument->value;
            return true;
        }
    }
    return false;
}

bool spring_next_argument(struct spring_call *call, const char *name, struct slice *ret_value)
{
    return next(call, name, true, ret_value);
}

bool spring_next_named(struct spring_call *call, const char *name, struct slice *ret_value)
{
    return next(call, name, false, ret_value);
}

bool spring_has_argument(const struct spring_call *call, const char *name)
{
    for (size_t i = 0; i < call->count; i++) {
        if (slice_equal(call->arguments[i].name, slice_from_string(name))) {
            return true;
        }
    }
    return false;
}
