#include "http/query.h"

#include "base/encoding.h"

enum likeness {
    NAME_OTHER,
    NAME_LIKE,
    NAME_SAME
};

char query_take_byte(struct slice *rest)
{
    char c = rest->ptr[0];
    size_t taken = 1;
    if (c == '%' && rest->len >= 3 && hex_digit(rest->ptr[1]) >= 0 && hex_digit(rest->ptr[2]) >= 0) {
        c = (char)(hex_digit(rest->ptr[1]) << 4 | hex_digit(rest->ptr[2]));
        taken = 3;
    }
    *rest = slice_from(*rest, taken);
    return c;
}

/* What PHP and its like make an underscore of, in the name of a parameter. */
static char fold(char c)
{
    return c == '.' || c == ' ' || c == '+' || c == '[' || c == '-' ? '_' : ascii_lower(c);
}

/* Is it the name, or one that a service may take for it? */
static enum likeness likeness_of(struct slice encoded, struct slice name)
{
    bool same = true;
    /* Spaces before a name are no part of it to some. */
    for (bool plus;
         (plus = slice_starts_with(encoded, SLICE("+"))) || slice_starts_with(encoded, SLICE("%20"));) {
        encoded = slice_from(encoded, plus ? 1 : 3);
        same = false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = '\0';
        if (encoded.len == 0 || fold(c = query_take_byte(&encoded)) != fold(name.ptr[i])) {
            return NAME_OTHER;
        }
        same = same && c == name.ptr[i];
    }
    if (encoded.len == 0) {
        return same ? NAME_SAME : NAME_LIKE;
    }
    char behind = query_take_byte(&encoded);
    return behind == '[' || behind == '\0' ? NAME_LIKE : NAME_OTHER;
}

/* What stands between two '&', to those who split at ';' too. */
static void find_within(struct slice parameter, struct slice name, struct query_found *found)
{
    struct slice rest = parameter, part;
    while (slice_next(&rest, ';', &part)) {
        ssize_t equals = slice_find(part, '=');
        enum likeness likeness = likeness_of(equals < 0 ? part : slice_part(part, 0, (size_t)equals), name);
        if (likeness == NAME_OTHER) {
            continue;
        }
        found->count++;
        found->clear = likeness == NAME_SAME && equals >= 0 && part.len == parameter.len;
        found->value = slice_from(part, (size_t)equals + 1);
    }
}

struct query_found query_find(struct slice query, struct slice name)
{
    struct query_found found = { .value = SLICE_NONE };
    struct slice parameter;
    while (slice_next(&query, '&', &parameter)) {
        find_within(parameter, name, &found);
    }
    return found;
}

static bool is_named(struct slice parameter, const struct conf_strings *names)
{
    struct query_found found = { 0 };
    for (size_t i = 0; i < names->count && found.count == 0; i++) {
        find_within(parameter, names->items[i], &found);
    }
    return found.count > 0;
}

bool query_without(struct slice query, const struct conf_strings *names, struct arena *arena,
                   struct slice *ret_query)
{
    struct slice rest = query, parameter;
    bool any = false;
    while (!any && names->count > 0 && slice_next(&rest, '&', &parameter)) {
        any = is_named(parameter, names);
    }
    if (!any) {
        *ret_query = query;
        return true;
    }
    char *out = arena_alloc(arena, query.len);
    if (out == NULL) {
        return false;
    }
    size_t len = 0, kept = 0;
    for (rest = query; slice_next(&rest, '&', &parameter);) {
        if (is_named(parameter, names)) {
            continue;
        }
        if (kept++ > 0) {
            out[len++] = '&';
        }
        memcpy(out + len, parameter.ptr, parameter.len);
        len += parameter.len;
    }
    *ret_query = kept > 0 ? slice_of(out, len) : SLICE_NONE;
    return true;
}
