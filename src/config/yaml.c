#include "config/yaml.h"

#include "base/encoding.h"
#include "base/limits.h"
#include "base/map.h"

#include <libfyaml.h>
#include <stdarg.h>
#include <stdio.h>

/* A list or map that is still open. */
struct frame {
    struct conf_node *node;
    size_t capacity;
    struct map keys; /* of a map */
    bool has_key;
    struct slice key;
    struct conf_place key_place;
};

struct builder {
    struct arena *arena;
    struct diagnostics *diagnostics;
    const struct conf_source *source;
    struct frame frames[CONFIG_DEPTH_MAX];
    size_t depth;
    unsigned int documents;
    struct conf_node *root;
    struct conf_place last; /* of the last token that had one */
    bool refused;           /* something was told: the file is given up */
};

#define NO_MEMORY FAIL(ERROR_MEMORY, "no memory for the configuration")

__attribute__((format(printf, 3, 4))) static struct error
refuse(struct builder *builder, struct conf_place place, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    diagnostics_add(builder->diagnostics, DIAGNOSTIC_ERROR, place, "%s", text);
    builder->refused = true;
    return OK;
}

static struct conf_place place_of(const struct builder *builder, struct fy_token *token)
{
    const struct fy_mark *mark = token != NULL ? fy_token_start_mark(token) : NULL;
    if (mark == NULL) {
        return builder->last;
    }
    return (struct conf_place){ builder->source, (unsigned int)mark->line + 1,
                                (unsigned int)mark->column + 1 };
}

static struct frame *top(struct builder *builder)
{
    return builder->depth > 0 ? &builder->frames[builder->depth - 1] : NULL;
}

static bool make_room(struct builder *builder, struct frame *frame)
{
    if (frame->node->count < frame->capacity) {
        return true;
    }
    size_t capacity = frame->capacity == 0 ? 4 : frame->capacity * 2;
    struct conf_node **items = arena_calloc(builder->arena, capacity, sizeof(struct conf_node *));
    if (items == NULL) {
        return false;
    }
    if (frame->node->count > 0) {
        memcpy(items, frame->node->items, frame->node->count * sizeof(struct conf_node *));
    }
    frame->node->items = items;
    frame->capacity = capacity;
    return true;
}

/* Puts a finished or opening node where it belongs. */
static struct error attach(struct builder *builder, struct conf_node *node)
{
    struct frame *frame = top(builder);
    if (frame == NULL) {
        builder->root = node;
        return OK;
    }
    node->parent = frame->node;
    if (frame->node->type == CONF_NODE_MAPPING) {
        node->key = frame->key;
        node->key_place = frame->key_place;
        frame->has_key = false;
        const struct conf_node *before = map_get(&frame->keys, node->key);
        if (before != NULL) {
            diagnostics_node(builder->diagnostics, DIAGNOSTIC_ERROR, node,
                             "is given twice in one map; the first is at line %u", before->key_place.line);
            return OK; /* told; the first one stays */
        }
        if (!map_put(&frame->keys, node->key, node)) {
            return NO_MEMORY;
        }
    } else {
        node->index = frame->node->count;
    }
    if (!make_room(builder, frame)) {
        return NO_MEMORY;
    }
    frame->node->items[frame->node->count++] = node;
    return OK;
}

/* Is the next node of the open map a key? */
static bool wants_key(struct builder *builder)
{
    const struct frame *frame = top(builder);
    return frame != NULL && frame->node->type == CONF_NODE_MAPPING && !frame->has_key;
}

static struct error take_key(struct builder *builder, struct conf_place place, struct slice text, bool plain)
{
    if (plain && text.len == 0) {
        return refuse(builder, place, "a key is missing in front of \":\"");
    }
    if (plain && slice_equal(text, SLICE("<<"))) {
        return refuse(builder, place,
                      "merge keys (\"<<\") are not supported; share settings by policies and \"use\"");
    }
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) {
            return refuse(builder, place, "a key must not hold control characters");
        }
    }
    struct frame *frame = top(builder);
    frame->key = arena_copy(builder->arena, text);
    frame->key_place = place;
    frame->has_key = true;
    return frame->key.ptr != NULL ? OK : NO_MEMORY;
}

static struct slice skip(struct slice text, const char *set)
{
    size_t count = 0;
    while (count < text.len && text.ptr[count] != '\0' && strchr(set, text.ptr[count]) != NULL) {
        count++;
    }
    return slice_from(text, count);
}

static struct slice skip_sign(struct slice text)
{
    return text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? slice_from(text, 1) : text;
}

#define DIGITS "0123456789"

