/* Bodies of denials: their files, taken apart. */
#include "config/internal.h"

struct error check_error_pages(struct loader *loader)
{
    struct error_page_settings *pages = loader->settings->error_pages.items;
    for (size_t i = 0; i < loader->settings->error_pages.count; i++) {
        const struct conf_node *node = loader_object(loader, &pages[i]);
        const void *wrong = NULL;
        TRY(load_file_text(loader, &pages[i].file, node, ERROR_PAGE_MAX, &pages[i].text));
        struct error error = error_page_compile(&pages[i], loader->arena, &wrong);
        if (error.kind == ERROR_MEMORY) {
            return error;
        }
        if (failed(error)) {
            tell(loader, wrong, node, "%s", error.what);
        }
    }
    return OK;
}
