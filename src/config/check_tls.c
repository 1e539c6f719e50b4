/* What is wrong with certificates, keys and CAs: told at the field that names the file, and with the file's name. */
#include "config/internal.h"

/* Which of the files a text of src/tls speaks of: it names the fields in backquotes, or says "CA". */
static bool speaks_of(struct slice why, const struct tls_file *file)
{
    return file->path->len > 0 && slice_contains(why, slice_from_string(file->word));
}

void check_tls_tell(struct loader *loader, const struct conf_node *node, struct error error,
                    const struct tls_file *files, size_t count)
{
    char text[256];
    error_describe(error, text, sizeof text);
    struct slice why = slice_from_string(text);
    struct slice named = SLICE("");
    const struct conf_node *at = NULL;
    for (size_t i = 0; i < count; i++) {
        if (speaks_of(why, &files[i])) {
            named = arena_printf(loader->arena, "%.*s%s%.*s", SLICE_ARG(named), named.len > 0 ? ", " : "",
                                 SLICE_ARG(*files[i].path));
            at = at != NULL ? at : loader_node(loader, files[i].path, node);
        }
    }
    if (at == NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", text);
    } else {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, at, "%s (%.*s)", text, SLICE_ARG(named));
    }
}
