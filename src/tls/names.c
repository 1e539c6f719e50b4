#include "tls/internal.h"

#include "net/address.h"
#include "net/name.h"

#include <openssl/x509v3.h>
#include <stdlib.h>

#define HOSTS_MAX 1000 /* of one certificate */

bool tls_host_normalise(struct slice host, struct arena *arena, struct slice *ret_host)
{
    struct address address;
    if (address_parse(host, &address)) {
        char text[ADDRESS_TEXT_MAX];
        size_t size = address_format(&address, text);
        *ret_host = arena_copy(arena, slice_of(text, size));
        return ret_host->ptr != NULL;
    }
    if (slice_ends_with(host, SLICE("."))) {
        host.len--;
    }
    /* The only wildcard: a whole left-most label (RFC 6125 section 6.4.3, RFC 9525 section 6.3). */
    if (!name_has_labels(slice_starts_with(host, SLICE("*.")) ? slice_from(host, 2) : host)) {
        return false;
    }
    struct slice copy = arena_copy(arena, host);
    if (copy.ptr == NULL) {
        return false;
    }
    char *text = (char *)copy.ptr; /* our own */
    for (size_t i = 0; i < copy.len; i++) {
        text[i] = ascii_lower(text[i]);
    }
    *ret_host = copy;
    return true;
}

static bool text_of_name(const GENERAL_NAME *name, char address_text[ADDRESS_TEXT_MAX],
                         struct slice *ret_text)
{
    if (name->type == GEN_DNS) {
        *ret_text = slice_of((const char *)ASN1_STRING_get0_data(name->d.dNSName),
                             (size_t)ASN1_STRING_length(name->d.dNSName));
        return true;
    }
    if (name->type != GEN_IPADD) {
        return false;
    }
    const unsigned char *bytes = ASN1_STRING_get0_data(name->d.iPAddress);
    int size = ASN1_STRING_length(name->d.iPAddress);
    struct address address = { .bytes = { [10] = 0xff, [11] = 0xff } };
    if (size != 4 && size != 16) {
        return false;
    }
    memcpy(address.bytes + 16 - size, bytes, (size_t)size);
    *ret_text = slice_of(address_text, address_format(&address, address_text));
    return true;
}

/* The certificate's own names; what is no host name ("f*.example.com") serves none. */
static struct error hosts_of_leaf(X509 *leaf, struct arena *arena, struct conf_strings *hosts)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
    count = count > HOSTS_MAX ? HOSTS_MAX + 1 : count;
    hosts->items = arena_calloc(arena, (size_t)count, sizeof *hosts->items);
    for (int i = 0; hosts->items != NULL && i < count; i++) {
        char address_text[ADDRESS_TEXT_MAX];
        struct slice text;
        if (text_of_name(sk_GENERAL_NAME_value(names, i), address_text, &text) &&
            tls_host_normalise(text, arena, &hosts->items[hosts->count])) {
            hosts->count++;
        }
    }
    GENERAL_NAMES_free(names);
    if (count > HOSTS_MAX) {
        return FAIL(ERROR_LIMIT, "`cert` names too many hosts");
    }
    if (hosts->count == 0) {
        return FAIL(ERROR_VALUE,
                    "`cert` names no host (subject alternative name): `hosts` must say which it serves");
    }
    return OK;
}

static struct error hosts_of_list(const struct conf_strings *stated, struct arena *arena,
                                  struct conf_strings *hosts)
{
    if (stated->count > HOSTS_MAX) {
        return FAIL(ERROR_LIMIT, "`hosts` names too many hosts");
    }
    hosts->items = arena_calloc(arena, stated->count, sizeof *hosts->items);
    if (hosts->items == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    for (; hosts->count < stated->count; hosts->count++) {
        if (!tls_host_normalise(stated->items[hosts->count], arena, &hosts->items[hosts->count])) {
            return FAIL(ERROR_VALUE, "`hosts` holds what is neither a host name nor \"*.\" and a host name");
        }
    }
    return OK;
}

static int compare(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

struct error tls_hosts_of(const struct conf_strings *stated, X509 *leaf, struct arena *arena,
                          struct conf_strings *ret_hosts)
{
    struct conf_strings hosts = { 0 };
    TRY(stated->count > 0 ? hosts_of_list(stated, arena, &hosts) : hosts_of_leaf(leaf, arena, &hosts));
    qsort(hosts.items, hosts.count, sizeof *hosts.items, compare);
    size_t kept = 1;
    for (size_t i = 1; i < hosts.count; i++) {
        if (!slice_equal(hosts.items[i], hosts.items[kept - 1])) {
            hosts.items[kept++] = hosts.items[i];
        }
    }
    hosts.count = kept;
    *ret_hosts = hosts;
    return OK;
}
