#include "config/reader.h"

#include "config/foreign.h"
#include "config/tables.h"
#include "config/values.h"

#define NO_MEMORY FAIL(ERROR_MEMORY, "no memory for the configuration")

typedef struct error field_reader(struct conf_reader *reader, const struct conf_field *field,
                                  const struct conf_node *node, void *out);

static field_reader read_field;

const struct conf_field *conf_field_find(const struct conf_object *object, struct slice name)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if (slice_equal(slice_from_string(field->name), name)) {
            return field;
        }
    }
    return NULL;
}

static struct error note(struct conf_reader *reader, const void *address, enum place_kind kind,
                         const struct conf_node *node)
{
    if (node->place.source == NULL) {
        return OK; /* a default */
    }
    return places_put(reader->places, address, kind, node) ? OK : NO_MEMORY;
}

static void tell_wrong(struct conf_reader *reader, const struct conf_field *field,
                       const struct conf_node *node)
{
    value_tell_wrong(field, node, reader->diagnostics);
}

static bool tell_if_empty(struct conf_reader *reader, const struct conf_field *field,
                          const struct conf_node *node, size_t count)
{
    if (count > 0 || (field->flags & CONF_NON_EMPTY) == 0) {
        return false;
    }
    diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, node, "must not be empty; %.*s is wanted here",
                     SLICE_ARG(value_wanted(field, reader->arena)));
    return true;
}

static struct error read_scalar(struct conf_reader *reader, const struct conf_field *field,
                                const struct conf_node *node, void *out)
{
    (void)value_read(field, node, reader->diagnostics, out); /* what is wrong has been told */
    return OK;
}

static struct error read_string(struct conf_reader *reader, const struct conf_field *field,
                                const struct conf_node *node, void *out)
{
    struct slice text;
    if (!value_read_text(field, node, reader->diagnostics, &text) ||
        tell_if_empty(reader, field, node, text.len)) {
        return OK;
    }
    *(struct slice *)out = text;
    return OK;
}

static struct error read_file(struct conf_reader *reader, const struct conf_field *field,
                              const struct conf_node *node, void *out)
{
    struct slice text;
    if (!value_read_text(field, node, reader->diagnostics, &text)) {
        return OK;
    }
    if (text.len == 0) {
        tell_wrong(reader, field, node);
        return OK;
    }
    struct slice path = value_path(node->place.source, text, reader->arena);
    *(struct slice *)out = path;
    return path.ptr != NULL ? OK : NO_MEMORY;
}

static struct error read_secret(struct conf_reader *reader, const struct conf_field *field,
                                const struct conf_node *node, void *out)
{
    (void)field;
    return secret_read(reader, node, out);
}

/* The items of a list; a single scalar stands for a list of one. False where it is neither. */
static bool list_items(const struct conf_node *node, const struct conf_node *const **ret_items,
                       size_t *ret_count, const struct conf_node *const *single)
{
    if (node->type == CONF_NODE_SEQUENCE) {
        *ret_items = (const struct conf_node *const *)node->items;
        *ret_count = node->count;
        return true;
    }
    *ret_items = single;
    *ret_count = 1;
    return node->type == CONF_NODE_SCALAR;
}

static struct error read_strings(struct conf_reader *reader, const struct conf_field *field,
                                 const struct conf_node *node, void *out)
{
    const struct conf_node *const *items;
    size_t count;
    if (!list_items(node, &items, &count, &node)) {
        tell_wrong(reader, field, node);
        return OK;
    }
    if (tell_if_empty(reader, field, node, count)) {
        return OK;
    }
    struct conf_strings strings = { arena_calloc(reader->arena, count + 1, sizeof(struct slice)), 0 };
    if (strings.items == NULL) {
        return NO_MEMORY;
    }
    field_reader *read_one = field->type == CONF_FILES ? read_file : read_string;
    for (size_t i = 0; i < count; i++) {
        struct slice *item = &strings.items[strings.count];
        *item = SLICE_NONE;
        TRY(read_one(reader, field, items[i], item));
        if (item->ptr != NULL) {
            TRY(note(reader, item, PLACE_FIELD, items[i]));
            strings.count++;
        }
    }
    *(struct conf_strings *)out = strings;
    return OK;
}