static bool is_number(struct slice text)
{
    struct slice rest = skip_sign(text);
    if (slice_equal_nocase(rest, SLICE(".inf")) || slice_equal_nocase(rest, SLICE(".nan"))) {
        return true;
    }
    if (slice_starts_with(rest, SLICE("0x")) || slice_starts_with(rest, SLICE("0o"))) {
        const char *digits = rest.ptr[1] == 'x' ? DIGITS "abcdefABCDEF" : "01234567";
        return rest.len > 2 && skip(slice_from(rest, 2), digits).len == 0;
    }
    struct slice fraction = skip(rest, DIGITS);
    bool has_point = slice_starts_with(fraction, SLICE("."));
    struct slice end = has_point ? skip(slice_from(fraction, 1), DIGITS) : fraction;
    if (end.len == rest.len || rest.len - end.len == (size_t)has_point) {
        return false; /* no digit */
    }
    if (end.len > 0 && (end.ptr[0] == 'e' || end.ptr[0] == 'E')) {
        struct slice exponent = skip_sign(slice_from(end, 1));
        return exponent.len > 0 && skip(exponent, DIGITS).len == 0;
    }
    return end.len == 0;
}

const char *yaml_takes_for(struct slice plain)
{
    static const struct {
        struct slice text;
        const char *kind;
    } words[] = {
        { SLICE_INIT("true"), "a boolean" },  { SLICE_INIT("True"), "a boolean" },
        { SLICE_INIT("TRUE"), "a boolean" },  { SLICE_INIT("false"), "a boolean" },
        { SLICE_INIT("False"), "a boolean" }, { SLICE_INIT("FALSE"), "a boolean" },
        { SLICE_INIT("null"), "nothing" },    { SLICE_INIT("Null"), "nothing" },
        { SLICE_INIT("NULL"), "nothing" },    { SLICE_INIT("~"), "nothing" },
        { SLICE_INIT(""), "nothing" },
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal(words[i].text, plain)) {
            return words[i].kind;
        }
    }
    return is_number(plain) ? "a number" : NULL;
}

static bool is_null(struct slice text, bool plain)
{
    return plain && (text.len == 0 || slice_equal(text, SLICE("~")) || slice_equal(text, SLICE("null")));
}

static struct error take_scalar(struct builder *builder, struct fy_token *token)
{
    size_t len = 0;
    const char *ptr = fy_token_get_text(token, &len);
    struct slice text = slice_of(ptr != NULL ? ptr : "", ptr != NULL ? len : 0);
    struct conf_place place = place_of(builder, token);
    enum fy_scalar_style style = fy_token_scalar_style(token);
    bool plain = style == FYSS_PLAIN;
    if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) {
        place.column -= place.column > 1; /* the mark is behind the quote */
    }
    if (wants_key(builder)) {
        return take_key(builder, place, text, plain);
    }
    struct conf_node *node = arena_calloc(builder->arena, 1, sizeof *node);
    if (node == NULL) {
        return NO_MEMORY;
    }
    node->type = is_null(text, plain) ? CONF_NODE_NULL : CONF_NODE_SCALAR;
    node->plain = plain;
    node->place = place;
    node->text = arena_copy(builder->arena, text);
    return node->text.ptr != NULL ? attach(builder, node) : NO_MEMORY;
}

static struct error open_collection(struct builder *builder, enum conf_node_type type, struct fy_token *token)
{
    struct conf_place place = place_of(builder, token);
    if (wants_key(builder)) {
        return refuse(builder, place, "a key must be a text, not %s",
                      type == CONF_NODE_MAPPING ? "a map" : "a list");
    }
    if (builder->depth == CONFIG_DEPTH_MAX) {
        return refuse(builder, place, "nested too deeply: more than %d levels", CONFIG_DEPTH_MAX);
    }
    struct conf_node *node = arena_calloc(builder->arena, 1, sizeof *node);
    if (node == NULL) {
        return NO_MEMORY;
    }
    node->type = type;
    node->place = place;
    TRY(attach(builder, node));
    struct frame *frame = &builder->frames[builder->depth++];
    *frame = (struct frame){ .node = node };
    map_init(&frame->keys);
    return OK;
}

static struct error close_collection(struct builder *builder)
{
    map_done(&top(builder)->keys);
    builder->depth--;
    return OK;
}

static struct error refuse_decorations(struct builder *builder, struct fy_token *anchor, struct fy_token *tag)
{
    if (anchor != NULL) {
        return refuse(builder, place_of(builder, anchor),
                      "anchors and aliases are not supported; share settings by policies and \"use\"");
    }
    if (tag != NULL) {
        return refuse(builder, place_of(builder, tag),
                      "tags are not supported: each setting has one type of its own");
    }
    return OK;
}

static struct error take_event(struct builder *builder, const struct fy_event *event)
{
    switch (event->type) {
    case FYET_SCALAR:
        TRY(refuse_decorations(builder, event->scalar.anchor, event->scalar.tag));
        return builder->refused ? OK : take_scalar(builder, event->scalar.value);
    case FYET_SEQUENCE_START:
        TRY(refuse_decorations(builder, event->sequence_start.anchor, event->sequence_start.tag));
        return builder->refused
                   ? OK
                   : open_collection(builder, CONF_NODE_SEQUENCE, event->sequence_start.sequence_start);
    case FYET_MAPPING_START:
        TRY(refuse_decorations(builder, event->mapping_start.anchor, event->mapping_start.tag));
        return builder->refused
                   ? OK
                   : open_collection(builder, CONF_NODE_MAPPING, event->mapping_start.mapping_start);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        return close_collection(builder);
    case FYET_ALIAS:
        return refuse_decorations(builder, event->alias.anchor, NULL);
    case FYET_DOCUMENT_START:
        return ++builder->documents > 1
                   ? refuse(builder, place_of(builder, event->document_start.document_start),
                            "a second document (\"---\") in one file is not supported; use include")
                   : OK;
    default:
        return OK;
    }
}

