/* What is imported, from anywhere. Whatever it says, the configuration that comes of it can be read, has the keys that an import writes
 * and no others, and no route without an auth: of Spring's none that is public, of OpenAPI's those alone that say so. */
#include "cli/import/import.h"
#include "config/yaml.h"

#include <stdlib.h>

#define OUTPUT_MAX (64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses a few kilobytes over a quoted text of many escapes: not ours to free. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static void check_keys(const struct conf_node *root)
{
    static const char *const known[] = { "listeners",           "instance",  "issuers",  "api_keys", "basic",
                                         "client_certificates", "upstreams", "defaults", "routes" };
    for (size_t i = 0; i < root->count; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            found |= slice_equal(root->items[i]->key, slice_from_string(known[k]));
        }
        if (!found) {
            abort();
        }
    }
}

static void check_routes(const struct conf_node *routes, bool may_be_public)
{
    for (size_t i = 0; i < routes->count; i++) {
        const struct conf_node *auth = conf_node_get(routes->items[i], SLICE("auth"));
        if (auth == NULL || (auth->type != CONF_NODE_MAPPING && !may_be_public)) {
            abort();
        }
    }
}

static void check_output(struct slice text, bool may_be_public)
{
    struct arena arena;
    arena_init(&arena, CONFIG_ARENA_MAX);
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics, &arena);
    const struct conf_source source = { .path = SLICE("out.yaml") };
    struct conf_node *root = NULL;
    if (failed(yaml_parse(text, &source, &diagnostics, &root)) || root == NULL ||
        diagnostics.error_count > 0) {
        abort();
    }
    check_keys(root);
    check_routes(conf_node_get(root, SLICE("routes")), may_be_public);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    bool is_openapi = slice_contains(text, SLICE("openapi"));
    struct import import;
    import_init(&import, SLICE("in.yaml"), SLICE("fuzz"));
    struct error error = is_openapi ? import_openapi(&import, text) : import_spring(&import, text);
    if (!failed(error) && import.diagnostics.error_count == 0) {
        struct buffer out;
        buffer_init(&out, OUTPUT_MAX);
        if (import_write(&import, &out)) {
            check_output(buffer_slice(&out), is_openapi);
        }
        buffer_clear(&out);
        import_print_notes(&import, &out);
        buffer_done(&out);
    }
    import_done(&import);
    return 0;
}