static struct error read_flags(struct conf_reader *reader, const struct conf_field *field,
                               const struct conf_node *node, void *out)
{
    const struct conf_node *const *items;
    size_t count;
    if (!list_items(node, &items, &count, &node)) {
        tell_wrong(reader, field, node);
        return OK;
    }
    if (tell_if_empty(reader, field, node, count)) {
        return OK;
    }
    uint64_t flags = 0;
    for (size_t i = 0; i < count; i++) {
        int value;
        if (value_read_choice(field, items[i], reader->diagnostics, &value)) {
            flags |= UINT64_C(1) << value;
        }
    }
    *(uint64_t *)out = flags;
    return OK;
}

static struct error read_pairs(struct conf_reader *reader, const struct conf_field *field,
                               const struct conf_node *node, void *out)
{
    if (node->type != CONF_NODE_MAPPING) {
        tell_wrong(reader, field, node);
        return OK;
    }
    if (tell_if_empty(reader, field, node, node->count)) {
        return OK;
    }
    struct conf_pairs pairs = { arena_calloc(reader->arena, node->count + 1, sizeof(struct conf_pair)), 0 };
    if (pairs.items == NULL) {
        return NO_MEMORY;
    }
    struct conf_field text = *field; /* an entry by itself */
    text.type = CONF_STRING;
    text.example = NULL;
    for (size_t i = 0; i < node->count; i++) {
        struct conf_pair *pair = &pairs.items[pairs.count];
        struct slice value;
        if (!value_read_text(&text, node->items[i], reader->diagnostics, &value)) {
            continue;
        }
        *pair = (struct conf_pair){ node->items[i]->key, value };
        TRY(note(reader, &pair->value, PLACE_FIELD, node->items[i]));
        pairs.count++;
    }
    *(struct conf_pairs *)out = pairs;
    return OK;
}

static bool accepts(const struct conf_object *object, const struct conf_node *node)
{
    return node->type == CONF_NODE_MAPPING || (node->type == CONF_NODE_SCALAR && object->scalar != NULL) ||
           (node->type == CONF_NODE_SEQUENCE && object->sequence != NULL);
}

static struct error read_object(struct conf_reader *reader, const struct conf_field *field,
                                const struct conf_node *node, void *out)
{
    if (!accepts(field->object, node)) {
        tell_wrong(reader, field, node);
        return OK;
    }
    void *object = arena_calloc(reader->arena, 1, field->object->size);
    if (object == NULL) {
        return NO_MEMORY;
    }
    *(void **)out = object;
    return conf_read(reader, field->object, node, object);
}

static struct error read_list(struct conf_reader *reader, const struct conf_field *field,
                              const struct conf_node *node, void *out)
{
    const struct conf_node *const *items;
    size_t count;
    if (!list_items(node, &items, &count, &node) ||
        (node->type == CONF_NODE_SCALAR && field->object->scalar == NULL)) {
        tell_wrong(reader, field, node);
        return OK;
    }
    if (tell_if_empty(reader, field, node, count)) {
        return OK;
    }
    struct conf_list list = { arena_calloc(reader->arena, count + 1, field->object->size), 0 };
    if (list.items == NULL) {
        return NO_MEMORY;
    }
    bool partial = reader->partial;
    reader->partial = false; /* an item stands for itself: lists are not merged into */
    struct error error = OK;
    for (size_t i = 0; i < count && !failed(error); i++) {
        if (!accepts(field->object, items[i])) {
            tell_wrong(reader, field, items[i]);
            continue;
        }
        error = conf_read(reader, field->object, items[i],
                          (char *)list.items + list.count++ * field->object->size);
    }
    reader->partial = partial;
    *(struct conf_list *)out = list;
    return error;
}

static bool name_is_good(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return name.len > 0 && name.len <= CONFIG_NAME_MAX;
}

static struct error read_map(struct conf_reader *reader, const struct conf_field *field,
                             const struct conf_node *node, void *out)
{
    if (node->type != CONF_NODE_MAPPING) {
        tell_wrong(reader, field, node);
        return OK;
    }
    if (tell_if_empty(reader, field, node, node->count)) {
        return OK;
    }
    struct conf_list list = { arena_calloc(reader->arena, node->count + 1, field->object->size), 0 };
    if (list.items == NULL) {
        return NO_MEMORY;
    }
    struct conf_field one = *field; /* an entry by itself */
    one.type = CONF_OBJECT;
    one.example = NULL;
    for (size_t i = 0; i < node->count; i++) {
        const struct conf_node *entry = node->items[i];
        if (!name_is_good(entry->key)) {
            diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, entry,
                             "a name has 1 to %d letters, digits, \"-\", \"_\" and \".\"", CONFIG_NAME_MAX);
            continue;
        }
        if (!accepts(field->object, entry)) {
            tell_wrong(reader, &one, entry);
            continue;
        }
        void *item = (char *)list.items + list.count++ * field->object->size;
        *(struct slice *)item = entry->key;
        TRY(conf_read(reader, field->object, entry, item));
    }
    *(struct conf_list *)out = list;
    return OK;
}

