#include "config/values.h"

#include "config/units.h"
#include "config/yaml.h"

#include <inttypes.h>

static struct slice or_empty(struct slice text)
{
    return text.ptr != NULL ? text : SLICE("");
}

static void print_number(const struct conf_field *field, int64_t value, struct buffer *out)
{
    switch (field->type) {
    case CONF_DURATION:
        units_print_duration(value, out);
        break;
    case CONF_SIZE:
        units_print_size(value, out);
        break;
    default:
        buffer_printf(out, "%" PRId64, value);
        break;
    }
}

/* An object that a bare value may stand for is wanted as that. */
static const struct conf_field *scalar_field(const struct conf_object *object)
{
    for (const struct conf_field *field = object->fields; object->scalar != NULL && field->name != NULL;
         field++) {
        if (strcmp(field->name, object->scalar) == 0) {
            return field;
        }
    }
    return NULL;
}

static void print_wanted(const struct conf_field *field, struct buffer *out)
{
    static const char *const wanted[] = {
        [CONF_BOOL] = "true or false",
        [CONF_INTEGER] = "a whole number",
        [CONF_DURATION] = "a duration with its unit (ms, s, m, h, d)",
        [CONF_SIZE] = "a size with its unit (B, KiB, MiB, GiB)",
        [CONF_STRING] = "a text",
        [CONF_SECRET] = "${env:NAME} or ${file:PATH}",
        [CONF_FILE] = "the path of a file",
        [CONF_ENUM] = "one of ",
        [CONF_FLAGS] = "a list of ",
        [CONF_RATE] = "a rate",
        [CONF_STRINGS] = "a text or a list of texts",
        [CONF_FILES] = "a path or a list of paths",
        [CONF_PAIRS] = "a map of names to texts",
        [CONF_OBJECT] = "a map",
        [CONF_LIST] = "a list of maps",
        [CONF_MAP] = "a map of names to maps",
    };
    bool is_plain = field->type == CONF_LIST && field->object->scalar != NULL;
    bool is_map = field->type == CONF_MAP,
         is_short = (is_map || field->type == CONF_OBJECT) && field->object->scalar != NULL;
    buffer_printf(out, "%s%s", wanted[is_plain ? CONF_STRINGS : field->type],
                  !is_short ? ""
                  : is_map  ? " or single values"
                            : " or a single value");
    if (field->type == CONF_ENUM || field->type == CONF_FLAGS) {
        for (const struct conf_choice *choice = field->choices; choice->name != NULL; choice++) {
            buffer_printf(out, "%s%s", choice == field->choices ? "" : ", ", choice->name);
        }
    }
    if (field->minimum == 0 && field->maximum == 0) {
        return;
    }
    if (field->type == CONF_INTEGER || field->type == CONF_DURATION || field->type == CONF_SIZE ||
        field->type == CONF_RATE) {
        buffer_printf(out, " from ");
        print_number(field, field->minimum, out);
        buffer_printf(out, " to ");
        print_number(field, field->maximum, out);
    }
    if (field->type == CONF_RATE) {
        buffer_printf(out, " per duration (ms, s, m, h, d)");
    }
}

struct slice value_wanted(const struct conf_field *field, struct arena *arena)
{
    struct buffer out;
    buffer_init(&out, 1024);
    print_wanted(field, &out);
    struct slice text = or_empty(arena_copy(arena, buffer_slice(&out)));
    buffer_done(&out);
    return text;
}

#define EXAMPLE_DEPTH_MAX 3

static void print_example(const struct conf_field *field, size_t depth, struct buffer *out);

/* "{ limit: 100/1m, by: address }": what is required or typical; or the bare value that stands for it. */
static void print_object_example(const struct conf_object *object, size_t depth, // NOLINT(misc-no-recursion)
                                 struct buffer *out)
{
    size_t count = 0, typical = 0;
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        typical += (field->flags & CONF_TYPICAL) != 0;
    }
    const struct conf_field *bare = typical == 0 ? scalar_field(object) : NULL;
    if (bare != NULL && depth < EXAMPLE_DEPTH_MAX) {
        print_example(bare, depth + 1, out);
        return;
    }
    for (const struct conf_field *field = object->fields; field->name != NULL && depth < EXAMPLE_DEPTH_MAX;
         field++) {
        if ((field->flags & (CONF_REQUIRED | CONF_TYPICAL)) != 0) {
            buffer_printf(out, "%s%s: ", count++ > 0 ? ", " : "{ ", field->name);
            print_example(field, depth + 1, out);
        }
    }
    buffer_printf(out, "%s", count > 0 ? " }" : "{ … }");
}

