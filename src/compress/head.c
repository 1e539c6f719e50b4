#include "compress/head.h"

#include "compress/judge.h"

static struct header *find(struct headers *headers, struct slice name)
{
    for (size_t i = 0; i < headers->count; i++) {
        struct header *header = &headers->items[i];
        if (header->id == HEADER_OTHER && slice_equal_nocase(header->name, name)) {
            return header;
        }
    }
    return NULL;
}

static void remove_named(struct headers *headers, struct slice name)
{
    size_t kept = 0;
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        if (header->id != HEADER_OTHER || !slice_equal_nocase(header->name, name)) {
            headers->items[kept++] = *header;
        }
    }
    headers->count = kept;
}

/* ---- the response ---- */

static bool has_vary(const struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        if (header->id == HEADER_VARY && (http_list_contains(header->value, SLICE("accept-encoding")) ||
                                          http_list_contains(header->value, SLICE("*")))) {
            return true;
        }
    }
    return false;
}

bool compress_head_vary(struct headers *headers)
{
    return has_vary(headers) || headers_add(headers, HEADER_VARY, SLICE("Vary"), SLICE("Accept-Encoding"));
}

static bool is_weak(struct slice tag)
{
    return slice_starts_with(tag, SLICE("W/"));
}

/* False: no memory. */
static bool weaken(struct headers *headers, struct arena *arena)
{
    struct header *tag = find(headers, SLICE("etag"));
    if (tag == NULL || is_weak(tag->value)) {
        return true;
    }
    struct slice weak = ARENA_CONCAT(arena, SLICE("W/"), tag->value);
    tag->value = weak.ptr != NULL ? weak : tag->value;
    return weak.ptr != NULL;
}

bool compress_head_encode(struct headers *headers, const struct compress_algorithm *algorithm,
                          struct arena *arena)
{
    if (headers->count >= headers->capacity || !weaken(headers, arena)) {
        return false;
    }
    remove_named(headers, SLICE("accept-ranges"));
    return headers_add(headers, HEADER_CONTENT_ENCODING, SLICE("Content-Encoding"), algorithm->name);
}

/* ---- entity tags in requests ---- */

/* The next tag of a list (RFC 9110 section 8.8.3), weak or strong: a comma may stand in it. False: there is none, or the list is
 * malformed from here on. */
static bool next_tag(struct slice *rest, struct slice *ret_tag)
{
    size_t at = 0;
    while (at < rest->len && (rest->ptr[at] == ' ' || rest->ptr[at] == '\t' || rest->ptr[at] == ',')) {
        at++;
    }
    *rest = slice_from(*rest, at);
    size_t quote = is_weak(*rest) ? 2 : 0;
    if (quote >= rest->len || rest->ptr[quote] != '"') {
        return false;
    }
    ssize_t end = slice_find(slice_from(*rest, quote + 1), '"');
    if (end < 0) {
        return false;
    }
    size_t length = quote + 1 + (size_t)end + 1;
    *ret_tag = slice_part(*rest, 0, length);
    *rest = slice_from(*rest, length);
    return true;
}

/* Does the client say that it has the weak form of this strong tag? */
static bool asks_with_weak(const struct headers *request, struct slice tag)
{
    for (size_t i = 0; i < request->count; i++) {
        const struct header *header = &request->items[i];
        if (header->id != HEADER_OTHER || !slice_equal_nocase(header->name, SLICE("if-none-match"))) {
            continue;
        }
        struct slice rest = header->value, asked;
        while (next_tag(&rest, &asked)) {
            if (is_weak(asked) && slice_equal(slice_from(asked, 2), tag)) {
                return true;
            }
        }
    }
    return false;
}

bool compress_head_not_modified(struct headers *headers, const struct headers *request, struct arena *arena)
{
    const struct header *tag = find(headers, SLICE("etag"));
    return tag == NULL || is_weak(tag->value) || !asks_with_weak(request, tag->value) ||
           weaken(headers, arena);
}

/* The same list with strong tags in place of weak ones. ptr NULL: no memory. */
static struct slice strong_tags(struct slice list, struct arena *arena)
{
    char *text = arena_alloc(arena, list.len + 1);
    if (text == NULL) {
        return SLICE_NONE;
    }
    size_t used = 0;
    struct slice from = list, rest = list, tag;
    while (next_tag(&rest, &tag)) {
        size_t between = (size_t)(tag.ptr - from.ptr);
        struct slice strong = is_weak(tag) ? slice_from(tag, 2) : tag;
        memcpy(text + used, from.ptr, between);
        memcpy(text + used + between, strong.ptr, strong.len);
        used += between + strong.len;
        from = slice_of(tag.ptr + tag.len, list.len - (size_t)(tag.ptr + tag.len - list.ptr));
        rest = from;
    }
    if (from.len > 0) {
        memcpy(text + used, from.ptr, from.len);
    }
    return slice_of(text, used + from.len);
}

static bool has_weak_tag(struct slice list)
{
    struct slice tag;
    while (next_tag(&list, &tag)) {
        if (is_weak(tag)) {
            return true;
        }
    }
    return false;
}

static bool strengthen(struct headers *headers, struct arena *arena)
{
    for (size_t i = 0; i < headers->count; i++) {
        struct header *header = &headers->items[i];
        if (header->id == HEADER_OTHER && slice_equal_nocase(header->name, SLICE("if-match")) &&
            has_weak_tag(header->value)) {
            struct slice strong = strong_tags(header->value, arena);
            if (strong.ptr == NULL) {
                return false;
            }
            header->value = strong;
        }
    }
    return true;
}

/* ---- the request ---- */

bool compress_head_ask(struct headers *headers, struct arena *arena)
{
    remove_named(headers, SLICE("accept-encoding"));
    return strengthen(headers, arena) &&
           headers_add(headers, HEADER_OTHER, SLICE("Accept-Encoding"), SLICE("identity"));
}

void compress_head_trailers(struct headers *trailers)
{
    size_t kept = 0;
    for (size_t i = 0; i < trailers->count; i++) {
        if (!compress_is_proof(trailers->items[i].name)) {
            trailers->items[kept++] = trailers->items[i];
        }
    }
    trailers->count = kept;
}
