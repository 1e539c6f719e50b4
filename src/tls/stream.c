#include "tls/internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Bytes that a record is filled with from several parts lie on the stack, and need no zeroing. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define UNINITIALISED __attribute__((uninitialized))
#endif
#endif
#ifndef UNINITIALISED
#define UNINITIALISED
#endif

static struct tls_state *state_of(const struct stream *stream)
{
    return stream->tls;
}

/* Which readiness stands for reading and for writing has changed: what is watched follows at once. */
static void set_needs(struct stream *stream, bool read_needs_write, bool write_needs_read)
{
    if (stream->read_needs_write != read_needs_write || stream->write_needs_read != write_needs_read) {
        stream->read_needs_write = read_needs_write;
        stream->write_needs_read = write_needs_read;
        stream_want(stream, stream->wanted);
    }
}

/* Why it failed; all of it static text. */
static const char *reason_text(const struct tls_state *state, unsigned long code, int reason, int number,
                               const char **ret_prefix)
{
    const char *text = "closed by the peer";
    *ret_prefix = "";
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        *ret_prefix = "certificate verify failed: ";
        text = X509_verify_cert_error_string(SSL_get_verify_result(state->ssl));
    } else if (code != 0) {
        text = ERR_reason_error_string(code);
    } else if (reason == SSL_ERROR_SYSCALL && number != 0) {
        text = strerrordesc_np(number);
    }
    return text != NULL ? text : "TLS failed";
}

void tls_object(struct tls_state *state, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    free(state->failure);
    if (vasprintf(&state->failure, format, arguments) < 0) {
        state->failure = NULL;
    }
    va_end(arguments);
}

static const char *own_text(const struct tls_state *state)
{
    static const char *const texts[] = {
        [TLS_OWN_SHOWN] = "it may not take the client certificate that it was shown (tls.cert)",
        [TLS_OWN_MISSING] = "it asks for a client certificate, and none is configured (tls.cert)",
        [TLS_OWN_EXPIRED] = "the client certificate that it asked for (tls.cert) has expired",
    };
    return texts[state->own];
}

/* Before anything else touches errno and OpenSSL's queue. */
static enum stream_result fail(struct tls_state *state, int reason)
{
    int number = errno;
    const char *prefix, *own = own_text(state);
    unsigned long code = ERR_peek_error();
    const char *text = reason_text(state, code, reason, number, &prefix);
    state->dead = true;
    state->refused = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET;
    if (state->failure == NULL) {
        tls_object(state, "%s%s%s%s", prefix, text, own != NULL ? ": " : "", own != NULL ? own : "");
    }
    ERR_clear_error();
    return STREAM_FAILED;
}

static void note_trust(struct tls_state *state)
{
    struct tls_client_record *record = tls_client_record_of(state->client);
    record->trust = state->certificate->trust;
    record->server_trust = tls_server_trust(state->server);
    record->lists_until = tls_crls_until(&state->certificate->crls, SSL_get0_verified_chain(state->ssl));
    state->client->state = state;
}

/* NULL: none was given and verified, or no memory to say so. */
static const struct tls_client_facts *client_facts(struct tls_state *state)
{
    X509 *certificate = SSL_get0_peer_certificate(state->ssl);
    if (state->client == NULL && state->certificate != NULL && certificate != NULL &&
        SSL_get_verify_result(state->ssl) == X509_V_OK) {
        state->client = tls_client_facts_new(certificate);
        if (state->client != NULL) {
            note_trust(state);
        }
    }
    return state->client;
}

/* Told by OpenSSL and not kept here: the connection keeps it. */
void tls_facts_of(const struct stream *stream, struct tls_facts *out)
{
    struct tls_state *state = state_of(stream);
    const unsigned char *alpn = NULL;
    unsigned int alpn_size = 0;
    if (!state->complete) {
        *out = (struct tls_facts){ .policy = TLS_POLICY_NONE };
        return;
    }
    SSL_get0_alpn_selected(state->ssl, &alpn, &alpn_size);
    *out = (struct tls_facts){
        .server_name = slice_from_string(state->server_name),
        .alpn = slice_of((const char *)alpn, alpn_size),
        .version = SSL_get_version(state->ssl),
        .cipher = SSL_get_cipher_name(state->ssl),
        .policy = state->certificate != NULL ? state->certificate->policy : TLS_POLICY_NONE,
        .client_mode = state->certificate != NULL ? state->certificate->mode : TLS_CLIENT_NONE,
        .client = client_facts(state),
        .resumed = SSL_session_reused(state->ssl) == 1,
    };
    ERR_clear_error();
}