static void print_example(const struct conf_field *field, size_t depth, // NOLINT(misc-no-recursion)
                          struct buffer *out)
{
    static const char *const examples[] = {
        [CONF_BOOL] = "true",
        [CONF_DURATION] = "30s",
        [CONF_SIZE] = "64KiB",
        [CONF_STRING] = "text",
        [CONF_SECRET] = "${file:/run/secrets/name}",
        [CONF_FILE] = "name.pem",
        [CONF_RATE] = "100/1m",
        [CONF_STRINGS] = "[one, other]",
        [CONF_FILES] = "[one.pem]",
        [CONF_PAIRS] = "{ name: text }",
    };
    if (field->example != NULL) {
        buffer_printf(out, "%s", field->example);
    } else if (field->type == CONF_OBJECT) {
        print_object_example(field->object, depth, out);
    } else if (field->type == CONF_LIST || field->type == CONF_MAP) {
        buffer_printf(out, "%s", field->type == CONF_LIST ? "[" : "{ name: ");
        print_object_example(field->object, depth, out);
        buffer_printf(out, "%s", field->type == CONF_LIST ? "]" : " }");
    } else if (field->standard != NULL && strcmp(field->standard, "{}") != 0) {
        buffer_printf(out, "%s", field->standard);
    } else if (field->type == CONF_INTEGER) {
        bool fits =
            (field->minimum == 0 && field->maximum == 0) || (field->minimum <= 10 && field->maximum >= 10);
        print_number(field, fits ? 10 : field->maximum, out);
    } else if (field->type == CONF_ENUM) {
        buffer_printf(out, "%s", field->choices->name);
    } else if (field->type == CONF_FLAGS) {
        buffer_printf(out, "[%s]", field->choices->name);
    } else if ((field->type == CONF_DURATION || field->type == CONF_SIZE) && field->maximum != 0) {
        print_number(field, field->maximum, out);
    } else {
        buffer_printf(out, "%s", examples[field->type]);
    }
}

/* "key: example"; of what is said in short, by the key that it is said by. */
static struct slice example_at(const struct conf_field *field, const struct conf_node *node,
                               struct arena *arena)
{
    struct buffer out;
    buffer_init(&out, 1024);
    bool has_key = node != NULL && node->key.len > 0;
    buffer_printf(&out, "%.*s: ", SLICE_ARG(has_key ? node->key : slice_from_string(field->name)));
    print_example(field, 0, &out);
    struct slice text = or_empty(arena_copy(arena, buffer_slice(&out)));
    buffer_done(&out);
    return text;
}

struct slice value_example(const struct conf_field *field, struct arena *arena)
{
    return example_at(field, NULL, arena);
}

/* An item of a list is wanted as such. */
static struct conf_field wanted_at(const struct conf_field *field, const struct conf_node *node)
{
    struct conf_field wanted = *field;
    bool is_item = node->parent != NULL && node->parent->type == CONF_NODE_SEQUENCE;
    if (is_item && field->type == CONF_LIST) {
        wanted.type = CONF_OBJECT;
    } else if (is_item && field->type == CONF_FLAGS) {
        wanted.type = CONF_ENUM;
    }
    return wanted;
}

void value_tell_wrong(const struct conf_field *field, const struct conf_node *node,
                      struct diagnostics *diagnostics)
{
    struct arena *arena = diagnostics->arena;
    const struct conf_field wanted = wanted_at(field, node);
    diagnostics_node(diagnostics, DIAGNOSTIC_ERROR, node, "%.*s is wanted here, not %.*s, as in \"%.*s\"",
                     SLICE_ARG(value_wanted(&wanted, arena)), SLICE_ARG(conf_node_describe(node, arena)),
                     SLICE_ARG(example_at(field, node, arena)));
}

/* `host_header: true` is no host, but for who says so. */
static bool tell_slip(const struct conf_field *field, const struct conf_node *node,
                      struct diagnostics *diagnostics)
{
    bool may_be = (field->flags & CONF_NAMES) != 0 && node->plain;
    const char *other = may_be ? yaml_takes_for(node->text) : NULL;
    if (other == NULL) {
        return false;
    }
    diagnostics_node(
        diagnostics, DIAGNOSTIC_ERROR, node,
        "%.*s is wanted here, not %s, as in \"%.*s\"; if it is meant so, write it in quotes: '%.*s'",
        SLICE_ARG(value_wanted(field, diagnostics->arena)), other,
        SLICE_ARG(example_at(field, node, diagnostics->arena)), SLICE_ARG(node->text));
    return true;
}

bool value_read_text(const struct conf_field *field, const struct conf_node *node,
                     struct diagnostics *diagnostics, struct slice *ret_text)
{
    if (node->type != CONF_NODE_SCALAR) {
        value_tell_wrong(field, node, diagnostics);
        return false;
    }
    if (tell_slip(field, node, diagnostics)) {
        return false;
    }
    for (size_t i = 0; i < node->text.len; i++) {
        unsigned char c = (unsigned char)node->text.ptr[i];
        bool may_be = (field->flags & CONF_LINES) != 0 && (c == '\n' || c == '\t');
        if ((c < 0x20 && !may_be) || c == 0x7f) {
            diagnostics_node(diagnostics, DIAGNOSTIC_ERROR, node,
                             "the text must stand on one line, without control characters");
            return false;
        }
    }
    if (slice_starts_with(node->text, SLICE("${")) && (field->flags & CONF_GROUPS) == 0) {
        diagnostics_node(diagnostics, DIAGNOSTIC_ERROR, node,
                         "references such as ${env:NAME} are taken by secrets only; write the value itself");
        return false;
    }
    *ret_text = node->text;
    return true;
}

