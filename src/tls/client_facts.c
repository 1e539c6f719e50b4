/* What a client's verified certificate says of it: read once per handshake, by type. */
#include "tls/client_name.h"
#include "tls/internal.h"

#include "base/limits.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#define SERIAL_MAX 40 /* hexadecimal digits: 20 octets (RFC 5280 section 4.1.2.2) */

/* A subject alternative name's type: how OpenSSL calls it, what is usable, and where it goes. */
static const struct name_type {
    int type;
    client_name_reader *read;
    size_t offset;
} name_types[] = {
    { GEN_DNS, client_name_dns, offsetof(struct tls_client_facts, dns) },
    { GEN_URI, client_name_uri, offsetof(struct tls_client_facts, uris) },
    { GEN_EMAIL, client_name_email, offsetof(struct tls_client_facts, emails) },
};

/* As it is read, before there is memory of the right size for all of it. */
struct draft {
    X509 *certificate;
    GENERAL_NAMES *names; /* NULL: none that count */
    size_t names_size;    /* bytes of them all */
    BIO *subject, *issuer;
    char serial[SERIAL_MAX];
    size_t serial_length;
};

static struct slice bytes_of(const ASN1_STRING *string)
{
    return slice_of((const char *)ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
}

/* NULL for a type that is none of ours. */
static const ASN1_STRING *text_of(const GENERAL_NAME *name)
{
    int type;
    const void *value = GENERAL_NAME_get0_value(name, &type);
    return type == GEN_DNS || type == GEN_URI || type == GEN_EMAIL ? value : NULL;
}

/* A certificate with more names than we hold has none: the first ones alone would be another certificate. */
static void take_names(struct draft *draft)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(draft->certificate, NID_subject_alt_name, NULL, NULL);
    size_t size = 0;
    int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
    for (int i = 0; i < count; i++) {
        const ASN1_STRING *text = text_of(sk_GENERAL_NAME_value(names, i));
        size += text != NULL ? bytes_of(text).len : 0;
    }
    if (count > TLS_CLIENT_NAMES_MAX || size > TLS_CLIENT_NAMES_SIZE) {
        GENERAL_NAMES_free(names);
        return;
    }
    draft->names = names;
    draft->names_size = size;
}

static bool is_plain(const ASN1_STRING *value)
{
    unsigned char *text = NULL;
    int length = ASN1_STRING_to_UTF8(&text, value);
    bool plain = length >= 0;
    for (int i = 0; plain && i < length; i++) {
        plain = text[i] >= ' ' && text[i] != 0x7f;
    }
    OPENSSL_free(text);
    return plain;
}

/* RFC 4514, as OpenSSL's RFC2253 writes it. NULL, which reads as no name, where a value is not plain text or all is too long: a
 * name that is cut could be taken for another. */
static BIO *print_name(const X509_NAME *name)
{
    char *bytes;
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        if (!is_plain(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)))) {
            return NULL;
        }
    }
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL && (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0 ||
                        BIO_get_mem_data(bio, &bytes) > TLS_CLIENT_DN_MAX)) {
        BIO_free(bio);
        bio = NULL;
    }
    return bio;
}

static struct slice printed(BIO *bio)
{
    char *bytes = NULL;
    long length = bio != NULL ? BIO_get_mem_data(bio, &bytes) : 0;
    return length > 0 ? slice_of(bytes, (size_t)length) : SLICE("");
}

static void take_serial(struct draft *draft)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(draft->certificate), NULL);
    char *text = number != NULL && BN_is_negative(number) == 0 ? BN_bn2hex(number) : NULL;
    size_t length = text != NULL ? strlen(text) : 0;
    if (length <= SERIAL_MAX) {
        for (size_t i = 0; i < length; i++) {
            draft->serial[i] = ascii_lower(text[i]);
        }
        draft->serial_length = length;
    }
    OPENSSL_free(text);
    BN_free(number);
}

static void draft_done(struct draft *draft)
{
    GENERAL_NAMES_free(draft->names);
    BIO_free(draft->subject);
    BIO_free(draft->issuer);
}

