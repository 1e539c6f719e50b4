/* Fields that differ, as their tables know them. */
#include "config/difference.h"
#include "config/units.h"

/* "not set" where it is empty. */
static struct slice print_field(const struct conf_field *field, const void *settings, struct buffer *text)
{
    const char *value = (const char *)settings + field->offset;
    if (!print_is_empty(field, value)) {
        print_value(NULL, field, value, text);
    }
    return buffer_length(text) > 0 ? buffer_slice(text) : SLICE("not set");
}

void difference_field(struct difference *difference, struct slice subject, const char *where,
                      const struct conf_field *field, const void *before, const void *after)
{
    struct buffer texts[2];
    buffer_init(&texts[0], DIFFERENCE_TEXT_MAX);
    buffer_init(&texts[1], DIFFERENCE_TEXT_MAX);
    struct slice was = print_field(field, before, &texts[0]), is = print_field(field, after, &texts[1]);
    if (!slice_equal(was, is)) {
        difference_tell(difference, difference_kind(field->name), subject, "%s%s is %.*s, was %.*s", where,
                        field->name, SLICE_ARG(is), SLICE_ARG(was));
    }
    buffer_done(&texts[0]);
    buffer_done(&texts[1]);
}

bool difference_is_among(const char *const *names, const char *name)
{
    for (; *names != NULL; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }
    return false;
}

void difference_fields(struct difference *difference, struct slice subject, const char *where,
                       const struct conf_object *object, const void *before, const void *after,
                       const char *const *told)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if (!difference_is_among(told, field->name)) {
            difference_field(difference, subject, where, field, before, after);
        }
    }
}

static void compare(struct difference *difference, struct slice subject, const char *what, int64_t was,
                    int64_t is, bool (*print)(int64_t, struct buffer *))
{
    if (was == is) {
        return;
    }
    struct buffer text;
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    print(is, &text);
    buffer_append(&text, SLICE(", was "));
    print(was, &text);
    difference_tell(difference, is > was ? CHANGE_GAINS : CHANGE_LOSES, subject, "%s is %.*s", what,
                    SLICE_ARG(buffer_slice(&text)));
    buffer_done(&text);
}

void difference_longer(struct difference *difference, struct slice subject, const char *what, int64_t was,
                       int64_t is)
{
    compare(difference, subject, what, was, is, units_print_duration);
}

void difference_larger(struct difference *difference, struct slice subject, const char *what, int64_t was,
                       int64_t is)
{
    compare(difference, subject, what, was, is, units_print_size);
}
