#include "route/filters/template.h"

#include "http/bytes.h"
#include "relay/value.h"

static bool tells_caller(struct slice name)
{
    return !slice_starts_with(name, SLICE("'")) && value_expression_problem(name) == NULL;
}

static struct error wrong_name(struct filter_compiler *compiler, const void *field, enum template_use use,
                               struct slice name, struct slice path)
{
    if (use == TEMPLATE_PATH_ONLY && tells_caller(name)) {
        return filter_wrong(
            compiler, field,
            "{%.*s} is who is calling, which relay.headers tells the upstream: it strips the client's "
            "own header of that name on every route",
            SLICE_ARG(name));
    }
    return filter_wrong(compiler, field,
                        "the path \"%.*s\" has no variable {%.*s}; a brace is written \"{{\"%s",
                        SLICE_ARG(path), SLICE_ARG(name),
                        use == TEMPLATE_OF_CALLER
                            ? ", and who is calling {subject}, {claims.NAME} and so on (docs/filters.md)"
                            : "");
}

static struct error find_variable(struct filter_compiler *compiler, const void *field, enum template_use use,
                                  struct slice name, struct template_part *part)
{
    const struct conf_strings *paths = &compiler->route->match->path;
    size_t index = 0, found = 0;
    struct slice lacking = SLICE("");
    for (size_t i = paths->count; i-- > 0;) {
        int there = route_pattern_variable(paths->items[i], name);
        bool has = there >= 0;
        index = has ? (size_t)there : index;
        found += has;
        lacking = has ? lacking : paths->items[i];
    }
    if (use == TEMPLATE_OF_CALLER && tells_caller(name)) {
        *part = (struct template_part){ TEMPLATE_CALLER, name, 0 };
        return found == 0
                   ? OK
                   : filter_wrong(
                         compiler, field,
                         "{%.*s} is who is calling and a variable of the path: call that something else",
                         SLICE_ARG(name));
    }
    if (found < paths->count) {
        return wrong_name(compiler, field, use, name, lacking);
    }
    *part = (struct template_part){ TEMPLATE_VARIABLE, name, index };
    return OK;
}

/* The next part of a template that is not at its end. */
static struct error take_part(struct filter_compiler *compiler, const void *field, enum template_use use,
                              struct slice *rest, struct template_part *part)
{
    ssize_t brace = slice_find(*rest, '{');
    if (brace != 0) {
        size_t len = brace < 0 ? rest->len : (size_t)brace;
        *part = (struct template_part){ TEMPLATE_TEXT, slice_part(*rest, 0, len), 0 };
        *rest = slice_from(*rest, len);
        return OK;
    }
    if (slice_starts_with(*rest, SLICE("{{"))) {
        *part = (struct template_part){ TEMPLATE_TEXT, slice_part(*rest, 0, 1), 0 };
        *rest = slice_from(*rest, 2);
        return OK;
    }
    ssize_t end = slice_find(*rest, '}');
    if (end < 0) {
        return filter_wrong(compiler, field, "\"{\" without \"}\"; a brace is written \"{{\"");
    }
    struct slice name = slice_part(*rest, 1, (size_t)end - 1);
    *rest = slice_from(*rest, (size_t)end + 1);
    return find_variable(compiler, field, use, name, part);
}

struct error template_compile(struct filter_compiler *compiler, const void *field, struct slice text,
                              enum template_use use, struct template *ret_template)
{
    struct template_part *parts = arena_calloc(compiler->arena, TEMPLATE_PARTS_MAX, sizeof *parts);
    if (parts == NULL) {
        return FILTER_NO_MEMORY;
    }
    size_t count = 0;
    while (text.len > 0) {
        if (count == TEMPLATE_PARTS_MAX) {
            return filter_wrong(compiler, field, "more than %d parts and variables", TEMPLATE_PARTS_MAX);
        }
        TRY(take_part(compiler, field, use, &text, &parts[count++]));
    }
    *ret_template = (struct template){ parts, count };
    return OK;
}

struct slice template_sample(const struct template *template, struct arena *arena)
{
    struct slice pieces[TEMPLATE_PARTS_MAX];
    for (size_t i = 0; i < template->count; i++) {
        pieces[i] = template->parts[i].kind == TEMPLATE_TEXT ? template->parts[i].text : SLICE("v");
    }
    return arena_concat(arena, pieces, template->count);
}

