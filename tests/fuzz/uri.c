/* Targets, paths and hosts: the canonical form never grows, has none of what must not stand in a path, and stays the same
 * when made again. */
#include <stdlib.h>

#include "base/encoding.h"
#include "http/uri.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* Decoded twice and with both kinds of slash: what the laxest server could make of it. */
static void check_laxest_reading(struct slice path)
{
    char once[HTTP_TARGET_MAX], twice[HTTP_TARGET_MAX];
    struct slice text = { twice, uri_decode((struct slice){ once, uri_decode(path, once) }, twice) };
    struct slice segment;
    for (size_t i = 0; i < text.len; i++) {
        CHECK((unsigned char)twice[i] >= 0x20 && twice[i] != 0x7f && twice[i] != '\\');
        if (twice[i] == ';') {
            twice[i] = '/';
        }
    }
    while (slice_next(&text, '/', &segment)) {
        CHECK(!slice_equal(segment, SLICE(".")) && !slice_equal(segment, SLICE("..")));
    }
}

static void check_path(struct slice raw)
{
    char *out = malloc(raw.len + 1), *again = malloc(raw.len + 1);
    CHECK(out != NULL && again != NULL);
    for (unsigned int allow = 0; allow < 4; allow++) {
        struct slice path, same;
        out[raw.len] = 0x55;
        enum uri_result result = uri_canonical_path(raw, allow, out, &path);
        CHECK(out[raw.len] == 0x55);
        CHECK(result != URI_OK || (uri_path_needs(raw) & ~allow) == 0);
        if (result != URI_OK) {
            continue;
        }
        CHECK(path.len > 0 && path.len <= raw.len && path.ptr[0] == '/');
        CHECK(!slice_contains(path, SLICE("//")) && slice_find(path, '#') < 0 && slice_find(path, '?') < 0);
        CHECK(uri_canonical_path(path, allow, again, &same) == URI_OK && slice_equal(path, same));
        check_laxest_reading(path);
    }
    if (uri_path_is_canonical(raw)) {
        struct slice path = SLICE_NONE;
        CHECK(uri_path_needs(raw) == 0 && uri_canonical_path(raw, 0, out, &path) == URI_OK &&
              slice_equal(path, raw));
        check_laxest_reading(path);
    }
    free(out);
    free(again);
}

static void check_authority(struct slice text)
{
    if (text.len > URI_AUTHORITY_MAX + 1) {
        return;
    }
    char *out = malloc(text.len + 1);
    char again[2 * URI_AUTHORITY_MAX], same[2 * URI_AUTHORITY_MAX];
    CHECK(out != NULL);
    out[text.len] = 0x55;
    struct uri_authority authority, second;
    if (uri_parse_authority(text, out, &authority) == URI_OK) {
        CHECK(authority.host.len > 0 && authority.host.len <= HTTP_HOST_MAX);
        size_t len = 0;
        again[len++] = '[';
        memcpy(again + len, authority.host.ptr, authority.host.len);
        len += authority.host.len;
        again[len++] = ']';
        struct slice host = authority.is_ipv6 ? slice_of(again, len) : slice_of(again + 1, len - 2);
        CHECK(uri_parse_authority(host, same, &second) == URI_OK);
        CHECK(slice_equal(second.host, authority.host) && second.is_ipv6 == authority.is_ipv6);
    }
    CHECK(out[text.len] == 0x55);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const enum http_method methods[] = { METHOD_GET, METHOD_OPTIONS, METHOD_CONNECT };
    struct slice text = { (const char *)bytes, size };
    if (size > HTTP_TARGET_MAX) {
        return 0;
    }
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct uri_target target;
        if (uri_parse_target(text, methods[i], &target) != URI_OK) {
            continue;
        }
        CHECK(uri_query_valid(target.query) && slice_find(text, '#') < 0);
        CHECK((target.form == URI_AUTHORITY) == (methods[i] == METHOD_CONNECT));
        if (target.form == URI_ORIGIN || target.form == URI_ABSOLUTE) {
            check_path(target.path);
        }
        if (target.authority.ptr != NULL) {
            check_authority(target.authority);
        }
    }
    check_path(text);
    check_authority(text);
    return 0;
}
