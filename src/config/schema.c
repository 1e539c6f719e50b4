#include "config/documents.h"
#include "json/writer.h"

#define SCHEMA_MAX (4 * 1024 * 1024)

#define DURATION       "([0-9]+(us|ms|s|m|h|d))+"
#define NAME_PATTERN   "^[A-Za-z0-9._-]{1,64}$"
#define SECRET_PATTERN "^\\$\\{(env|file):[^{}]+\\}$"

/* YAML gives 5 and true where a text is meant: the reader takes what is written, but for names. */
#define TEXT_TYPES "[\"string\",\"number\",\"boolean\"]"
#define NAME_TYPES "\"string\""

static void member(struct json_writer *json, const char *name, const char *text)
{
    json_member_string(json, slice_from_string(name), slice_from_string(text));
}

static void member_raw(struct json_writer *json, const char *name, const char *text)
{
    json_name(json, slice_from_string(name));
    json_raw(json, slice_from_string(text));
}

static void member_reference(struct json_writer *json, const struct conf_object *object)
{
    struct buffer text;
    buffer_init(&text, 256);
    buffer_append(&text, SLICE("#/$defs/"));
    object_slug(object, &text);
    json_member_string(json, SLICE("$ref"), buffer_slice(&text));
    buffer_done(&text);
}

static bool looks_like_number(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789.") == strlen(text);
}

/* {"const": …, "description": …} for each choice; for 1.2 the number too, which an unquoted one is in YAML. */
static void write_choices(const struct conf_choice *choices, struct json_writer *json)
{
    json_name(json, SLICE("anyOf"));
    json_array_begin(json);
    for (const struct conf_choice *choice = choices; choice->name != NULL; choice++) {
        for (int as_number = 0; as_number <= (looks_like_number(choice->name) ? 1 : 0); as_number++) {
            json_object_begin(json);
            if (as_number) {
                member_raw(json, "const", choice->name);
            } else {
                member(json, "const", choice->name);
            }
            if (choice->help != NULL) {
                member(json, "description", choice->help);
            }
            json_object_end(json);
        }
    }
    json_array_end(json);
}

static void write_bounds(const struct conf_field *field, struct json_writer *json)
{
    if (field->minimum != 0 || field->maximum != 0) {
        json_member_integer(json, SLICE("minimum"), field->minimum);
        json_member_integer(json, SLICE("maximum"), field->maximum);
    }
}

/* A text with a unit, or a bare 0: bounds of such texts are beyond a schema, `check` tells them. */
static void write_quantity(struct json_writer *json, const char *pattern)
{
    member_raw(json, "type", "[\"string\",\"integer\"]");
    member(json, "pattern", pattern);
    json_member_integer(json, SLICE("minimum"), 0);
    json_member_integer(json, SLICE("maximum"), 0);
}

static void write_text_type(const struct conf_field *field, struct json_writer *json)
{
    member_raw(json, "type", (field->flags & CONF_NAMES) != 0 ? NAME_TYPES : TEXT_TYPES);
}

/* One text of a list, or a text by itself. */
static void write_text(const struct conf_field *field, struct json_writer *json)
{
    if (field->choices != NULL) {
        write_choices(field->choices, json);
        return;
    }
    write_text_type(field, json);
    if (field->type == CONF_FILE || field->type == CONF_FILES || (field->flags & CONF_NON_EMPTY) != 0) {
        json_member_integer(json, SLICE("minLength"), 1);
    }
}

/* A list of texts or choices, or one of them. */
static void write_texts(const struct conf_field *field, struct json_writer *json)
{
    json_name(json, SLICE("anyOf"));
    json_array_begin(json);
    json_object_begin(json);
    write_text(field, json);
    json_object_end(json);
    json_object_begin(json);
    member(json, "type", "array");
    json_name(json, SLICE("items"));
    json_object_begin(json);
    write_text(field, json);
    json_object_end(json);
    if ((field->flags & CONF_NON_EMPTY) != 0) {
        json_member_integer(json, SLICE("minItems"), 1);
    }
    json_object_end(json);
    json_array_end(json);
}

