#include "config/print.h"

#include "base/limits.h"
#include "config/units.h"

#include <inttypes.h>

#define VALUE_COLUMN_MAX 88

bool print_is_empty(const struct conf_field *field, const void *value)
{
    switch (field->type) {
    case CONF_STRING:
    case CONF_SECRET:
    case CONF_FILE:
        return (field->flags & CONF_EMPTY_SAYS) != 0 ? ((const struct slice *)value)->ptr == NULL
                                                     : ((const struct slice *)value)->len == 0;
    case CONF_FLAGS:
        return *(const uint64_t *)value == 0;
    case CONF_RATE:
        return ((const struct conf_rate *)value)->count == 0;
    case CONF_STRINGS:
    case CONF_FILES:
        return ((const struct conf_strings *)value)->count == 0;
    case CONF_PAIRS:
        return ((const struct conf_pairs *)value)->count == 0;
    case CONF_OBJECT:
        return *(const void *const *)value == NULL;
    case CONF_LIST:
    case CONF_MAP:
        return ((const struct conf_list *)value)->count == 0;
    default:
        return false;
    }
}

/* What YAML would read as something else, or not at all, stands in quotes. */
static bool needs_quotes(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n' || text.ptr[i] == '\t') {
            return true;
        }
        if (memchr("{}[],#&*!|>'\"%@`: \\", text.ptr[i], 19) != NULL &&
            !(text.ptr[i] == ':' && i + 1 < text.len) && !(text.ptr[i] == '*' && i > 0)) {
            return true;
        }
    }
    return text.len == 0;
}

static void print_text(struct slice text, struct buffer *out)
{
    if (!needs_quotes(text)) {
        buffer_append(out, text);
        return;
    }
    buffer_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"' || c == '\\' || c == '\n' || c == '\t') {
            buffer_append_char(out, '\\');
        }
        buffer_append_char(out, c == '\n' ? 'n' : c == '\t' ? 't' : c);
    }
    buffer_append_char(out, '"');
}

void print_strings(const struct conf_strings *strings, struct buffer *out)
{
    buffer_append_char(out, '[');
    for (size_t i = 0; i < strings->count; i++) {
        buffer_append(out, i > 0 ? SLICE(", ") : SLICE(""));
        print_text(strings->items[i], out);
    }
    buffer_append_char(out, ']');
}

static void print_pairs(const struct conf_pairs *pairs, struct buffer *out)
{
    buffer_append(out, SLICE("{ "));
    for (size_t i = 0; i < pairs->count; i++) {
        buffer_printf(out, "%s%.*s: ", i > 0 ? ", " : "", SLICE_ARG(pairs->items[i].name));
        print_text(pairs->items[i].value, out);
    }
    buffer_append(out, SLICE(" }"));
}

static void print_flags(const struct conf_field *field, uint64_t flags, struct buffer *out)
{
    const char *separator = "";
    buffer_append_char(out, '[');
    for (const struct conf_choice *choice = field->choices; choice->name != NULL; choice++) {
        if ((flags >> choice->value & 1) != 0) {
            buffer_printf(out, "%s%s", separator, choice->name);
            separator = ", ";
        }
    }
    buffer_append_char(out, ']');
}

static void print_choice(const struct conf_field *field, int value, struct buffer *out)
{
    for (const struct conf_choice *choice = field->choices; choice->name != NULL; choice++) {
        if (choice->value == value) {
            buffer_append(out, slice_from_string(choice->name));
            return;
        }
    }
}

static bool any_written(const struct config *config, const struct conf_object *object, const char *value)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if (places_field(&config->places->fields, value + field->offset) != NULL) {
            return true;
        }
    }
    return false;
}

/* What was written in it; all of its defaults where nothing was. As deep as the tables nest. */
static void print_object(const struct config *config, const struct conf_object *object, const char *value,
                         struct buffer *out)
{
    const char *separator = "";
    bool all = config == NULL || !any_written(config, object, value);
    buffer_append(out, SLICE("{ "));
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if ((all || places_field(&config->places->fields, value + field->offset) != NULL) &&
            !print_is_empty(field, value + field->offset)) {
            buffer_printf(out, "%s%s: ", separator, field->name);
            print_value(config, field, value + field->offset, out);
            separator = ", ";
        }
    }
    buffer_append(out, *separator != '\0' ? SLICE(" }") : SLICE("}"));
}

static bool is_standard(const struct conf_field *field, const void *value)
{
    struct buffer text;
    buffer_init(&text, 1024);
    print_value(NULL, field, value, &text);
    bool same =
        field->standard != NULL && slice_equal(buffer_slice(&text), slice_from_string(field->standard));
    buffer_done(&text);
    return same;
}

