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
    bool keep;                             /* the connection may serve the next one */
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
    char failure[CURL_ERROR_SIZE];
};

/* Nothing of the options is kept. The request must not move afterwards, and fetch_request_done follows on failure, too. */
struct error fetch_request_init(struct fetch_request *request,
                                const struct fetch_options *options) MUST_CHECK;
void fetch_request_done(struct fetch_request *request);

/* Why it failed, good until done; NULL: `body` is the document. */
const char *fetch_request_failure(struct fetch_request *request, CURLcode code);

#endif