static enum stream_result tls_handshake(struct stream *stream)
{
    struct tls_state *state = state_of(stream);
    if (state->complete) {
        return STREAM_OK;
    }
    if (state->dead) {
        return STREAM_FAILED;
    }
    ERR_clear_error();
    errno = 0;
    int done = SSL_do_handshake(state->ssl);
    if (done == 1) {
        state->complete = true;
        set_needs(stream, false, false);
        return STREAM_OK;
    }
    int reason = SSL_get_error(state->ssl, done);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
        set_needs(stream, reason == SSL_ERROR_WANT_WRITE, reason == SSL_ERROR_WANT_READ);
        return STREAM_AGAIN;
    }
    return fail(state, reason);
}

static enum stream_result tls_read(struct stream *stream, void *out, size_t size, size_t *ret_size)
{
    struct tls_state *state = state_of(stream);
    if (!state->complete) {
        enum stream_result result = tls_handshake(stream);
        if (result != STREAM_OK) {
            return result;
        }
    }
    if (state->dead) {
        return STREAM_FAILED;
    }
    ERR_clear_error();
    errno = 0;
    if (SSL_read_ex(state->ssl, out, size, ret_size) == 1) {
        state->read_blocked = false;
        set_needs(stream, false, stream->write_needs_read);
        return STREAM_OK;
    }
    int reason = SSL_get_error(state->ssl, 0);
    switch (reason) {
    case SSL_ERROR_WANT_READ:
        state->read_blocked = true;
        set_needs(stream, false, stream->write_needs_read);
        return STREAM_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        set_needs(stream, true, stream->write_needs_read);
        return STREAM_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_END;
    default:
        /* An end without close_notify is here, too: somebody may have cut the stream (RFC 8446 section 6.1). */
        return fail(state, reason);
    }
}

/* Fills `record` with the bytes from `offset` of part `index` on; returns how many. */
static size_t gather(char *record, const struct iovec *parts, int count, int index, size_t offset)
{
    size_t size = 0;
    for (; index < count && size < TLS_RECORD_MAX; index++, offset = 0) {
        size_t part = parts[index].iov_len - offset;
        if (part > TLS_RECORD_MAX - size) {
            part = TLS_RECORD_MAX - size;
        }
        if (part > 0) {
            memcpy(record + size, (const char *)parts[index].iov_base + offset, part);
            size += part;
        }
    }
    return size;
}

static bool write_piece(struct tls_state *state, const void *data, size_t size, bool more_follows,
                        size_t *ret_size)
{
    ERR_clear_error();
    errno = 0;
    state->more_follows = more_follows;
    bool done = SSL_write_ex(state->ssl, data, size, ret_size) == 1;
    state->more_follows = false; /* what OpenSSL writes for itself goes out at once */
    return done;
}

static size_t length_of(const struct iovec *parts, int count, int index, size_t offset)
{
    size_t length = 0;
    for (; index < count; index++) {
        length += parts[index].iov_len;
    }
    return length - offset;
}

/* One record; several small parts share one, so that head and body do not cost two. */
static bool write_record(struct tls_state *state, const struct iovec *parts, int count, int index,
                         size_t offset, size_t *ret_size)
{
    const char *data = (const char *)parts[index].iov_base + offset;
    size_t size = parts[index].iov_len - offset;
    bool more = length_of(parts, count, index, offset) > TLS_RECORD_MAX;
    if (index + 1 == count || size >= TLS_RECORD_MAX) {
        return write_piece(state, data, size < TLS_RECORD_MAX ? size : TLS_RECORD_MAX, more, ret_size);
    }
    char record[TLS_RECORD_MAX] UNINITIALISED;
    return write_piece(state, record, gather(record, parts, count, index, offset), more, ret_size);
}

