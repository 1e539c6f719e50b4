#include "config/values.h"

#include "config/units.h"

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
    buffer_printf(out, "%s", wanted[is_plain ? CONF_STRINGS : field->type]);
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

static void print_example(const struct conf_field *field, struct buffer *out)
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
        [CONF_OBJECT] = "{ … }",
        [CONF_LIST] = "[{ … }]",
        [CONF_MAP] = "{ name: { … } }",
    };
    if (field->standard != NULL && strcmp(field->standard, "{}") != 0) {
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
    } else if (field->type == CONF_LIST && field->object->scalar != NULL) {
        buffer_printf(out, "%s", examples[CONF_STRINGS]);
    } else {
        buffer_printf(out, "%s", examples[field->type]);
    }
}

struct slice value_example(const struct conf_field *field, struct arena *arena)
{
    struct buffer out;
    buffer_init(&out, 1024);
    buffer_printf(&out, "%s: ", field->name);
    print_example(field, &out);
    struct slice text = or_empty(arena_copy(arena, buffer_slice(&out)));
    buffer_done(&out);
    return text;
}

void value_tell_wrong(const struct conf_field *field, const struct conf_node *node,
                      struct diagnostics *diagnostics)
{
    struct arena *arena = diagnostics->arena;
    diagnostics_node(diagnostics, DIAGNOSTIC_ERROR, node, "%.*s is wanted here, not %.*s, as in \"%.*s\"",
                     SLICE_ARG(value_wanted(field, arena)), SLICE_ARG(conf_node_describe(node, arena)),
                     SLICE_ARG(value_example(field, arena)));
}

bool value_read_text(const struct conf_field *field, const struct conf_node *node,
                     struct diagnostics *diagnostics, struct slice *ret_text)
{
    if (node->type != CONF_NODE_SCALAR) {
        value_tell_wrong(field, node, diagnostics);
        return false;
    }
    for (size_t i = 0; i < node->text.len; i++) {
        unsigned char c = (unsigned char)node->text.ptr[i];
        if (c < 0x20 || c == 0x7f) {
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
    diagnostics_node(diagnostics, DIAGNOSTIC_ERROR, node, "%.*s is wanted here, not %.*s%.*s",
                     SLICE_ARG(value_wanted(field, arena)), SLICE_ARG(conf_node_describe(node, arena)),
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
