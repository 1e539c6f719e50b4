#include "config/values.h"

#include "base/secret.h"

#define NO_MEMORY FAIL(ERROR_MEMORY, "no memory for the configuration")

static void wipe(void *object)
{
    const struct slice *secret = object;
    secret_wipe((void *)secret->ptr, secret->len); /* our own copy */
}

struct error secret_keep(struct arena *arena, struct slice value, struct slice *out)
{
    struct slice *kept = arena_alloc(arena, sizeof *kept);
    struct slice copy = arena_copy(arena, value);
    if (kept == NULL || copy.ptr == NULL) {
        return NO_MEMORY;
    }
    *kept = copy;
    if (!arena_on_cleanup(arena, wipe, kept)) {
        secret_wipe((void *)copy.ptr, copy.len);
        return NO_MEMORY;
    }
    *out = copy;
    return OK;
}

/* ${KIND:ARGUMENT} and nothing else. */
static bool parse_reference(struct slice text, struct slice kind, struct slice *ret_argument)
{
    struct slice inner = slice_part(text, 2, text.len >= 3 ? text.len - 3 : 0);
    if (!slice_starts_with(text, SLICE("${")) || !slice_ends_with(text, SLICE("}")) ||
        !slice_starts_with(inner, kind) || inner.len == kind.len) {
        return false;
    }
    struct slice argument = slice_from(inner, kind.len);
    if (slice_find(argument, '{') >= 0 || slice_find(argument, '}') >= 0) {
        return false;
    }
    *ret_argument = argument;
    return true;
}

static struct error take_value(struct conf_reader *reader, const struct conf_node *node, struct slice value,
                               struct slice *out)
{
    if (value.len == 0) {
        diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, node, "the secret that %.*s names is empty",
                         SLICE_ARG(node->text));
        return OK;
    }
    return secret_keep(reader->arena, value, out);
}

static struct error read_from_environment(struct conf_reader *reader, const struct conf_node *node,
                                          struct slice name, struct slice *out)
{
    struct slice value;
    if (reader->files == NULL || !config_files_environment(reader->files, name, &value)) {
        diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "the environment variable %.*s is not set", SLICE_ARG(name));
        return OK;
    }
    return take_value(reader, node, value, out);
}

static struct error read_from_file(struct conf_reader *reader, const struct conf_node *node,
                                   struct slice path, struct slice *out)
{
    path = value_path(node->place.source, path, reader->arena);
    if (path.ptr == NULL) {
        return NO_MEMORY;
    }
    struct slice value;
    struct error error = reader->files != NULL
                             ? config_files_read(reader->files, path, SECRET_FILE_MAX, &value)
                             : FAIL(ERROR_STATE, "files cannot be read here");
    if (error.kind == ERROR_MEMORY) {
        return error;
    }
    if (failed(error)) {
        char why[160];
        error_describe(error, why, sizeof why);
        diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, node, "%.*s: %s", SLICE_ARG(path), why);
        return OK;
    }
    config_files_watch(reader->files, path);
    if (value.len > 0 && value.ptr[value.len - 1] == '\n') { /* editors and echo end a file with one */
        value.len--;
    }
    if (value.len > 0 && value.ptr[value.len - 1] == '\r') {
        value.len--;
    }
    return take_value(reader, node, value, out);
}

struct error secret_read(struct conf_reader *reader, const struct conf_node *node, struct slice *out)
{
    struct slice argument;
    if (node->type == CONF_NODE_SCALAR && parse_reference(node->text, SLICE("env:"), &argument)) {
        return read_from_environment(reader, node, argument, out);
    }
    if (node->type == CONF_NODE_SCALAR && parse_reference(node->text, SLICE("file:"), &argument)) {
        return read_from_file(reader, node, argument, out);
    }
    diagnostics_node(reader->diagnostics, DIAGNOSTIC_ERROR, node,
                     "a secret is not written here but named: ${env:NAME} or ${file:/run/secrets/name}");
    return OK;
}
