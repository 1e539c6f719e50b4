#include "gateway/testament.h"

#include "base/secret.h"

#include <stdlib.h>

/* The ticket key, then key sets: a head of fixed size each, and its three texts. */
struct document_head {
    uint32_t name_size, source_size, text_size, reserved;
    int64_t failing_since, fetched_at;
};

struct testament {
    struct buffer text;
};

/* ---- writing ---- */

static void add_document(void *context, const struct key_document *document)
{
    struct buffer *out = context;
    struct document_head head = {
        .name_size = (uint32_t)document->issuer_name.len,
        .source_size = (uint32_t)document->source.len,
        .text_size = (uint32_t)document->text.len,
        .failing_since = document->failing_since,
        .fetched_at = document->fetched_at,
    };
    size_t size = sizeof head + document->issuer_name.len + document->source.len + document->text.len;
    if (buffer_reserve(out, size)) {
        /* With this much room none of them fails. */
        (void)(buffer_append(out, slice_of((const char *)&head, sizeof head)) &&
               buffer_append(out, document->issuer_name) && buffer_append(out, document->source) &&
               buffer_append(out, document->text));
    }
}

/* Growing leaves copies behind: the key goes in after everything else has its place. */
void testament_write(struct bequest *bequest, struct tls_tickets *tickets, const struct key_source *keys)
{
    struct buffer text;
    char room[TLS_TICKET_KEY_SIZE] = { 0 };
    buffer_init(&text, BEQUEST_SIZE / 2);
    if (buffer_append(&text, slice_of(room, sizeof room))) {
        key_source_export(keys, add_document, &text);
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
static bool take_document(struct slice *rest, struct key_document *out)
{
    struct slice part;
    struct document_head head;
    if (!take(rest, sizeof head, &part)) {
        return false;
    }
    memcpy(&head, part.ptr, sizeof head);
    out->issuer = SLICE_NONE;
    out->failing_since = head.failing_since;
    out->fetched_at = head.fetched_at;
    return take(rest, head.name_size, &out->issuer_name) && take(rest, head.source_size, &out->source) &&
           take(rest, head.text_size, &out->text);
}

void testament_give_keys(const struct testament *testament, struct key_source *keys)
{
    struct slice rest =
        testament != NULL ? slice_from(buffer_slice(&testament->text), TLS_TICKET_KEY_SIZE) : SLICE_NONE;
    struct key_document document;
    while (take_document(&rest, &document)) {
        key_source_inherit(keys, &document);
    }
}