/* Where the paths of a route order their variables differently, it stands elsewhere. */
static struct slice value_of_variable(const struct template_part *part, const struct filter_run *run)
{
    const struct route_variables *variables = run->variables;
    if (part->index < variables->count && slice_equal(variables->items[part->index].name, part->text)) {
        return variables->items[part->index].value;
    }
    for (size_t i = 0; i < variables->count; i++) {
        if (slice_equal(variables->items[i].name, part->text)) {
            return variables->items[i].value;
        }
    }
    return SLICE("");
}

/* DENY_NONE, and ptr NULL where it is absent. */
static enum deny_reason value_of_caller(const struct template_part *part, struct filter_run *run,
                                        struct slice *ret_value)
{
    struct error error = value_of(part->text, run->principal, run->arena, ret_value);
    if (failed(error)) {
        run->detail = slice_from_string(error.what);
        return DENY_AUTHORIZATION_ERROR;
    }
    if (ret_value->len == 0) {
        *ret_value = SLICE_NONE;
    }
    return DENY_NONE;
}

static enum deny_reason value_of_part(const struct template_part *part, struct filter_run *run,
                                      struct slice *ret_value)
{
    switch (part->kind) {
    case TEMPLATE_CALLER:
        return value_of_caller(part, run, ret_value);
    case TEMPLATE_VARIABLE:
        *ret_value = value_of_variable(part, run);
        return DENY_NONE;
    case TEMPLATE_TEXT:
        break;
    }
    *ret_value = part->text;
    return DENY_NONE;
}

/* All parts, joined. Each is given its form by `form` first, where there is one. */
static enum deny_reason fill(const struct template *template, struct filter_run *run,
                             struct slice (*form)(const struct template_part *part, struct slice value,
                                                  struct arena *arena),
                             struct slice *ret_text)
{
    struct slice pieces[TEMPLATE_PARTS_MAX];
    *ret_text = template->count == 0 ? SLICE("") : SLICE_NONE;
    for (size_t i = 0; i < template->count; i++) {
        enum deny_reason reason = value_of_part(&template->parts[i], run, &pieces[i]);
        if (reason != DENY_NONE || pieces[i].ptr == NULL) {
            return reason;
        }
        if (form != NULL && (pieces[i] = form(&template->parts[i], pieces[i], run->arena)).ptr == NULL) {
            return filter_no_memory(run);
        }
    }
    if (template->count > 0) {
        *ret_text = arena_concat(run->arena, pieces, template->count);
    }
    return ret_text->ptr != NULL ? DENY_NONE : filter_no_memory(run);
}

enum deny_reason template_fill(const struct template *template, struct filter_run *run,
                               struct slice *ret_text)
{
    *ret_text = template_constant(template);
    if (ret_text->len > 0) {
        return DENY_NONE;
    }
    return fill(template, run, NULL, ret_text);
}

struct slice template_encode(struct slice text, struct arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, 3 * text.len + 1);
    size_t length = 0;
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (http_byte_is((char)byte, HTTP_BYTE_UNRESERVED)) {
            out[length++] = (char)byte;
            continue;
        }
        out[length++] = '%';
        out[length++] = digits[byte >> 4];
        out[length++] = digits[byte & 15];
    }
    return slice_of(out, length);
}

/* A variable is percent-encoded already, but for a path: "&" and "=" stand in a segment as they are. */
static struct slice encode_part(const struct template_part *part, struct slice value, struct arena *arena)
{
    if (part->kind == TEMPLATE_VARIABLE) {
        char *decoded = arena_alloc(arena, value.len + 1);
        if (decoded == NULL) {
            return SLICE_NONE;
        }
        value = slice_of(decoded, uri_decode(value, decoded));
    }
    return template_encode(value, arena);
}

enum deny_reason template_fill_parameter(const struct template *template, struct filter_run *run,
                                         struct slice *ret_text)
{
    return fill(template, run, encode_part, ret_text);
}

static struct slice encode_variable(const struct template_part *part, struct slice value, struct arena *arena)
{
    return part->kind == TEMPLATE_TEXT ? value : encode_part(part, value, arena);
}

enum deny_reason template_fill_query(const struct template *template, struct filter_run *run,
                                     struct slice *ret_text)
{
    return fill(template, run, encode_variable, ret_text);
}