/* What a bare scalar in its place would say as well; NULL: it says more. */
static const struct conf_field *scalar_of(const struct conf_object *object, const char *value)
{
    const struct conf_field *scalar = NULL;
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if (object->scalar != NULL && strcmp(field->name, object->scalar) == 0) {
            scalar = field;
        } else if (!print_is_empty(field, value + field->offset) &&
                   !is_standard(field, value + field->offset)) {
            return NULL;
        }
    }
    return scalar;
}

/* Of a map each has its name, which is the first member. */
static void print_list(const struct config *config, const struct conf_field *field,
                       const struct conf_list *list, struct buffer *out)
{
    bool is_map = field->type == CONF_MAP;
    buffer_append(out, is_map ? SLICE("{ ") : SLICE("["));
    for (size_t i = 0; i < list->count; i++) {
        buffer_append(out, i > 0 ? SLICE(", ") : SLICE(""));
        const char *item = (const char *)list->items + i * field->object->size;
        if (is_map) {
            print_text(*(const struct slice *)item, out);
            buffer_append(out, SLICE(": "));
        }
        const struct conf_field *scalar = scalar_of(field->object, item);
        if (scalar != NULL) {
            print_value(config, scalar, item + scalar->offset, out);
        } else {
            print_object(config, field->object, item, out);
        }
    }
    buffer_append(out, is_map ? SLICE(" }") : SLICE("]"));
}

void print_value(const struct config *config, const struct conf_field *field, const void *value,
                 struct buffer *out)
{
    switch (field->type) {
    case CONF_BOOL:
        buffer_append(out, *(const bool *)value ? SLICE("true") : SLICE("false"));
        break;
    case CONF_INTEGER:
        buffer_printf(out, "%" PRId64, *(const int64_t *)value);
        break;
    case CONF_DURATION:
        units_print_duration(*(const int64_t *)value, out);
        break;
    case CONF_SIZE:
        units_print_size(*(const int64_t *)value, out);
        break;
    case CONF_STRING:
    case CONF_FILE:
        print_text(*(const struct slice *)value, out);
        break;
    case CONF_SECRET:
        buffer_append(out, SLICE("****"));
        break;
    case CONF_ENUM:
        print_choice(field, *(const int *)value, out);
        break;
    case CONF_FLAGS:
        print_flags(field, *(const uint64_t *)value, out);
        break;
    case CONF_RATE:
        units_print_rate(*(const struct conf_rate *)value, out);
        break;
    case CONF_STRINGS:
    case CONF_FILES:
        print_strings(value, out);
        break;
    case CONF_PAIRS:
        print_pairs(value, out);
        break;
    case CONF_OBJECT:
        print_object(config, field->object, *(const char *const *)value, out);
        break;
    case CONF_LIST:
    case CONF_MAP:
        print_list(config, field, value, out);
        break;
    }
}

void print_limit(const struct limit_settings *limit, struct buffer *out)
{
    bool is_window = limit->limit.count > 0;
    units_print_rate(is_window ? limit->limit : limit->rate, out);
    if (!is_window) {
        buffer_printf(out, " burst %" PRId64, limit->burst);
    }
    buffer_printf(out, " by %.*s", SLICE_ARG(limit->by));
    print_shadow(&limit->shadow, out);
}

void print_shadow(const struct shadow_settings *shadow, struct buffer *out)
{
    if (shadow->mode == SHADOW_OBSERVE) {
        buffer_printf(out, ", only observed until %.*s", SLICE_ARG(shadow->until));
    }
}

void print_origin(const struct conf_node *node, struct slice self, struct buffer *out)
{
    if (node == NULL || node->place.source == NULL) {
        buffer_append(out, SLICE("default"));
        return;
    }
    struct conf_place place = conf_node_place(node);
    if (node->owner == NULL || slice_equal(node->owner->text, self)) {
        buffer_printf(out, "%.*s:%u", SLICE_ARG(place.source->path), place.line);
    } else {
        buffer_printf(out, "%.*s (%.*s:%u)", SLICE_ARG(node->owner->text), SLICE_ARG(place.source->path),
                      place.line);
    }
}

void print_scopes(const char *what, const struct scope_settings *scopes, struct buffer *out)
{
    if (scopes->all.count > 0) {
        buffer_printf(out, "all %ss of ", what);
        print_strings(&scopes->all, out);
    }
    if (scopes->any.count > 0) {
        if (scopes->all.count > 0) {
            buffer_append(out, SLICE(" and one of "));
        } else {
            buffer_printf(out, "one %s of ", what);
        }
        print_strings(&scopes->any, out);
    }
}

