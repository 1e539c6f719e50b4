#include "admin/body.h"

#include "config/units.h"

#include <inttypes.h>

#define ITEMS_MAX 4096 /* members of a map, items of a list */

static const char no_memory[] = "there is no memory for the body";

/* What is wanted, said where something else stands. */
static const char *wanted(const struct conf_field *field)
{
    switch (field->type) {
    case CONF_STRINGS:
        return "an array of strings";
    case CONF_BOOL:
        return "true or false";
    case CONF_MAP:
        return "an object";
    case CONF_RATE:
        return "a rate, as in \"1000/1m\"";
    case CONF_DURATION:
        return "a duration, as in \"24h\"";
    default:
        return "a string";
    }
}

static const char *wrong(const struct conf_field *field, struct arena *arena)
{
    struct slice text = arena_printf(arena, "%s: %s is wanted", field->name, wanted(field));
    return text.ptr != NULL ? text.ptr : no_memory;
}

static const char *read_strings(const struct conf_field *field, const struct json *value, struct arena *arena,
                                struct conf_strings *out)
{
    if (value->type != JSON_ARRAY || value->count > ITEMS_MAX) {
        return wrong(field, arena);
    }
    out->items = arena_calloc(arena, value->count + 1, sizeof *out->items);
    if (out->items == NULL) {
        return no_memory;
    }
    for (size_t i = 0; i < value->count; i++) {
        if (value->items[i].type != JSON_STRING) {
            return wrong(field, arena);
        }
        out->items[out->count++] = value->items[i].text;
    }
    return NULL;
}

static const char *in_entry(struct slice name, const char *problem, struct arena *arena)
{
    struct slice text = arena_printf(arena, "%.*s: %s", SLICE_ARG(name), problem);
    return text.ptr != NULL ? text.ptr : no_memory;
}

/* The names of its members are the caller's, and are repeated only where they are names. */
static bool name_is_good(struct slice name)
{
    bool good = name.len > 0 && name.len <= 64;
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == '.';
    }
    return good;
}

static const char *read_map(const struct conf_field *field, const struct json *value, struct arena *arena,
                            struct conf_list *out)
{
    if (value->type != JSON_OBJECT || value->count > ITEMS_MAX) {
        return wrong(field, arena);
    }
    out->items = arena_calloc(arena, value->count + 1, field->object->size);
    if (out->items == NULL) {
        return no_memory;
    }
    for (size_t i = 0; i < value->count; i++) {
        const struct json_member *member = &value->members[i];
        if (!name_is_good(member->name)) {
            return "a name is of 1 to 64 letters, digits, \"-\", \"_\" and \".\"";
        }
        char *item = (char *)out->items + out->count++ * field->object->size;
        *(struct slice *)(void *)item = member->name;
        const char *problem = body_read(field->object, &member->value, arena, item);
        if (problem != NULL) {
            return in_entry(member->name, problem, arena);
        }
    }
    return NULL;
}

static bool is_within(const struct conf_field *field, int64_t value)
{
    return (field->minimum == 0 && field->maximum == 0) ||
           (value >= field->minimum && value <= field->maximum);
}

static const char *read_text(const struct conf_field *field, const struct json *value, struct arena *arena,
                             char *out)
{
    bool good = value->type == JSON_STRING;
    if (good && field->type == CONF_DURATION) {
        int64_t *duration = (int64_t *)(void *)out;
        good = units_parse_duration(value->text, duration) && is_within(field, *duration);
    } else if (good && field->type == CONF_RATE) {
        struct conf_rate *rate = (struct conf_rate *)(void *)out;
        good = units_parse_rate(value->text, rate) && is_within(field, rate->count);
    } else if (good) {
        good = value->text.len > 0 || (field->flags & CONF_NON_EMPTY) == 0;
        *(struct slice *)(void *)out = value->text;
    }
    return good ? NULL : wrong(field, arena);
}

static const char *read_field(const struct conf_field *field, const struct json *value, struct arena *arena,
                              char *out)
{
    switch (field->type) {
    case CONF_BOOL:
        *(bool *)(void *)out = value->boolean;
        return value->type == JSON_BOOL ? NULL : wrong(field, arena);
    case CONF_STRINGS:
        return read_strings(field, value, arena, (struct conf_strings *)(void *)out);
    case CONF_MAP:
        return read_map(field, value, arena, (struct conf_list *)(void *)out);
    default:
        return read_text(field, value, arena, out);
    }
}

static const struct conf_field *find_field(const struct conf_object *object, struct slice name)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if (slice_equal(slice_from_string(field->name), name)) {
            return field;
        }
    }
    return NULL;
}

static const char *tell_unknown(const struct conf_object *object, struct arena *arena)
{
    struct slice known = SLICE("");
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        struct slice longer =
            arena_printf(arena, "%.*s%s%s", SLICE_ARG(known), known.len > 0 ? ", " : "", field->name);
        known = longer.ptr != NULL ? longer : known;
    }
    struct slice text =
        known.len > 0 ? arena_printf(arena, "a member that is not known; known are: %.*s", SLICE_ARG(known))
                      : SLICE("an empty object is wanted: there is nothing to say");
    return text.ptr != NULL ? text.ptr : no_memory;
}

const char *body_read(const struct conf_object *object, const struct json *value, struct arena *arena,
                      void *out)
{
    if (value == NULL || value->type != JSON_OBJECT) {
        return "an object is wanted";
    }
    for (size_t i = 0; i < value->count; i++) {
        if (find_field(object, value->members[i].name) == NULL) {
            return tell_unknown(object, arena);
        }
    }
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        const struct json *member = json_get(value, slice_from_string(field->name));
        char *at = (char *)out + field->offset;
        if (member != NULL && member->type != JSON_NULL) {
            const char *problem = read_field(field, member, arena, at);
            if (problem != NULL) {
                return problem;
            }
        } else if ((field->flags & CONF_REQUIRED) != 0) {
            struct slice text = arena_printf(arena, "%s is missing", field->name);
            return text.ptr != NULL ? text.ptr : no_memory;
        } else if (field->standard != NULL && field->type == CONF_DURATION &&
                   !units_parse_duration(slice_from_string(field->standard), (int64_t *)(void *)at)) {
            return "a default that is wrong"; /* of our own table */
        }
    }
    return NULL;
}
