/* One request with libcurl and all that it may not do: for fetch.c only.
 *
 * https, or http to loopback; to any address where the host was configured, and to public ones only where it was not (an URL
 * that somebody else named could lead into the network that the gateway stands in); the address is checked where the socket
 * is opened, so that a name that resolves elsewhere helps nobody. No redirects, proxies, user names, compression, cookies,
 * HTTP/0.9; certificates are always verified. The answer must be 200 and within the maximum: more is cut off while it comes. */
#ifndef SALLYPORT_FETCH_REQUEST_H
#define SALLYPORT_FETCH_REQUEST_H

#include "base/buffer.h"
#include "base/error.h"
#include "tls/settings.h"

#include <curl/curl.h>

/* A form, sent by POST. A secret: it is wiped when the request is done. */
struct fetch_form {
    struct slice body;          /* application/x-www-form-urlencoded */
    struct slice authorization; /* the field's value; empty: none */
};

/* An answer without an end, which is handed over as it comes and not kept. Neither callback may start or cancel a fetch. */
struct fetch_stream {
    void (*begun)(void *context);                    /* its head is there, and says 200 */
    bool (*take)(void *context, struct slice piece); /* false: that is enough, and the fetch fails */
    void *context;
};

/* What to fetch, and how. */
struct fetch_options {
    struct slice url;
    struct slice
        home; /* whose host was configured, where `url` was not; empty: `url` was configured itself */
    const struct tls_client_settings *tls; /* NULL: the system's */
    int64_t timeout;                       /* ns */
    size_t maximum;                        /* bytes of the document */
    const char *accept;                    /* the field Accept, whole */
    const char *content_type;              /* the document's, without parameters; NULL: any */
    const struct fetch_form *form;         /* what is sent; NULL: nothing, by GET */
    struct slice authorization;            /* without a form: the field's value, a secret; empty: none */
    const struct fetch_stream *stream;     /* NULL: the body is kept; else `maximum` is of a refusal's */
    int64_t
        connect_timeout; /* ns: the answer may come long after the question. The connection is probed meanwhile, and fails after half
                                a minute without a sign of life; 0: as `timeout`, and it is not */
    bool keep; /* the connection may serve the next one */
};

struct fetch_request {
    CURL *easy;
    CURLU *url;
    struct curl_slist *headers, *connect_to;
    bool loopback_only, public_only;
    bool refused; /* an address that is not public */
    bool too_large;
    size_t head_size;
    struct buffer body;
    char *form; /* what is sent, form_size bytes; NULL: nothing */
    size_t form_size;
    const char *content_type;
    struct fetch_stream stream;
    bool streams;
    bool probed; /* the connection is, while the answer is waited for */
    char failure[CURL_ERROR_SIZE];
};

/* Nothing of the options is kept. The request must not move afterwards, and fetch_request_done follows on failure, too. */
struct error fetch_request_init(struct fetch_request *request,
                                const struct fetch_options *options) MUST_CHECK;
void fetch_request_done(struct fetch_request *request);

/* Why it failed, good until done; NULL: `body` is the document. */
const char *fetch_request_failure(struct fetch_request *request, CURLcode code);
/* A field of the response's head, good until done; empty: there is none. */
struct slice fetch_request_field(const struct fetch_request *request, const char *name);

#endif