static field_reader *const field_readers[] = {
    [CONF_BOOL] = read_scalar, [CONF_INTEGER] = read_scalar,  [CONF_DURATION] = read_scalar,
    [CONF_SIZE] = read_scalar, [CONF_STRING] = read_string,   [CONF_SECRET] = read_secret,
    [CONF_FILE] = read_file,   [CONF_ENUM] = read_scalar,     [CONF_FLAGS] = read_flags,
    [CONF_RATE] = read_scalar, [CONF_STRINGS] = read_strings, [CONF_FILES] = read_strings,
    [CONF_PAIRS] = read_pairs, [CONF_OBJECT] = read_object,   [CONF_LIST] = read_list,
    [CONF_MAP] = read_map,
};

static struct error read_field(struct conf_reader *reader, const struct conf_field *field,
                               const struct conf_node *node, void *out)
{
    TRY(note(reader, out, PLACE_FIELD, node));
    return field_readers[field->type](reader, field, node, out);
}

static struct error read_default(struct conf_reader *reader, const struct conf_field *field, void *out)
{
    if (field->standard == NULL) {
        return OK;
    }
    struct conf_node *node = value_standard(field, reader->arena);
    return node != NULL ? read_field(reader, field, node, out) : NO_MEMORY;
}

static const struct conf_field *find_meant(const struct conf_object *object, struct slice key)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        struct slice name = slice_from_string(field->name);
        if (foreign_same_word(key, name) || foreign_word_means(key, name)) {
            return field;
        }
    }
    return NULL;
}

/* Where a key stands that is unknown here, or what it means there; NULL: nowhere that people take for here. */
static const char *find_elsewhere(const struct conf_object *object, struct slice key,
                                  const struct conf_field **ret_meant)
{
    static const struct {
        const struct conf_object *object;
        const char *place;
    } places[] = {
        { &upstream_object, "an upstream" },
        { &effective_object, "a route (or defaults, a policy, a group)" },
        { &match_object, "match of a route" },
        { &filter_object, "filters of a route" },
        { &listener_object, "a listener" },
        { &config_object, "the configuration itself, at the left" },
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        *ret_meant = conf_field_find(places[i].object, key);
        if (places[i].object != object && *ret_meant != NULL) {
            return places[i].place;
        }
    }
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        *ret_meant = find_meant(places[i].object, key);
        if (places[i].object != object && *ret_meant != NULL) {
            return places[i].place;
        }
    }
    return NULL;
}

/* Keys are mixed up among these. */
static bool is_of_the_whole(const struct conf_object *object)
{
    static const struct conf_object *const objects[] = { &upstream_object, &route_object,    &group_object,
                                                         &policy_object,   &defaults_object, &listener_object,
                                                         &filter_object,   &config_object };
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
        if (objects[i] == object) {
            return true;
        }
    }
    return false;
}

static void tell_unknown_key(struct conf_reader *reader, const struct conf_object *object,
                             const struct conf_node *entry)
{
    struct suggestion suggestion;
    suggestion_init(&suggestion, entry->key);
    struct slice known = SLICE("");
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        suggestion_offer(&suggestion, slice_from_string(field->name));
        struct slice longer =
            arena_printf(reader->arena, "%.*s%s%s", SLICE_ARG(known), known.len > 0 ? ", " : "", field->name);
        known = longer.ptr != NULL ? longer : known;
    }
    const struct conf_field *meant = NULL;
    const char *place = is_of_the_whole(object) ? find_elsewhere(object, entry->key, &meant) : NULL;
    bool is_other = place != NULL && !slice_equal(entry->key, slice_from_string(meant->name));
    if (is_other && suggestion.best.len == 0) {
        diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, entry, "unknown key; \"%s\" stands in %s",
                         meant->name, place);
    } else if (place != NULL && !is_other && suggestion.distance > 1) {
        diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, entry, "unknown key here: it stands in %s",
                         place);
    } else if (suggestion.best.len > 0) {
        diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, entry, "unknown key%.*s",
                         SLICE_ARG(suggestion_text(&suggestion, reader->arena)));
    } else {
        diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, entry, "unknown key; known here: %.*s",
                         SLICE_ARG(known));
    }
}

