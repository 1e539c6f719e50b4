#include "config/documents.h"
#include "config/units.h"

#include <inttypes.h>

static const char *const type_names[] = {
    [CONF_BOOL] = "`true` or `false`",
    [CONF_INTEGER] = "number",
    [CONF_DURATION] = "duration",
    [CONF_SIZE] = "size",
    [CONF_STRING] = "text",
    [CONF_SECRET] = "secret",
    [CONF_FILE] = "file",
    [CONF_ENUM] = "",
    [CONF_FLAGS] = "list of ",
    [CONF_RATE] = "rate",
    [CONF_STRINGS] = "list of texts",
    [CONF_FILES] = "list of files",
    [CONF_PAIRS] = "map of names to texts",
    [CONF_OBJECT] = "",
    [CONF_LIST] = "list of ",
    [CONF_MAP] = "map of names to ",
};

/* Text in a cell of a table: a bar would end the cell. */
static void write_cell(struct slice text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '|') {
            buffer_append_char(out, '\\');
        }
        buffer_append_char(out, text.ptr[i] == '\n' ? ' ' : text.ptr[i]);
    }
}

static void write_link(const struct conf_object *object, struct buffer *out)
{
    buffer_printf(out, "[%s](#", object->name);
    object_slug(object, out);
    buffer_append_char(out, ')');
}

static void write_choices(const struct conf_choice *choices, struct buffer *out)
{
    for (const struct conf_choice *choice = choices; choice->name != NULL; choice++) {
        buffer_printf(out, "%s`%s`", choice == choices ? "" : ", ", choice->name);
    }
}

static void write_bound(const struct conf_field *field, int64_t bound, struct buffer *out)
{
    if (field->type == CONF_DURATION) {
        units_print_duration(bound, out);
    } else if (field->type == CONF_SIZE) {
        units_print_size(bound, out);
    } else {
        buffer_printf(out, "%" PRId64, bound);
    }
}

static void write_type(const struct conf_field *field, struct buffer *out)
{
    buffer_append(out, slice_from_string(type_names[field->type]));
    if (field->choices != NULL) {
        write_choices(field->choices, out);
    } else if (field->object != NULL) {
        write_link(field->object, out);
    }
    if (field->minimum != 0 || field->maximum != 0) {
        buffer_append(out, SLICE(", "));
        write_bound(field, field->minimum, out);
        buffer_append(out, SLICE(" to "));
        write_bound(field, field->maximum, out);
    }
    if ((field->flags & CONF_NON_EMPTY) != 0) {
        buffer_append(out, SLICE(", not empty"));
    }
}

static void write_default(const struct conf_field *field, struct buffer *out)
{
    if ((field->flags & CONF_REQUIRED) != 0) {
        buffer_append(out, SLICE("**required**"));
    } else if (field->standard == NULL) {
        buffer_append(out, SLICE("none"));
    } else if (field->type == CONF_OBJECT) {
        buffer_append(out, SLICE("its defaults"));
    } else {
        buffer_append_char(out, '`');
        write_cell(slice_from_string(field->standard), out);
        buffer_append_char(out, '`');
    }
}

/* A word of the language, and not the name of a key: it gets a capital at the beginning of a sentence. */
static bool starts_with_word(struct slice text)
{
    size_t letters = 0;
    while (letters < text.len && text.ptr[letters] >= 'a' && text.ptr[letters] <= 'z') {
        letters++;
    }
    struct slice rest = slice_from(text, letters);
    return letters > 0 && (rest.len == 0 || slice_find(SLICE(" ,;:-"), rest.ptr[0]) >= 0);
}

static void write_meaning(const struct conf_field *field, struct buffer *out)
{
    static const struct {
        unsigned int flag;
        const char *text;
    } notes[] = {
        { CONF_ADDS, " Adds to what farther layers give." },
        { CONF_LOWER, " Tighter is lower." },
        { CONF_HIGHER, " Tighter is higher." },
        { CONF_SUBSET, " Tighter is a part of the list." },
        { CONF_FIXED, " A change takes a restart." },
    };
    struct slice help = slice_from_string(field->help);
    if (help.len > 0 && starts_with_word(help)) {
        buffer_append_char(out, (char)(help.ptr[0] & ~0x20));
        write_cell(slice_from(help, 1), out);
    } else {
        write_cell(help, out);
    }
    if (!slice_ends_with(help, SLICE("."))) {
        buffer_append_char(out, '.');
    }
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if ((field->flags & notes[i].flag) != 0) {
            buffer_append(out, slice_from_string(notes[i].text));
        }
    }
}

static void write_fields(const struct conf_object *object, struct buffer *out)
{
    buffer_append(out, SLICE("\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n"));
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        buffer_printf(out, "| `%s` | ", field->name);
        write_type(field, out);
        buffer_append(out, SLICE(" | "));
        write_default(field, out);
        buffer_append(out, SLICE(" | "));
        write_meaning(field, out);
        buffer_append(out, SLICE(" |\n"));
    }
}

/* What the choices mean, for those that say. */
static void write_choice_notes(const struct conf_object *object, struct buffer *out)
{
    const char *before = "\n";
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        for (const struct conf_choice *choice = field->choices; choice != NULL && choice->name != NULL;
             choice++) {
            if (choice->help != NULL) {
                buffer_printf(out, "%s* `%s: %s`: %s\n", before, field->name, choice->name, choice->help);
                before = "";
            }
        }
    }
}

static void write_shorthand(const struct conf_object *object, struct buffer *out)
{
    if (object->scalar != NULL) {
        buffer_printf(out, "\nA single value in its place sets `%s`.\n", object->scalar);
    }
    if (object->sequence != NULL) {
        buffer_printf(out, "\nA list in its place sets `%s`.\n", object->sequence);
    }
}

/* Where the object may stand, from the tables that name it. */
static void write_uses(const struct object_list *list, const struct conf_object *object, struct buffer *out)
{
    const char *before = "\nStands in ";
    for (size_t i = 0; i < list->count; i++) {
        for (const struct conf_field *field = list->items[i]->fields; field->name != NULL; field++) {
            if (field->object == object) {
                buffer_printf(out, "%s`%s` of ", before, field->name);
                write_link(list->items[i], out);
                before = ", ";
            }
        }
    }
    if (before[0] == ',') {
        buffer_append(out, SLICE(".\n"));
    }
}

void reference_write(const struct conf_object *root, struct buffer *out)
{
    struct object_list list;
    object_list_collect(&list, root);
    for (size_t i = 0; i < list.count; i++) {
        const struct conf_object *object = list.items[i];
        buffer_printf(out, "\n## %s\n", object->name);
        if (object->help != NULL) {
            buffer_printf(out, "\n%s\n", object->help);
        }
        write_uses(&list, object, out);
        write_shorthand(object, out);
        write_fields(object, out);
        write_choice_notes(object, out);
    }
}
