#include "auth/jws.h"

#include "base/encoding.h"
#include "base/limits.h"

/* Decodes into the arena. A failure says which: INTERNAL where memory is out. */
static enum deny_reason decode_part(struct slice text, struct arena *arena, struct slice *ret_bytes)
{
    char *bytes = arena_alloc(arena, BASE64_DECODED_MAX(text.len));
    if (bytes == NULL) {
        return DENY_INTERNAL;
    }
    ssize_t size = base64url_decode(text, bytes);
    if (size < 0) {
        return DENY_TOKEN_MALFORMED;
    }
    *ret_bytes = slice_of(bytes, (size_t)size);
    return DENY_NONE;
}

static enum deny_reason parse_header_json(struct slice text, struct arena *arena, struct json **ret_header)
{
    struct json *header;
    struct error error = json_parse(text, JSON_DEPTH_MAX, arena, &header, NULL);
    if (failed(error)) {
        return error.kind == ERROR_MEMORY ? DENY_INTERNAL : DENY_TOKEN_MALFORMED;
    }
    if (header->type != JSON_OBJECT) {
        return DENY_TOKEN_MALFORMED;
    }
    *ret_header = header;
    return DENY_NONE;
}

/* False where it is there and no string. */
static bool read_optional_string(const struct json *header, struct slice name, bool *ret_has,
                                 struct slice *ret_text)
{
    const struct json *value = json_get(header, name);
    *ret_has = value != NULL;
    *ret_text = SLICE("");
    return value == NULL || json_get_string(header, name, ret_text);
}

/* No extension is understood, so every crit is refused, an empty one too (RFC 7515 section 4.1.11). An unencoded payload
 * (RFC 7797) would change what was signed: refused even where crit does not name it. */
static bool is_critical(const struct json *header)
{
    const struct json *b64 = json_get(header, SLICE("b64"));
    return json_get(header, SLICE("crit")) != NULL ||
           (b64 != NULL && (b64->type != JSON_BOOL || !b64->boolean));
}

static enum deny_reason read_header(const struct json *header, struct jws *out)
{
    struct slice alg;
    if (!json_get_string(header, SLICE("alg"), &alg) ||
        !read_optional_string(header, SLICE("kid"), &out->has_kid, &out->kid) ||
        !read_optional_string(header, SLICE("typ"), &out->has_typ, &out->typ)) {
        return DENY_TOKEN_MALFORMED;
    }
    out->algorithm = jws_algorithm_of(alg);
    if (out->algorithm == JWT_ALGORITHM_COUNT) {
        return DENY_TOKEN_ALGORITHM;
    }
    return is_critical(header) ? DENY_TOKEN_CRITICAL : DENY_NONE;
}

enum deny_reason jws_parse(struct slice text, struct arena *arena, struct jws *out)
{
    struct slice rest = text, header_text, payload_text, header_bytes;
    if (!slice_next(&rest, '.', &header_text) || !slice_next(&rest, '.', &payload_text) || rest.ptr == NULL ||
        slice_find(rest, '.') >= 0) {
        return DENY_TOKEN_MALFORMED;
    }
    struct jws jws = { .signing_input = slice_part(text, 0, header_text.len + 1 + payload_text.len) };
    struct json *header = NULL;
    enum deny_reason reason = decode_part(header_text, arena, &header_bytes);
    if (reason == DENY_NONE) {
        reason = parse_header_json(header_bytes, arena, &header);
    }
    if (reason == DENY_NONE) {
        reason = read_header(header, &jws);
    }
    if (reason == DENY_NONE) {
        reason = decode_part(payload_text, arena, &jws.payload);
    }
    if (reason == DENY_NONE) {
        reason = decode_part(rest, arena, &jws.signature);
    }
    if (reason == DENY_NONE) {
        jws.header = header;
        *out = jws;
    }
    return reason;
}
