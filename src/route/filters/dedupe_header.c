/* dedupe_request_header, dedupe_response_header: a field that stands there more than once. */
#include "route/filters/field.h"

struct dedupe {
    struct field field;
    bool (*goes)(const struct dedupe *dedupe, const struct headers *headers, size_t at, size_t kept);
};

/* Is there one before it, among those that were kept? */
static bool is_later(const struct dedupe *dedupe, const struct headers *headers, size_t at, size_t kept)
{
    (void)at;
    for (size_t i = 0; i < kept; i++) {
        if (field_is(&dedupe->field, &headers->items[i])) {
            return true;
        }
    }
    return false;
}

static bool is_earlier(const struct dedupe *dedupe, const struct headers *headers, size_t at, size_t kept)
{
    (void)kept;
    for (size_t i = at + 1; i < headers->count; i++) {
        if (field_is(&dedupe->field, &headers->items[i])) {
            return true;
        }
    }
    return false;
}

static bool is_repeated(const struct dedupe *dedupe, const struct headers *headers, size_t at, size_t kept)
{
    for (size_t i = 0; i < kept; i++) {
        if (field_is(&dedupe->field, &headers->items[i]) &&
            slice_equal(headers->items[i].value, headers->items[at].value)) {
            return true;
        }
    }
    return false;
}

static enum deny_reason run_dedupe(const void *compiled, struct filter_run *run)
{
    const struct dedupe *dedupe = compiled;
    struct headers *headers = run->headers;
    size_t kept = 0;
    for (size_t i = 0; i < headers->count; i++) {
        if (field_is(&dedupe->field, &headers->items[i]) && dedupe->goes(dedupe, headers, i, kept)) {
            continue;
        }
        headers->items[kept++] = headers->items[i];
    }
    headers->count = kept;
    return DENY_NONE;
}

static struct error compile(struct filter_compiler *compiler, const struct conf_pairs *pairs,
                            enum field_use use, struct filter_calls *calls)
{
    static const struct {
        struct slice word;
        bool (*goes)(const struct dedupe *dedupe, const struct headers *headers, size_t at, size_t kept);
    } ways[] = {
        { SLICE_INIT("first"), is_later },
        { SLICE_INIT("last"), is_earlier },
        { SLICE_INIT("unique"), is_repeated },
    };
    struct dedupe *dedupes = arena_calloc(compiler->arena, pairs->count, sizeof *dedupes);
    if (dedupes == NULL) {
        return FILTER_NO_MEMORY;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        const struct conf_pair *pair = &pairs->items[i];
        TRY(field_compile(compiler, &pair->value, pair->name, use, &dedupes[i].field));
        for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++) {
            dedupes[i].goes = slice_equal(pair->value, ways[k].word) ? ways[k].goes : dedupes[i].goes;
        }
        if (dedupes[i].goes == NULL) {
            return filter_wrong(compiler, &pair->value, "which one stays is first, last or unique");
        }
        TRY(filter_add(compiler, calls, run_dedupe, &dedupes[i]));
    }
    return OK;
}

struct error filter_dedupe_request_header(struct filter_compiler *compiler,
                                          const struct filter_settings *settings)
{
    return compile(compiler, &settings->dedupe_request_header, FIELD_REQUEST_REMOVE,
                   &compiler->chain->request);
}

struct error filter_dedupe_response_header(struct filter_compiler *compiler,
                                           const struct filter_settings *settings)
{
    return compile(compiler, &settings->dedupe_response_header, FIELD_RESPONSE_REMOVE,
                   &compiler->chain->response);
}
