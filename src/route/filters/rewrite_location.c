/* rewrite_location: what the path filters took off, put back where an answer leads to the service itself. */
#include "route/filters/location.h"

/* "/a" is a prefix of "/a" and "/a/b", not of "/ab". */
static bool has_prefix(struct slice rest, struct slice prefix)
{
    if (!slice_starts_with(rest, prefix)) {
        return false;
    }
    return slice_ends_with(prefix, SLICE("/")) || rest.len == prefix.len ||
           strchr("/?#", rest.ptr[prefix.len]) != NULL;
}

static struct slice trimmed(struct slice prefix)
{
    return slice_ends_with(prefix, SLICE("/")) ? slice_part(prefix, 0, prefix.len - 1) : prefix;
}

static enum deny_reason rewrite(const void *compiled, struct filter_run *run)
{
    const struct conf_pairs *pairs = compiled;
    for (size_t i = 0; i < run->headers->count; i++) {
        struct header *header = &run->headers->items[i];
        struct slice rest;
        if (header->id != HEADER_LOCATION ||
            location_find(header->value, run->origin, run->arena, &rest) == LOCATION_ELSEWHERE) {
            continue;
        }
        size_t at = 0;
        while (at < pairs->count && !has_prefix(rest, pairs->items[at].name)) {
            at++;
        }
        if (at == pairs->count) {
            continue;
        }
        /* Neither prefix ends with "/" here, so that what follows begins with one, or there is nothing. */
        struct slice to = trimmed(pairs->items[at].value);
        struct slice tail = slice_from(rest, trimmed(pairs->items[at].name).len);
        struct slice whole =
            ARENA_CONCAT(run->arena, to, to.len + tail.len > 0 ? SLICE("") : SLICE("/"), tail);
        header->value = whole.ptr != NULL ? location_reference(whole, run->arena) : SLICE_NONE;
        if (header->value.ptr == NULL) {
            return filter_no_memory(run);
        }
    }
    return DENY_NONE;
}

struct error filter_rewrite_location(struct filter_compiler *compiler, const struct filter_settings *settings)
{
    const struct conf_pairs *pairs = &settings->rewrite_location;
    for (size_t i = 0; i < pairs->count; i++) {
        TRY(filter_check_path_text(compiler, &pairs->items[i].value, pairs->items[i].name));
        TRY(filter_check_path_text(compiler, &pairs->items[i].value, pairs->items[i].value));
    }
    return filter_add(compiler, &compiler->chain->response, rewrite, pairs);
}