static void print_range(const struct claim_settings *rule, struct buffer *out)
{
    if (rule->at_least.ptr != NULL) {
        buffer_printf(out, "is at least %.*s", SLICE_ARG(rule->at_least));
    }
    if (rule->at_most.ptr != NULL) {
        buffer_printf(out, "%s %.*s", rule->at_least.ptr != NULL ? " and at most" : "is at most",
                      SLICE_ARG(rule->at_most));
    }
}

void print_claim(const struct claim_settings *rule, struct buffer *out)
{
    buffer_printf(out, "claim %.*s ", SLICE_ARG(rule->claim));
    if (rule->one_of.count > 0) {
        buffer_append(out, SLICE("is one of "));
        print_strings(&rule->one_of, out);
    } else if (rule->path_variable.len > 0) {
        buffer_printf(out, "is the path's {%.*s}", SLICE_ARG(rule->path_variable));
    } else if (rule->query.len > 0) {
        buffer_printf(out, "is the query's %.*s", SLICE_ARG(rule->query));
    } else if (rule->header.len > 0) {
        buffer_printf(out, "is the header %.*s", SLICE_ARG(rule->header));
    } else if (rule->at_least.ptr != NULL || rule->at_most.ptr != NULL) {
        print_range(rule, out);
    } else if (rule->contains.ptr != NULL) {
        buffer_printf(out, "contains \"%.*s\"", SLICE_ARG(rule->contains));
    } else {
        buffer_printf(out, "is \"%.*s\"", SLICE_ARG(rule->equals));
    }
}

static void put_and(bool *any, struct buffer *out)
{
    buffer_append(out, *any ? SLICE(", ") : SLICE(""));
    *any = true;
}

bool print_caller(const struct authorize_settings *authorize, struct buffer *out)
{
    bool any = false;
    if (authorize->kinds != 0) {
        put_and(&any, out);
        buffer_append(out, SLICE("kinds "));
        print_value(NULL, conf_field_find(&authorize_object, SLICE("kinds")), &authorize->kinds, out);
    }
    if (authorize->acr.count > 0) {
        put_and(&any, out);
        buffer_append(out, SLICE("acr one of "));
        print_strings(&authorize->acr, out);
    }
    if (authorize->amr.count > 0) {
        put_and(&any, out);
        buffer_append(out, SLICE("amr all of "));
        print_strings(&authorize->amr, out);
    }
    if (authorize->max_age > 0) {
        put_and(&any, out);
        buffer_append(out, SLICE("login within "));
        units_print_duration(authorize->max_age, out);
    }
    if (authorize->shadow.mode == SHADOW_OBSERVE) {
        put_and(&any, out);
        buffer_printf(out, "all of it only observed until %.*s", SLICE_ARG(authorize->shadow.until));
    }
    return any;
}

void print_deny(const struct deny_settings *rule, struct buffer *out)
{
    bool by_claim = rule->claim.len > 0;
    buffer_printf(out, "%s %.*s ", by_claim ? "claim" : "header",
                  SLICE_ARG(by_claim ? rule->claim : rule->header));
    if (rule->one_of.count > 0) {
        buffer_append(out, SLICE("is or lists one of "));
        print_strings(&rule->one_of, out);
    } else if (rule->contains.len > 0) {
        buffer_printf(out, "contains \"%.*s\"", SLICE_ARG(rule->contains));
    } else {
        buffer_printf(out, "is or lists \"%.*s\"", SLICE_ARG(rule->equals));
    }
}

static void print_condition_list(const char *what, const struct conf_list *list, struct buffer *out)
{
    const struct condition_settings *items = list->items;
    for (size_t i = 0; i < list->count; i++) {
        buffer_printf(out, "%s%s %.*s is ", buffer_length(out) > 0 ? ", " : "", what,
                      SLICE_ARG(items[i].name));
        if (items[i].values.count == 1) {
            buffer_append(out, items[i].values.items[0]);
        } else {
            print_strings(&items[i].values, out);
        }
    }
}

