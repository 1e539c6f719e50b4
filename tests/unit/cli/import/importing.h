/* Imports a text, and reads what is written. */
#ifndef SALLYPORT_TESTS_UNIT_CLI_IMPORT_IMPORTING_H
#define SALLYPORT_TESTS_UNIT_CLI_IMPORT_IMPORTING_H

#include "cli/import/import.h"

#include "unit.h"

#include "config/yaml.h"

struct imported {
    struct import import;
    struct buffer text, notes;
    struct arena arena;
    struct diagnostics diagnostics;
    struct conf_node *root; /* of what is written */
};

static const struct conf_source written = { .path = SLICE_INIT("out.yaml") };

static inline void open_import(struct imported *out, struct error (*read)(struct import *, struct slice),
                               const char *text)
{
    *out = (struct imported){ 0 };
    import_init(&out->import, SLICE("in.yml"), SLICE("test"));
    assert_false(failed(read(&out->import, slice_from_string(text))));
    buffer_init(&out->text, CLI_OUTPUT_MAX);
    buffer_init(&out->notes, CLI_OUTPUT_MAX);
    arena_init(&out->arena, CONFIG_ARENA_MAX);
    diagnostics_init(&out->diagnostics, &out->arena);
    if (out->import.diagnostics.error_count > 0) {
        return;
    }
    assert_true(import_write(&out->import, &out->text));
    assert_true(import_print_notes(&out->import, &out->notes));
    assert_false(failed(yaml_parse(buffer_slice(&out->text), &written, &out->diagnostics, &out->root)));
    assert_non_null(out->root);
    assert_int_equal(out->diagnostics.error_count, 0);
}

static inline void close_import(struct imported *imported)
{
    buffer_done(&imported->text);
    buffer_done(&imported->notes);
    arena_done(&imported->arena);
    import_done(&imported->import);
}

static inline const struct conf_node *at(const struct imported *imported, const char *path)
{
    const struct conf_node *node = imported->root;
    struct slice rest = slice_from_string(path), part;
    while (slice_next(&rest, '/', &part)) {
        node = conf_node_get(node, part);
    }
    return node;
}

static inline bool is_noted(const struct imported *imported, const char *text)
{
    return slice_contains(buffer_slice(&imported->notes), slice_from_string(text));
}

#define ROUTES "spring.cloud.gateway.routes:\n"

static inline bool is_written(const struct imported *imported, const char *text)
{
    return slice_contains(buffer_slice(&imported->text), slice_from_string(text));
}

#define ONE_ROUTE(uri, filters) \
    ROUTES "  - { id: a, uri: '" uri "', predicates: ['Path=/a/{id}'], filters: [" filters "] }\n"
#define ONE(filters) ONE_ROUTE("http://10.0.0.1", filters)

#endif
