#include "auth/credential.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* token68 without its padding (RFC 9110 section 11.2; RFC 6750 calls it b64token). */
static inline bool is_b64_char(char c)
{
    return ascii_is_alpha(c) || (c >= '-' && c <= '9') || c == '_' || c == '~' || c == '+';
}

#ifdef __SSE2__
static inline __m128i in_range(__m128i text, char first, char count)
{
    __m128i from_first = _mm_sub_epi8(text, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(from_first, _mm_set1_epi8((char)(count - 1))), from_first);
}

static inline bool are_b64_chars(const char *at)
{
    __m128i text = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i good = _mm_or_si128(in_range(_mm_or_si128(text, _mm_set1_epi8(0x20)), 'a', 26),
                                in_range(text, '-', '9' - '-' + 1));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(text, _mm_set1_epi8('_')));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(text, _mm_set1_epi8('~')));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(text, _mm_set1_epi8('+')));
    return _mm_movemask_epi8(good) == 0xffff;
}
#endif

/* Sixteen characters a step where the processor can: this is the longest field of most requests. */
static size_t skip_b64_chars(struct slice text)
{
    size_t at = 0;
#ifdef __SSE2__
    while (text.len - at >= 16 && are_b64_chars(text.ptr + at)) {
        at += 16;
    }
#endif
    while (at < text.len && is_b64_char(text.ptr[at])) {
        at++;
    }
    return at;
}

static bool is_b64token(struct slice text)
{
    size_t chars = skip_b64_chars(text), end = chars;
    while (end < text.len && text.ptr[end] == '=') {
        end++;
    }
    return chars > 0 && end == text.len;
}

static enum deny_reason read_authorization(struct slice value, struct credential *ret_credential)
{
    ssize_t space = slice_find(value, ' ');
    struct slice scheme = space < 0 ? value : slice_part(value, 0, (size_t)space);
    struct slice rest = space < 0 ? SLICE("") : slice_from(value, (size_t)space);
    if (!http_token_valid(scheme)) {
        return DENY_CREDENTIAL_MALFORMED;
    }
    if (!slice_equal_nocase(scheme, SLICE("bearer"))) {
        return DENY_NONE;
    }
    while (slice_starts_with(rest, SLICE(" "))) {
        rest = slice_from(rest, 1);
    }
    if (!is_b64token(rest)) {
        return DENY_CREDENTIAL_MALFORMED;
    }
    *ret_credential = (struct credential){ .kind = CREDENTIAL_BEARER, .token = rest };
    return DENY_NONE;
}

enum deny_reason credential_find(const struct headers *headers, struct credential *ret_credential)
{
    const struct header *found = NULL;
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id != HEADER_AUTHORIZATION) {
            continue;
        }
        if (found != NULL) {
            /* Which of them counts would be a matter of taste, and the upstream's may differ. */
            return DENY_CREDENTIAL_REPEATED;
        }
        found = &headers->items[i];
    }
    struct credential credential = { .kind = CREDENTIAL_NONE, .token = SLICE("") };
    enum deny_reason reason = found != NULL ? read_authorization(found->value, &credential) : DENY_NONE;
    if (reason == DENY_NONE) {
        *ret_credential = credential;
    }
    return reason;
}

/* A quoted-string (RFC 9110 section 5.6.4). What no challenge may hold becomes '?': RFC 6750 section 3 allows visible ASCII
 * and spaces, without '"' and '\'. */
static bool put_parameter(struct buffer *out, bool *first, const char *name, struct slice value)
{
    if (slice_is_empty(value)) {
        return true;
    }
    if (!buffer_printf(out, "%s%s=\"", *first ? " " : ", ", name)) {
        return false;
    }
    *first = false;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool allowed = c >= ' ' && c <= '~' && c != '"' && c != '\\';
        if (!buffer_append_char(out, allowed ? c : '?')) {
            return false;
        }
    }
    return buffer_append_char(out, '"');
}

bool credential_challenge(struct buffer *out, struct slice realm, struct slice error,
                          struct slice description, struct slice scope)
{
    bool first = true;
    return buffer_append(out, SLICE("Bearer")) && put_parameter(out, &first, "realm", realm) &&
           put_parameter(out, &first, "error", error) &&
           put_parameter(out, &first, "error_description", description) &&
           put_parameter(out, &first, "scope", scope);
}