/* What libfyaml found wrong. */
static struct error tell_syntax(struct builder *builder, struct fy_diag *diag)
{
    void *position = NULL;
    const struct fy_diag_error *found = fy_diag_errors_iterate(diag, &position);
    if (found == NULL || found->msg == NULL) {
        return refuse(builder, builder->last, "this is no YAML");
    }
    struct conf_place place = builder->last;
    if (found->line > 0 && found->column > 0) {
        place.line = (unsigned int)found->line;
        place.column = (unsigned int)found->column;
    }
    /* As in { path: /orders/{id} }, which many write. */
    bool in_flow = strstr(found->msg, "missing comma in flow") != NULL;
    return refuse(builder, place, "YAML syntax: %s%s", found->msg,
                  in_flow ? "; between braces and brackets a text that holds one stands in quotes, as in "
                            "\"/orders/{id}\""
                          : "");
}

static struct error read_events(struct builder *builder, struct fy_parser *parser, struct fy_diag *diag)
{
    while (!builder->refused) {
        struct fy_event *event = fy_parser_parse(parser);
        if (event == NULL) {
            break;
        }
        struct fy_token *token = fy_event_get_token(event);
        builder->last = place_of(builder, token);
        struct error error = take_event(builder, event);
        fy_parser_event_free(parser, event);
        TRY(error);
    }
    if (!builder->refused && (fy_parser_get_stream_error(parser) || fy_diag_got_error(diag))) {
        return tell_syntax(builder, diag);
    }
    return OK;
}

static struct error parse_with(struct builder *builder, struct fy_diag *diag, struct slice text)
{
    const struct fy_parse_cfg settings = {
        .search_path = "",
        .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DISABLE_MMAP_OPT | FYPCF_DEFAULT_VERSION_1_2 |
                 FYPCF_JSON_NONE,
        .diag = diag,
    };
    struct fy_parser *parser = fy_parser_create(&settings);
    if (parser == NULL || fy_parser_set_string(parser, text.ptr, text.len) != 0) {
        fy_parser_destroy(parser);
        return NO_MEMORY;
    }
    struct error error = read_events(builder, parser, diag);
    while (builder->depth > 0) { /* where reading stopped early */
        map_done(&builder->frames[--builder->depth].keys);
    }
    fy_parser_destroy(parser);
    return error;
}

/* libfyaml lets some bytes through that YAML does not: all text is checked before it. True where something was told. */
static bool tell_bad_bytes(struct builder *builder, struct slice text)
{
    unsigned int line = 1, column = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            refuse(builder, (struct conf_place){ builder->source, line, column },
                   "a control character (0x%02x) must not stand in a configuration", c);
            return true;
        }
        column++;
        if (c != '\n' && i + 1 < text.len) {
            continue;
        }
        if (!utf8_valid(slice_of(text.ptr + line_start, i + 1 - line_start))) {
            refuse(builder, (struct conf_place){ builder->source, line, 1 }, "this line is not valid UTF-8");
            return true;
        }
        line++;
        column = 1;
        line_start = i + 1;
    }
    return false;
}

struct error yaml_parse(struct slice text, const struct conf_source *source, struct diagnostics *diagnostics,
                        struct conf_node **ret_root)
{
    struct builder builder = { .arena = diagnostics->arena, .diagnostics = diagnostics, .source = source };
    builder.last = (struct conf_place){ source, 1, 1 };
    *ret_root = NULL;
    if (tell_bad_bytes(&builder, text)) {
        return OK;
    }
    struct fy_diag_cfg settings;
    fy_diag_cfg_default(&settings);
    settings.fp = NULL;
    settings.output_fn = NULL;
    settings.level = FYET_ERROR;
    struct fy_diag *diag = fy_diag_create(&settings);
    if (diag == NULL) {
        return NO_MEMORY;
    }
    fy_diag_set_collect_errors(diag, true);
    struct error error = parse_with(&builder, diag, text);
    fy_diag_destroy(diag);
    TRY(error);
    if (builder.refused) {
        return OK;
    }
    builder.last = (struct conf_place){ source, 1, 1 };
    if (builder.root == NULL || builder.root->type == CONF_NODE_NULL) {
        return refuse(&builder, builder.last, "the file is empty");
    }
    if (builder.root->type != CONF_NODE_MAPPING) {
        return refuse(&builder, builder.root->place, "a map of settings is wanted here, not %s",
                      builder.root->type == CONF_NODE_SEQUENCE ? "a list" : "a text");
    }
    *ret_root = builder.root;
    return OK;
}
