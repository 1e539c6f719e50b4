#include "tls/client_name.h"

#include "base/encoding.h"
#include "base/limits.h"
#include "net/name.h"

#define TRUST_DOMAIN_MAX 255
#define SPIFFE_ID_MAX    2048

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_alphanumeric(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

static bool consists_of(struct slice text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_alphanumeric(text.ptr[i]) && !is_one_of(text.ptr[i], others)) {
            return false;
        }
    }
    return text.len > 0;
}

static void write_lower(struct slice text, char *out)
{
    for (size_t i = 0; i < text.len; i++) {
        out[i] = ascii_lower(text.ptr[i]);
    }
}

static void write_same(struct slice text, char *out)
{
    if (text.len > 0) {
        memcpy(out, text.ptr, text.len);
    }
}

bool client_name_dns(struct slice name, char *out)
{
    if (!name_has_labels(name)) {
        return false;
    }
    write_lower(name, out);
    return true;
}

/* RFC 3986 section 2: unreserved, reserved, and escapes that are whole. */
static bool is_of_uri(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%') {
            if (text.len - i < 3 || hex_digit(text.ptr[i + 1]) < 0 || hex_digit(text.ptr[i + 2]) < 0) {
                return false;
            }
        } else if (!is_alphanumeric(text.ptr[i]) && !is_one_of(text.ptr[i], "-._~:/?#[]@!$&'()*+,;=")) {
            return false;
        }
    }
    return true;
}

bool client_name_uri(struct slice name, char *out)
{
    ssize_t colon = slice_find(name, ':');
    bool usable = colon > 0 && name.len <= TLS_CLIENT_NAME_MAX && ascii_is_alpha(name.ptr[0]) &&
                  consists_of(slice_part(name, 0, (size_t)colon), "+-.") && (size_t)colon + 1 < name.len &&
                  is_of_uri(name);
    if (usable) {
        write_same(name, out);
    }
    return usable;
}

bool client_name_email(struct slice name, char *out)
{
    ssize_t at = slice_find(name, '@');
    if (at <= 0 || name.len > TLS_CLIENT_NAME_MAX) {
        return false;
    }
    struct slice local = slice_part(name, 0, (size_t)at), domain = slice_from(name, (size_t)at + 1);
    if (!consists_of(local, ".!#$%&'*+-/=?^_`{|}~") || !name_has_labels(domain)) {
        return false;
    }
    write_same(slice_part(name, 0, (size_t)at + 1), out);
    write_lower(domain, out + at + 1);
    return true;
}

bool client_name_trust_domain(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != ascii_lower(name.ptr[i])) {
            return false;
        }
    }
    return name.len <= TRUST_DOMAIN_MAX && consists_of(name, ".-_");
}

bool client_name_spiffe(struct slice id, struct slice *ret_trust_domain)
{
    static const struct slice scheme = SLICE_INIT("spiffe://");
    struct slice rest = slice_from(id, scheme.len), domain, segment;
    if (id.len > SPIFFE_ID_MAX || !slice_starts_with(id, scheme) || !slice_next(&rest, '/', &domain) ||
        !client_name_trust_domain(domain) || rest.ptr == NULL) {
        return false; /* `rest` is nothing where no path follows: that names the trust domain, and no workload */
    }
    while (slice_next(&rest, '/', &segment)) {
        if (!consists_of(segment, ".-_") || slice_equal(segment, SLICE(".")) ||
            slice_equal(segment, SLICE(".."))) {
            return false;
        }
    }
    *ret_trust_domain = domain;
    return true;
}
