#include "compress/judge.h"

/* ---- types ---- */

static bool starts_nocase(struct slice text, struct slice start)
{
    return slice_equal_nocase(slice_part(text, 0, start.len), start);
}

/* "type/subtype", "type/" and "*", "type/" and "*+suffix". */
static bool type_is_like(struct slice type, struct slice pattern)
{
    ssize_t star = slice_find(pattern, '*');
    if (star < 0) {
        return slice_equal_nocase(type, pattern);
    }
    struct slice start = slice_part(pattern, 0, (size_t)star), end = slice_from(pattern, (size_t)star + 1);
    return type.len > start.len + end.len && slice_equal_nocase(slice_part(type, 0, start.len), start) &&
           slice_equal_nocase(slice_from(type, type.len - end.len), end);
}

/* Event streams wait for nothing, and become tunnels; gRPC has codings of its own. */
static bool must_not_wait(struct slice type)
{
    return slice_equal_nocase(type, SLICE("text/event-stream")) ||
           starts_nocase(type, SLICE("application/grpc"));
}

bool compress_type_fits(const struct conf_strings *types, struct slice content_type)
{
    ssize_t end = slice_find(content_type, ';');
    struct slice type = slice_trim(end < 0 ? content_type : slice_part(content_type, 0, (size_t)end));
    if (must_not_wait(type)) {
        return false;
    }
    for (size_t i = 0; i < types->count; i++) {
        if (type_is_like(type, types->items[i])) {
            return true;
        }
    }
    return false;
}

/* ---- the response ---- */

/* Is a directive there, with an argument or without? */
static bool has_directive(struct slice list, struct slice name)
{
    struct slice element;
    while (http_list_next(&list, &element)) {
        ssize_t end = slice_find(element, '=');
        if (slice_equal_nocase(slice_trim(end < 0 ? element : slice_part(element, 0, (size_t)end)), name)) {
            return true;
        }
    }
    return false;
}

static bool has_cache_directive(const struct headers *headers, struct slice name)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id == HEADER_CACHE_CONTROL && has_directive(headers->items[i].value, name)) {
            return true;
        }
    }
    return false;
}

/* One that has a body of its own, and the whole of it. */
static bool has_whole_body(unsigned int status, const struct headers *headers)
{
    return status >= 200 && status != 204 && status != 205 && status != 206 && status != 226 &&
           status != 304 && headers_find_name(headers, SLICE("content-range")) == NULL;
}

bool compress_is_proof(struct slice name)
{
    static const struct slice names[] = {
        SLICE_INIT("content-digest"), SLICE_INIT("repr-digest"),     /* RFC 9530 */
        SLICE_INIT("digest"),         SLICE_INIT("content-md5"),     /* before it */
        SLICE_INIT("signature"),      SLICE_INIT("signature-input"), /* RFC 9421 */
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool is_signed(const struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id == HEADER_OTHER && compress_is_proof(headers->items[i].name)) {
            return true;
        }
    }
    return false;
}

enum compress_skip compress_judge_response(const struct compress_settings *settings,
                                           const struct compress_response *response)
{
    const struct headers *headers = response->headers;
    const struct header *type = headers_find(headers, HEADER_CONTENT_TYPE);
    if (!has_whole_body(response->status, headers)) {
        return COMPRESS_SKIP_STATUS;
    }
    if (headers_find(headers, HEADER_CONTENT_ENCODING) != NULL) {
        return COMPRESS_SKIP_ENCODED;
    }
    if (has_cache_directive(headers, SLICE("no-transform"))) {
        return COMPRESS_SKIP_NO_TRANSFORM;
    }
    if (is_signed(headers)) {
        return COMPRESS_SKIP_SIGNED;
    }
    if (type == NULL || !compress_type_fits(&settings->types, type->value)) {
        return COMPRESS_SKIP_TYPE;
    }
    if (response->knows_length &&
        (response->length == 0 || response->length < (uint64_t)settings->min_size)) {
        return COMPRESS_SKIP_SMALL;
    }
    return compress_is_private(settings, headers) ? COMPRESS_SKIP_PRIVATE : COMPRESS_NO_SKIP;
}

bool compress_is_private(const struct compress_settings *settings, const struct headers *response)
{
    if (headers_find(response, HEADER_SET_COOKIE) != NULL) {
        return true;
    }
    return !settings->no_secrets_in_responses && (has_cache_directive(response, SLICE("private")) ||
                                                  has_cache_directive(response, SLICE("no-store")));
}

/* ---- who asked ---- */

static bool is_token(struct slice authorization)
{
    ssize_t end = slice_find(authorization, ' ');
    struct slice scheme = end < 0 ? authorization : slice_part(authorization, 0, (size_t)end);
    return slice_equal_nocase(scheme, SLICE("Bearer")) || slice_equal_nocase(scheme, SLICE("DPoP"));
}

bool compress_has_credential(const struct compress_settings *settings, const struct headers *request)
{
    for (size_t i = 0; i < request->count; i++) {
        const struct header *header = &request->items[i];
        if (header->id == HEADER_COOKIE || header->id == HEADER_PROXY_AUTHORIZATION) {
            return true;
        }
        if (header->id == HEADER_AUTHORIZATION &&
            !(settings->no_secrets_in_responses && is_token(header->value))) {
            return true;
        }
    }
    return false;
}
