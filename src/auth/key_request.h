/* One GET with libcurl and all that it may not do: for key_fetch.c only.
 *
 * https, or http to loopback; the address is checked where the socket is opened, so that a name that resolves elsewhere
 * helps nobody. No redirects, proxies, user names, compression, cookies, HTTP/0.9; certificates are always verified. The
 * answer must be 200 and at most JWKS_TEXT_MAX bytes: more is cut off while it comes. */
#ifndef SALLYPORT_AUTH_KEY_REQUEST_H
#define SALLYPORT_AUTH_KEY_REQUEST_H

#include "base/buffer.h"
#include "base/error.h"
#include "tls/settings.h"

#include <curl/curl.h>

struct key_request {
    CURL *easy;
    CURLU *url;
    struct curl_slist *headers, *connect_to;
    bool loopback_only;
    bool too_large;
    size_t head_size;
    struct buffer body;
    char failure[CURL_ERROR_SIZE];
};

/* `tls` may be NULL; nothing of it, nor of the URL, is kept. The request must not move afterwards, and key_request_done
 * follows on failure, too. `timeout` in ns. */
struct error key_request_init(struct key_request *request, struct slice url,
                              const struct tls_client_settings *tls, int64_t timeout) MUST_CHECK;
void key_request_done(struct key_request *request);

/* Why it failed, good until done; NULL: `body` is the document. */
const char *key_request_failure(struct key_request *request, CURLcode code);

#endif