/* Where the rest of the memory begins. */
struct room {
    struct slice *items;
    char *text;
};

static struct slice keep(struct room *room, struct slice text)
{
    struct slice kept = slice_of(room->text, text.len);
    if (text.len > 0) {
        memcpy(room->text, text.ptr, text.len);
        room->text += text.len;
    }
    return kept;
}

static void keep_names(struct room *room, const GENERAL_NAMES *names, const struct name_type *type,
                       struct tls_client_names *out)
{
    out->items = room->items;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int found;
        const ASN1_STRING *text = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &found);
        if (found == type->type && type->read(bytes_of(text), room->text)) {
            *room->items++ = slice_of(room->text, bytes_of(text).len);
            room->text += bytes_of(text).len;
            out->count++;
        }
    }
}

static int count_of(const GENERAL_NAMES *names, int type)
{
    int count = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        count += sk_GENERAL_NAME_value(names, i)->type == type ? 1 : 0;
    }
    return count;
}

/* X509-SVID section 5.2: the one URI of a leaf that may sign neither certificates nor revocation lists. One that is not usable
 * counts too, so that a second one never goes unseen. */
static struct slice spiffe_id_of(const struct draft *draft, const struct tls_client_facts *facts)
{
    struct slice domain;
    uint32_t usage = X509_get_key_usage(draft->certificate);
    bool signs = usage != UINT32_MAX && (usage & (X509v3_KU_KEY_CERT_SIGN | X509v3_KU_CRL_SIGN)) != 0;
    bool is_ca = (X509_get_extension_flags(draft->certificate) & EXFLAG_CA) != 0;
    bool is_one = facts->uris.count == 1 && count_of(draft->names, GEN_URI) == 1 &&
                  client_name_spiffe(facts->uris.items[0], &domain);
    return is_one && !signs && !is_ca ? facts->uris.items[0] : SLICE("");
}

static struct tls_client_facts *fill(const struct draft *draft, const struct tls_client_facts *fixed)
{
    struct slice subject = printed(draft->subject), issuer = printed(draft->issuer);
    size_t count = draft->names != NULL ? (size_t)sk_GENERAL_NAME_num(draft->names) : 0;
    struct tls_client_record *record = malloc(sizeof *record + count * sizeof(struct slice) + subject.len +
                                              issuer.len + draft->serial_length + draft->names_size);
    if (record == NULL) {
        return NULL;
    }
    struct tls_client_facts *facts = &record->facts;
    *facts = *fixed;
    struct room room = { .items = (struct slice *)(record + 1) };
    room.text = (char *)(room.items + count);
    facts->subject = keep(&room, subject);
    facts->issuer = keep(&room, issuer);
    facts->serial = keep(&room, slice_of(draft->serial, draft->serial_length));
    for (size_t i = 0; i < sizeof name_types / sizeof *name_types; i++) {
        keep_names(&room, draft->names, &name_types[i],
                   (struct tls_client_names *)((char *)facts + name_types[i].offset));
    }
    facts->spiffe_id = spiffe_id_of(draft, facts);
    return facts;
}

struct tls_client_facts *tls_client_facts_new(X509 *certificate)
{
    struct tls_client_facts fixed = { 0 };
    unsigned int size = sizeof fixed.thumbprint;
    struct tm not_after;
    if (X509_digest(certificate, EVP_sha256(), fixed.thumbprint, &size) != 1 ||
        ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &not_after) != 1) {
        return NULL;
    }
    fixed.not_after = timegm(&not_after);
    struct draft draft = { .certificate = certificate };
    take_names(&draft);
    take_serial(&draft);
    draft.subject = print_name(X509_get_subject_name(certificate));
    draft.issuer = print_name(X509_get_issuer_name(certificate));
    struct tls_client_facts *facts = fill(&draft, &fixed);
    draft_done(&draft);
    ERR_clear_error(); /* a name that does not parse is none */
    return facts;
}

void tls_client_facts_free(struct tls_client_facts *facts)
{
    if (facts != NULL) {
        free(tls_client_record_of(facts));
    }
}