bool value_read_choice(const struct conf_field *field, const struct conf_node *node,
                       struct diagnostics *diagnostics, int *ret_value)
{
    if (node->type != CONF_NODE_SCALAR) {
        value_tell_wrong(field, node, diagnostics);
        return false;
    }
    struct suggestion suggestion;
    suggestion_init(&suggestion, node->text);
    for (const struct conf_choice *choice = field->choices; choice->name != NULL; choice++) {
        struct slice name = slice_from_string(choice->name);
        if (slice_equal(name, node->text)) {
            *ret_value = choice->value;
            return true;
        }
        suggestion_offer(&suggestion, name);
    }
    struct arena *arena = diagnostics->arena;
    const struct conf_field wanted = wanted_at(field, node);
    diagnostics_node(diagnostics, DIAGNOSTIC_ERROR, node, "%.*s is wanted here, not %.*s%.*s",
                     SLICE_ARG(value_wanted(&wanted, arena)), SLICE_ARG(conf_node_describe(node, arena)),
                     SLICE_ARG(suggestion_text(&suggestion, arena)));
    return false;
}

static bool in_bounds(const struct conf_field *field, int64_t value)
{
    return (field->minimum == 0 && field->maximum == 0) ||
           (value >= field->minimum && value <= field->maximum);
}

static bool parse_number(const struct conf_field *field, struct slice text, int64_t *ret_value)
{
    switch (field->type) {
    case CONF_DURATION:
        return units_parse_duration(text, ret_value);
    case CONF_SIZE:
        return units_parse_size(text, ret_value);
    default:
        return units_parse_integer(text, ret_value);
    }
}

static bool parse_bool(const struct conf_node *node, bool *ret_value)
{
    bool is_true = slice_equal(node->text, SLICE("true"));
    if (!node->plain || (!is_true && !slice_equal(node->text, SLICE("false")))) {
        return false;
    }
    *ret_value = is_true;
    return true;
}

bool value_read(const struct conf_field *field, const struct conf_node *node, struct diagnostics *diagnostics,
                void *out)
{
    if (field->type == CONF_ENUM) {
        return value_read_choice(field, node, diagnostics, out);
    }
    bool good = node->type == CONF_NODE_SCALAR;
    if (good && field->type == CONF_BOOL) {
        good = parse_bool(node, out);
    } else if (good && field->type == CONF_RATE) {
        struct conf_rate rate;
        good = units_parse_rate(node->text, &rate) && in_bounds(field, rate.count);
        if (good) {
            *(struct conf_rate *)out = rate;
        }
    } else if (good) {
        int64_t value;
        good = parse_number(field, node->text, &value) && in_bounds(field, value);
        if (good) {
            *(int64_t *)out = value;
        }
    }
    if (!good) {
        value_tell_wrong(field, node, diagnostics);
    }
    return good;
}

struct slice value_path(const struct conf_source *source, struct slice text, struct arena *arena)
{
    if (source == NULL || text.ptr[0] == '/') {
        return arena_copy(arena, text);
    }
    while (slice_starts_with(text, SLICE("./"))) {
        text = slice_from(text, 2);
    }
    return arena_printf(arena, "%.*s%.*s", SLICE_ARG(source->directory), SLICE_ARG(text));
}

static struct conf_node *standard_scalar(struct slice text, struct arena *arena)
{
    struct conf_node *node = arena_calloc(arena, 1, sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    text = slice_trim(text);
    node->type = CONF_NODE_SCALAR;
    node->plain = true;
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"') {
        text = slice_part(text, 1, text.len - 2);
        node->plain = false;
    }
    node->text = text;
    return node;
}

struct conf_node *value_standard(const struct conf_field *field, struct arena *arena)
{
    struct slice text = slice_trim(slice_from_string(field->standard));
    if (slice_equal(text, SLICE("{}"))) {
        return conf_node_copy_map(NULL, 0, arena);
    }
    bool is_list = text.len >= 2 && text.ptr[0] == '[';
    if (!is_list) {
        if (field->type != CONF_FLAGS && field->type != CONF_STRINGS) {
            return standard_scalar(text, arena);
        }
    } else {
        text = slice_part(text, 1, text.len - 2);
    }
    struct conf_node *list =
        conf_node_copy_map(NULL, text.len, arena); /* room: more than there can be items */
    if (list == NULL) {
        return NULL;
    }
    list->type = CONF_NODE_SEQUENCE;
    struct slice item;
    while (slice_trim(text).len > 0 && slice_next(&text, ',', &item)) {
        struct conf_node *node = standard_scalar(item, arena);
        if (node == NULL) {
            return NULL;
        }
        list->items[list->count++] = node;
    }
    return list;
}