static enum stream_result write_outcome(struct stream *stream, struct tls_state *state)
{
    int reason = SSL_get_error(state->ssl, 0);
    if (reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ) {
        set_needs(stream, stream->read_needs_write, reason == SSL_ERROR_WANT_READ);
        return STREAM_AGAIN;
    }
    return fail(state, reason);
}

static enum stream_result tls_write(struct stream *stream, const struct iovec *parts, int count,
                                    size_t *ret_size)
{
    struct tls_state *state = state_of(stream);
    if (!state->complete || state->dead) {
        return STREAM_FAILED;
    }
    size_t total = 0, offset = 0;
    int index = 0;
    for (;;) {
        while (index < count && offset >= parts[index].iov_len) {
            offset -= parts[index].iov_len;
            index++;
        }
        if (index == count) {
            break;
        }
        size_t written = 0;
        if (!write_record(state, parts, count, index, offset, &written)) {
            enum stream_result result = write_outcome(stream, state);
            if (result == STREAM_AGAIN && total > 0) {
                break; /* the record that waits is written by the next call */
            }
            return result;
        }
        total += written;
        offset += written;
        set_needs(stream, stream->read_needs_write, false);
    }
    *ret_size = total;
    return STREAM_OK;
}

static enum stream_result tls_shutdown(struct stream *stream)
{
    struct tls_state *state = state_of(stream);
    if (state->complete && !state->dead) {
        ERR_clear_error();
        errno = 0;
        int done = SSL_shutdown(state->ssl);
        int reason = done < 0 ? SSL_get_error(state->ssl, done) : SSL_ERROR_NONE;
        /* An alert leaves its record's buffer behind, and thousands of quiet connections may end at once. */
        SSL_free_buffers(state->ssl);
        if (reason == SSL_ERROR_WANT_WRITE) {
            set_needs(stream, stream->read_needs_write, false);
            return STREAM_AGAIN;
        }
        if (done < 0 && reason != SSL_ERROR_WANT_READ) {
            (void)fail(state, reason); /* the end of the connection says it just as well */
        }
    }
    return stream_plain_ops.shutdown(stream);
}

static bool tls_pending(const struct stream *stream)
{
    const struct tls_state *state = state_of(stream);
    return state->complete && !state->dead && !state->read_blocked && SSL_has_pending(state->ssl) == 1;
}

static void tls_free(struct stream *stream)
{
    struct tls_state *state = state_of(stream);
    SSL_free(state->ssl);
    if (state->server != NULL) {
        tls_server_free(state->server);
    }
    free(state->server_name);
    tls_client_facts_free(state->client);
    free(state->failure);
    free(state);
    stream->tls = NULL;
}

static const struct stream_ops tls_ops = {
    .name = "tls",
    .handshake = tls_handshake,
    .read = tls_read,
    .write = tls_write,
    .shutdown = tls_shutdown,
    .pending = tls_pending,
    .free = tls_free,
};

struct error tls_attach(struct stream *stream, SSL_CTX *context, struct tls_server *server,
                        struct tls_state **ret_state)
{
    struct tls_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    state->stream = stream;
    state->ssl = SSL_new(context);
    if (state->ssl == NULL || !tls_transport_attach(state)) {
        SSL_free(state->ssl);
        free(state);
        ERR_clear_error();
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    if (server != NULL) {
        tls_server_ref(server);
        state->server = server;
    }
    stream->tls = state;
    stream->ops = &tls_ops;
    *ret_state = state;
    return OK;
}

static const struct tls_state *known_state(const struct stream *stream)
{
    return stream->ops == &tls_ops ? state_of(stream) : NULL;
}

const char *tls_failure(const struct stream *stream)
{
    const struct tls_state *state = known_state(stream);
    return state == NULL            ? "no TLS"
           : state->failure != NULL ? state->failure
           : state->dead            ? "TLS failed"
                                    : "no failure";
}

bool tls_is_refused(const struct stream *stream)
{
    const struct tls_state *state = known_state(stream);
    return state != NULL && state->refused;
}

const char *tls_own_fault(const struct stream *stream)
{
    const struct tls_state *state = known_state(stream);
    return state != NULL ? own_text(state) : NULL;
}