static void tell_missing(struct conf_reader *reader, const struct conf_object *object,
                         const struct conf_field *field, const struct conf_node *node)
{
    diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, node,
                     "%s is missing: every %s needs it, as in \"%.*s\"", field->name, object->name,
                     SLICE_ARG(value_example(field, reader->arena)));
}

static struct error read_map_fields(struct conf_reader *reader, const struct conf_object *object,
                                    const struct conf_node *node, char *out)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        const struct conf_node *entry = conf_node_get(node, slice_from_string(field->name));
        if (entry != NULL) {
            /* What is wrong leaves the default behind, so that later checks see something sensible. */
            TRY(field->type == CONF_OBJECT ? OK : read_default(reader, field, out + field->offset));
            TRY(read_field(reader, field, entry, out + field->offset));
            continue;
        }
        if ((field->flags & CONF_REQUIRED) != 0 && !reader->partial && node != NULL &&
            node->place.source != NULL) {
            tell_missing(reader, object, field, node);
        }
        TRY(read_default(reader, field, out + field->offset));
    }
    for (size_t i = 0; node != NULL && i < node->count; i++) {
        if (conf_field_find(object, node->items[i]->key) == NULL) {
            tell_unknown_key(reader, object, node->items[i]);
        }
    }
    return OK;
}

/* `auth: jwt` names a key where a value is wanted. */
static bool tell_key_as_value(struct conf_reader *reader, const struct conf_object *object,
                              const struct conf_field *of, const struct conf_node *node)
{
    const struct conf_field *key =
        node->type == CONF_NODE_SCALAR ? conf_field_find(object, node->text) : NULL;
    for (const struct conf_choice *choice = of->choices; key != NULL && choice->name != NULL; choice++) {
        key = slice_equal(node->text, slice_from_string(choice->name)) ? NULL : key;
    }
    if (key == NULL || node->key.len == 0) {
        return false;
    }
    diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, node,
                     "\"%s\" is a key, and wants a value, as in \"%.*s: { %.*s }\"", key->name,
                     SLICE_ARG(node->key), SLICE_ARG(value_example(key, reader->arena)));
    return true;
}

/* A bare scalar or list in place of an object sets one of its fields. `authorize: any_caller` names a boolean. */
static struct error read_shorthand(struct conf_reader *reader, const struct conf_object *object,
                                   const struct conf_node *node, char *out)
{
    const char *name = node->type == CONF_NODE_SCALAR ? object->scalar : object->sequence;
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        TRY(read_default(reader, field, out + field->offset));
        if (strcmp(field->name, name) != 0) {
            if ((field->flags & CONF_REQUIRED) != 0 && !reader->partial) {
                tell_missing(reader, object, field, node);
            }
            continue;
        }
        if (field->type == CONF_ENUM && tell_key_as_value(reader, object, field, node)) {
            continue;
        }
        if (field->type == CONF_BOOL && slice_equal(node->text, slice_from_string(name))) {
            *(bool *)(out + field->offset) = true;
            TRY(note(reader, out + field->offset, PLACE_FIELD, node));
            continue;
        }
        TRY(read_field(reader, field, node, out + field->offset));
    }
    return OK;
}

static bool is_layer(const struct conf_reader *reader, const struct conf_object *object)
{
    for (const struct conf_object *const *layer = reader->layers; layer != NULL && *layer != NULL; layer++) {
        if (*layer == object) {
            return true;
        }
    }
    return false;
}

struct error conf_read(struct conf_reader *reader, const struct conf_object *object,
                       const struct conf_node *node, void *out)
{
    if (node == NULL) {
        return read_map_fields(reader, object, NULL, out);
    }
    TRY(note(reader, out, PLACE_OBJECT, node));
    bool partial = reader->partial;
    reader->partial = partial || is_layer(reader, object);
    struct error error = node->type == CONF_NODE_MAPPING ? read_map_fields(reader, object, node, out)
                                                         : read_shorthand(reader, object, node, out);
    reader->partial = partial;
    return error;
}