static void write_list(const struct conf_field *field, struct json_writer *json)
{
    member(json, "type", "array");
    json_name(json, SLICE("items"));
    json_object_begin(json);
    member_reference(json, field->object);
    json_object_end(json);
    if ((field->flags & CONF_NON_EMPTY) != 0) {
        json_member_integer(json, SLICE("minItems"), 1);
    }
}

static void write_shorthand(const struct conf_object *object, const char *name, struct json_writer *json);

/* A single item stands for a list of one, where it is no map. */
static void write_list_or_one(const struct conf_field *field, struct json_writer *json)
{
    if (field->object->scalar == NULL) {
        write_list(field, json);
        return;
    }
    json_name(json, SLICE("anyOf"));
    json_array_begin(json);
    json_object_begin(json);
    write_list(field, json);
    json_object_end(json);
    write_shorthand(field->object, field->object->scalar, json);
    json_array_end(json);
}

static void write_map(const struct conf_field *field, struct json_writer *json)
{
    member(json, "type", "object");
    json_name(json, SLICE("additionalProperties"));
    json_object_begin(json);
    if (field->object != NULL) {
        member_reference(json, field->object);
    } else {
        write_text_type(field, json);
    }
    json_object_end(json);
    if (field->object != NULL) {
        json_name(json, SLICE("propertyNames"));
        json_object_begin(json);
        member(json, "pattern", NAME_PATTERN);
        json_object_end(json);
    }
    if ((field->flags & CONF_NON_EMPTY) != 0) {
        json_member_integer(json, SLICE("minProperties"), 1);
    }
}

static void write_type(const struct conf_field *field, struct json_writer *json)
{
    switch (field->type) {
    case CONF_BOOL:
        member(json, "type", "boolean");
        break;
    case CONF_INTEGER:
        member(json, "type", "integer");
        write_bounds(field, json);
        break;
    case CONF_DURATION:
        write_quantity(json, "^(0|" DURATION ")$");
        break;
    case CONF_SIZE:
        write_quantity(json, "^(0|[0-9]+(B|KiB|MiB|GiB))$");
        break;
    case CONF_RATE:
        member(json, "type", "string");
        member(json, "pattern", "^[0-9]+/(" DURATION "|us|ms|s|m|h|d)$");
        break;
    case CONF_SECRET:
        member(json, "type", "string");
        member(json, "pattern", SECRET_PATTERN);
        break;
    case CONF_STRING:
    case CONF_FILE:
    case CONF_ENUM:
        write_text(field, json);
        break;
    case CONF_FLAGS:
    case CONF_STRINGS:
    case CONF_FILES:
        write_texts(field, json);
        break;
    case CONF_OBJECT:
        member_reference(json, field->object);
        break;
    case CONF_LIST:
        write_list_or_one(field, json);
        break;
    case CONF_PAIRS:
    case CONF_MAP:
        write_map(field, json);
        break;
    }
}

static bool is_list_type(const struct conf_field *field)
{
    return field->type == CONF_FLAGS || field->type == CONF_STRINGS || field->type == CONF_FILES;
}

static void write_default(const struct conf_field *field, struct json_writer *json)
{
    if (field->standard == NULL || field->object != NULL) {
        return;
    }
    json_name(json, SLICE("default"));
    struct slice rest = slice_from_string(field->standard), item;
    if (is_list_type(field)) {
        json_array_begin(json);
        while (standard_next(&rest, &item)) {
            json_string(json, item);
        }
        json_array_end(json);
    } else if (field->type == CONF_BOOL || field->type == CONF_INTEGER) {
        json_raw(json, rest);
    } else {
        json_string(json, standard_next(&rest, &item) ? item : SLICE(""));
    }
}

static void write_field(const struct conf_field *field, struct json_writer *json)
{
    json_name(json, slice_from_string(field->name));
    json_object_begin(json);
    member(json, "description", field->help != NULL ? field->help : "");
    write_type(field, json);
    write_default(field, json);
    json_object_end(json);
}

/* Only an item of a list is whole in its file; anything else may get its rest from another layer. */
static bool is_always_whole(const struct object_list *list, const struct conf_object *object)
{
    bool in_list = false;
    for (size_t i = 0; i < list->count; i++) {
        for (const struct conf_field *field = list->items[i]->fields; field->name != NULL; field++) {
            if (field->object == object && field->type != CONF_LIST) {
                return false;
            }
            in_list = in_list || field->object == object;
        }
    }
    return in_list;
}

