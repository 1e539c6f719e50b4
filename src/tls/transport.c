/* What OpenSSL reads from and writes to: the stream's socket, without SIGPIPE, and told when more records follow at once. */
#include "tls/internal.h"

#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <sys/socket.h>

static BIO_METHOD *method;

static bool should_retry(ssize_t result)
{
    return result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

static int transport_read(BIO *bio, char *out, int size)
{
    const struct tls_state *state = BIO_get_data(bio);
    BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY | BIO_FLAGS_IN_EOF);
    ssize_t got = recv(state->stream->fd, out, (size_t)size, 0);
    if (should_retry(got)) {
        BIO_set_retry_read(bio);
    } else if (got == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF); /* without close_notify: OpenSSL makes it an error */
    }
    return (int)got;
}

static int transport_write(BIO *bio, const char *data, int size)
{
    const struct tls_state *state = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    /* The kernel makes one large packet of several records: each packet has a price, for us and for the peer. */
    ssize_t put =
        send(state->stream->fd, data, (size_t)size, MSG_NOSIGNAL | (state->more_follows ? MSG_MORE : 0));
    if (should_retry(put)) {
        BIO_set_retry_write(bio);
    }
    return (int)put;
}

static long transport_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH: /* nothing is held back here */
    case BIO_CTRL_DUP:
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default:
        return 0;
    }
}

static void make_method(void)
{
    int type = BIO_get_new_index();
    BIO_METHOD *fresh = type == -1 ? NULL : BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "stream");
    if (fresh != NULL && BIO_meth_set_read(fresh, transport_read) == 1 &&
        BIO_meth_set_write(fresh, transport_write) == 1 && BIO_meth_set_ctrl(fresh, transport_control) == 1) {
        method = fresh;
    } else {
        BIO_meth_free(fresh);
    }
}

bool tls_transport_attach(struct tls_state *state)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, state);
    BIO_set_init(bio, 1);
    SSL_set_bio(state->ssl, bio, bio); /* takes it */
    return true;
}

struct tls_state *tls_state_of(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}
