#include "gateway/testament.h"

#include "base/secret.h"

#include <stdlib.h>

enum document_kind {
    DOCUMENT_KEYS,
    DOCUMENT_ENDPOINTS, /* without times; a program that does not know it finds no issuer of that source */
};

/* The ticket key, then key sets, then endpoints: a head of fixed size each, and its three texts. */
struct document_head {
    uint32_t name_size, source_size, text_size, kind;
    int64_t failing_since, fetched_at;
};

struct testament {
    struct buffer text;
};

/* ---- writing ---- */

/* With this much room none of them fails. */
static void add_document(struct buffer *out, const struct document_head *head, const struct slice texts[3])
{
    if (buffer_reserve(out, sizeof *head + texts[0].len + texts[1].len + texts[2].len)) {
        (void)(buffer_append(out, slice_of((const char *)head, sizeof *head)) &&
               buffer_append(out, texts[0]) && buffer_append(out, texts[1]) && buffer_append(out, texts[2]));
    }
}

static void add_keys(void *context, const struct key_document *document)
{
    const struct slice texts[] = { document->issuer_name, document->source, document->text };
    const struct document_head head = {
        .name_size = (uint32_t)texts[0].len,
        .source_size = (uint32_t)texts[1].len,
        .text_size = (uint32_t)texts[2].len,
        .failing_since = document->failing_since,
        .fetched_at = document->fetched_at,
    };
    add_document(context, &head, texts);
}

static void add_endpoints(void *context, const struct discovery_estate *estate)
{
    const struct slice texts[] = { estate->upstream, estate->source, estate->text };
    const struct document_head head = {
        .name_size = (uint32_t)texts[0].len,
        .source_size = (uint32_t)texts[1].len,
        .text_size = (uint32_t)texts[2].len,
        .kind = DOCUMENT_ENDPOINTS,
    };
    add_document(context, &head, texts);
}

/* Growing leaves copies behind: the key goes in after everything else has its place. */
void testament_write(struct bequest *bequest, struct tls_tickets *tickets, const struct key_source *keys,
                     const struct discovery *discovery)
{
    struct buffer text;
    char room[TLS_TICKET_KEY_SIZE] = { 0 };
    buffer_init(&text, BEQUEST_SIZE / 2);
    if (buffer_append(&text, slice_of(room, sizeof room))) {
        key_source_export(keys, add_keys, &text);
        discovery_export(discovery, add_endpoints, &text);
        tls_tickets_export(tickets, (unsigned char *)text.data + text.begin);
        (void)bequest_write(bequest,
                            buffer_slice(&text)); /* where it does not fit the next one starts afresh */
        secret_wipe(text.data + text.begin, TLS_TICKET_KEY_SIZE);
    }
    buffer_done(&text);
}

/* ---- reading ---- */

struct testament *testament_read(int fd)
{
    struct testament *testament = calloc(1, sizeof *testament);
    if (testament == NULL) {
        return NULL;
    }
    buffer_init(&testament->text, BEQUEST_SIZE);
    if (!bequest_read(fd, &testament->text) || buffer_length(&testament->text) < TLS_TICKET_KEY_SIZE) {
        testament_free(testament);
        return NULL;
    }
    return testament;
}

void testament_free(struct testament *testament)
{
    if (testament != NULL) {
        if (testament->text.data != NULL) {
            secret_wipe(testament->text.data, testament->text.capacity);
        }
        buffer_done(&testament->text);
        free(testament);
    }
}

void testament_give_tickets(const struct testament *testament, struct tls_tickets *tickets)
{
    if (testament != NULL) {
        tls_tickets_inherit(tickets, (const unsigned char *)buffer_slice(&testament->text).ptr);
    }
}

static bool take(struct slice *rest, size_t size, struct slice *ret_part)
{
    if (size > rest->len) {
        return false;
    }
    *ret_part = slice_part(*rest, 0, size);
    *rest = slice_from(*rest, size);
    return true;
}

/* The other process may have written anything. */
static bool take_document(struct slice *rest, uint32_t *ret_kind, struct key_document *out)
{
    struct slice part;
    struct document_head head;
    if (!take(rest, sizeof head, &part)) {
        return false;
    }
    memcpy(&head, part.ptr, sizeof head);
    *ret_kind = head.kind;
    out->issuer = SLICE_NONE;
    out->failing_since = head.failing_since;
    out->fetched_at = head.fetched_at;
    return take(rest, head.name_size, &out->issuer_name) && take(rest, head.source_size, &out->source) &&
           take(rest, head.text_size, &out->text);
}

static struct slice documents_of(const struct testament *testament)
{
    return testament != NULL ? slice_from(buffer_slice(&testament->text), TLS_TICKET_KEY_SIZE) : SLICE_NONE;
}

void testament_give_keys(const struct testament *testament, struct key_source *keys)
{
    uint32_t kind;
    struct key_document document;
    for (struct slice rest = documents_of(testament); take_document(&rest, &kind, &document);) {
        if (kind == DOCUMENT_KEYS) {
            key_source_inherit(keys, &document);
        }
    }
}

void testament_give_endpoints(const struct testament *testament, struct discovery *discovery)
{
    uint32_t kind;
    struct key_document document;
    for (struct slice rest = documents_of(testament); take_document(&rest, &kind, &document);) {
        if (kind == DOCUMENT_ENDPOINTS) {
            const struct discovery_estate estate = { document.issuer_name, document.source, document.text };
            discovery_inherit(discovery, &estate);
        }
    }
}