void print_conditions(const struct match_settings *match, struct buffer *out)
{
    print_condition_list("header", &match->headers, out);
    print_condition_list("parameter", &match->query, out);
    print_condition_list("cookie", &match->cookies, out);
    if (match->addresses.count > 0) {
        buffer_append(out, buffer_length(out) > 0 ? SLICE(", from ") : SLICE("from "));
        print_strings(&match->addresses, out);
    }
    if (match->after.len > 0) {
        buffer_printf(out, "%sfrom %.*s on", buffer_length(out) > 0 ? ", " : "", SLICE_ARG(match->after));
    }
    if (match->before.len > 0) {
        buffer_printf(out, "%suntil %.*s", buffer_length(out) > 0 ? ", " : "", SLICE_ARG(match->before));
    }
}

/* "a token of main or partner": what one way, or any of several, names. */
static void print_way(const struct auth_way_settings *way, struct buffer *out)
{
    const char *before = "";
    for (int method = 0; method < AUTH_METHOD_COUNT; method++) {
        const struct conf_strings *names = &way->names[method];
        for (size_t i = 0; i < names->count; i++) {
            buffer_printf(out, "%s%s%s%.*s", i > 0 ? " or " : before,
                          i > 0 ? "" : auth_method_infos[method].proof, i > 0 ? "" : " ",
                          SLICE_ARG(names->items[i]));
            before = " or ";
        }
    }
}

/* `inner` joins what stands in a list in the list. */
static void print_entries(const struct conf_list *entries, const char *outer, const char *inner,
                          struct buffer *out)
{
    const struct auth_entry_settings *entry = entries->items;
    for (size_t i = 0; i < entries->count; i++) {
        buffer_append(out, slice_from_string(i > 0 ? outer : ""));
        print_way(&entry[i].way, out);
        const struct auth_way_settings *ways = entry[i].inner.items;
        for (size_t k = 0; k < entry[i].inner.count; k++) {
            buffer_append(out, slice_from_string(k > 0 ? inner : "("));
            print_way(&ways[k], out);
        }
        buffer_append(out, slice_from_string(entry[i].inner.count > 0 ? ")" : ""));
    }
}

/* ", tokens in the header X-Token or the cookie token" */
static void print_places(const char *what, const struct auth_place_settings *from, struct buffer *out)
{
    if (from == NULL) {
        return;
    }
    const struct slice names[] = { from->header, from->cookie, from->query };
    static const char *const kinds[] = { "header", "cookie", "query parameter" };
    const char *before = "";
    buffer_printf(out, ", %s in the ", what);
    for (size_t i = 0; i < 3; i++) {
        if (names[i].len > 0) {
            buffer_printf(out, "%s%s %.*s", before, kinds[i], SLICE_ARG(names[i]));
            before = " or the ";
        }
    }
}

void print_auth(const struct auth_settings *auth, struct buffer *out)
{
    if (auth->mode == AUTH_NONE) {
        buffer_append(out, SLICE("none: PUBLIC, anybody may call"));
        return;
    }
    print_way(&auth->way, out);
    print_entries(&auth->any_of, " or ", " and ", out);
    print_entries(&auth->all_of, " and ", " or ", out);
    if (auth->mode == AUTH_OPTIONAL) {
        buffer_append(out, SLICE(", or none at all (optional)"));
    }
    print_places("tokens", auth->token_from, out);
    print_places("keys", auth->key_from, out);
}

void print_block_init(struct print_block *block)
{
    arena_init(&block->arena, CONFIG_ARENA_MAX);
    block->count = 0;
}

void print_block_add(struct print_block *block, const char *name, struct buffer *value, struct buffer *origin)
{
    if (block->count < PRINT_LINES_MAX) {
        block->lines[block->count++] = (struct print_line){
            slice_from_string(name),
            arena_copy(&block->arena, buffer_slice(value)),
            arena_copy(&block->arena, buffer_slice(origin)),
        };
    }
    buffer_clear(value);
    buffer_clear(origin);
}

void print_block_flush(struct print_block *block, struct buffer *out)
{
    size_t name_width = 0, value_width = 0;
    for (size_t i = 0; i < block->count; i++) {
        const struct print_line *line = &block->lines[i];
        name_width = line->name.len > name_width ? line->name.len : name_width;
        if (line->value.len > value_width && line->value.len <= VALUE_COLUMN_MAX) {
            value_width = line->value.len;
        }
    }
    for (size_t i = 0; i < block->count; i++) {
        const struct print_line *line = &block->lines[i];
        buffer_printf(out, "  %-*.*s  %-*.*s  ← %.*s\n", (int)name_width, SLICE_ARG(line->name),
                      (int)value_width, SLICE_ARG(line->value), SLICE_ARG(line->origin));
    }
    block->count = 0;
    arena_reset(&block->arena);
}

void print_block_done(struct print_block *block)
{
    arena_done(&block->arena);
}
