/* What predicates and filters are given: by place ("Name=a,b") or by name. */
#include "cli/import/spring.h"

static bool add(struct spring_call *call, struct slice name, struct slice value)
{
    if (call->count == SPRING_ARGUMENTS_MAX) {
        return false;
    }
    call->arguments[call->count++] = (struct spring_argument){ .name = name, .value = value };
    return true;
}

/* As Spring takes it apart: pieces between commas, trimmed; empty ones are none. */
static bool add_shortcut(struct spring_call *call, struct slice text)
{
    struct slice part;
    bool good = true;
    while (slice_next(&text, ',', &part)) {
        struct slice value = slice_trim(part);
        good = (value.len == 0 || add(call, SLICE(""), value)) && good;
    }
    return good;
}

/* "patterns" of "patterns[0]"; "" of "_genkey_0". */
static struct slice argument_name(struct import *import, struct slice prefix, struct slice key)
{
    ssize_t bracket = slice_find(key, '[');
    struct slice name = spring_canonical(import, bracket > 0 ? slice_part(key, 0, (size_t)bracket) : key);
    if (slice_starts_with(name, SLICE("genkey"))) {
        return SLICE("");
    }
    if (prefix.len == 0) {
        return name;
    }
    struct slice whole = ARENA_CONCAT(&import->arena, prefix, SLICE("."), name);
    import->full |= whole.ptr == NULL;
    return whole.ptr != NULL ? whole : SLICE("");
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

static bool add_node(struct import *import, struct import_route *route, struct spring_call *call,
                     struct slice name, // NOLINT(misc-no-recursion)
                     const struct conf_node *node)
{
    bool good = true;
    if (node->type == CONF_NODE_SCALAR) {
        struct slice rest = spring_text(import, route, node), part;
        while (is_list(name) && slice_next(&rest, ',', &part)) {
            good = add(call, name, slice_trim(part)) && good;
        }
        return is_list(name) ? good : add(call, name, rest);
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct conf_node *item = node->items[i];
        good =
            add_node(import, route, call,
                     node->type == CONF_NODE_MAPPING ? argument_name(import, name, item->key) : name, item) &&
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
        good = arguments == NULL || add_node(import, route, out, SLICE(""), arguments);
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

bool spring_next_argument(struct spring_call *call, const char *name, struct slice *ret_value)
{
    for (size_t i = 0; i < call->count; i++) {
        struct spring_argument *argument = &call->arguments[i];
        if (!argument->used &&
            (argument->name.len == 0 || slice_equal(argument->name, slice_from_string(name)))) {
            argument->used = true;
            *ret_value = argument->value;
            return true;
        }
    }
    return false;
}