static void write_required(const struct conf_object *object, struct json_writer *json)
{
    bool begun = false;
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if ((field->flags & CONF_REQUIRED) == 0) {
            continue;
        }
        if (!begun) {
            json_name(json, SLICE("required"));
            json_array_begin(json);
            begun = true;
        }
        json_string(json, slice_from_string(field->name));
    }
    if (begun) {
        json_array_end(json);
    }
}

/* The members of the schema of an object that is written out. */
static void write_object(const struct object_list *list, const struct conf_object *object,
                         struct json_writer *json)
{
    member(json, "type", "object");
    json_name(json, SLICE("properties"));
    json_object_begin(json);
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        write_field(field, json);
    }
    json_object_end(json);
    if (is_always_whole(list, object)) {
        write_required(object, json);
    }
    json_member_bool(json, SLICE("additionalProperties"), false);
}

/* A bare value or list in an object's place. A flag is set by its own name: `authorize: any_caller`. */
static void write_shorthand(const struct conf_object *object, const char *name, struct json_writer *json)
{
    for (const struct conf_field *field = object->fields; name != NULL && field->name != NULL; field++) {
        if (strcmp(field->name, name) != 0) {
            continue;
        }
        json_object_begin(json);
        if (field->type == CONF_BOOL) {
            member(json, "const", name);
        } else {
            write_type(field, json);
        }
        json_object_end(json);
    }
}

static void write_definition(const struct object_list *list, const struct conf_object *object,
                             struct json_writer *json)
{
    member(json, "description", object->help != NULL ? object->help : object->name);
    if (object->scalar == NULL && object->sequence == NULL) {
        write_object(list, object, json);
        return;
    }
    json_name(json, SLICE("anyOf"));
    json_array_begin(json);
    json_object_begin(json);
    write_object(list, object, json);
    json_object_end(json);
    write_shorthand(object, object->scalar, json);
    write_shorthand(object, object->sequence, json);
    json_array_end(json);
}

static void write_definitions(const struct object_list *list, struct json_writer *json)
{
    json_name(json, SLICE("$defs"));
    json_object_begin(json);
    for (size_t i = 1; i < list->count; i++) {
        struct buffer slug;
        buffer_init(&slug, 256);
        object_slug(list->items[i], &slug);
        json_name(json, buffer_slice(&slug));
        json_object_begin(json);
        write_definition(list, list->items[i], json);
        json_object_end(json);
        buffer_done(&slug);
    }
    json_object_end(json);
}

static void line_break(struct buffer *out, size_t depth)
{
    buffer_append_char(out, '\n');
    for (size_t i = 0; i < depth; i++) {
        buffer_append(out, SLICE("  "));
    }
}

/* One member a line, so that a change of the schema reads as one. Takes compact JSON. */
static void indent(struct slice json, struct buffer *out)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (quoted) {
            buffer_append_char(out, c);
            if (c == '\\' && i + 1 < json.len) {
                buffer_append_char(out, json.ptr[++i]);
            } else if (c == '"') {
                quoted = false;
            }
            continue;
        }
        if (c == '}' || c == ']') {
            line_break(out, --depth);
        }
        buffer_append_char(out, c);
        quoted = c == '"';
        if (c == '{' || c == '[') {
            line_break(out, ++depth);
        } else if (c == ',') {
            line_break(out, depth);
        } else if (c == ':') {
            buffer_append_char(out, ' ');
        }
    }
    buffer_append_char(out, '\n');
}

void schema_write(const struct conf_object *root, struct buffer *out)
{
    struct object_list list;
    object_list_collect(&list, root);
    struct buffer compact;
    buffer_init(&compact, SCHEMA_MAX);
    struct json_writer json;
    json_writer_init(&json, &compact);
    json_object_begin(&json);
    member(&json, "$schema", "https://json-schema.org/draft/2020-12/schema");
    member(&json, "title", "Sallyport configuration");
    write_definition(&list, root, &json);
    write_definitions(&list, &json);
    json_object_end(&json);
    indent(buffer_slice(&compact), out);
    buffer_done(&compact);
}
