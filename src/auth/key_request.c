#include "auth/key_request.h"

#include "base/clock.h"
#include "base/limits.h"
#include "net/address.h"

#include <stdio.h>

#define URL_MAX  2048
#define HEAD_MAX (64 * 1024) /* bytes of the response's head */
#define HOST_MAX 256

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    struct key_request *request = context;
    (void)one;
    request->too_large = !buffer_append(&request->body, slice_of(data, size));
    return request->too_large ? 0 : size;
}

static size_t on_head(char *data, size_t one, size_t size, void *context)
{
    struct key_request *request = context;
    (void)data;
    (void)one;
    request->head_size += size;
    return request->head_size <= HEAD_MAX ? size : 0;
}

static bool is_loopback(const struct address *address)
{
    static const unsigned char v6[16] = { [15] = 1 };
    return address_is_v4(address) ? address->bytes[12] == 127 : memcmp(address->bytes, v6, sizeof v6) == 0;
}

/* The address that is connected to, whatever the name said. */
static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    const struct key_request *request = context;
    struct address address;
    if (purpose != CURLSOCKTYPE_IPCXN || !address_from_sockaddr(&to->addr, &address) ||
        (request->loopback_only && !is_loopback(&address))) {
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);
}

/* Copies a part of the URL out of libcurl's memory. */
static bool url_part(CURLU *url, CURLUPart part, unsigned int flags, char *out, size_t size)
{
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK) {
        return false;
    }
    size_t length = strlen(text);
    bool fits = length < size;
    if (fits) {
        memcpy(out, text, length + 1);
    }
    curl_free(text);
    return fits;
}

static struct error parse_url(struct key_request *request, struct slice url)
{
    char text[URL_MAX], scheme[16], host[HOST_MAX];
    if (url.len >= sizeof text || slice_find(url, '\0') >= 0) {
        return FAIL(ERROR_LIMIT, "the URL is too long");
    }
    memcpy(text, url.ptr, url.len);
    text[url.len] = '\0';
    request->url = curl_url();
    if (request->url == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    if (curl_url_set(request->url, CURLUPART_URL, text, CURLU_DISALLOW_USER) != CURLUE_OK ||
        !url_part(request->url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) ||
        !url_part(request->url, CURLUPART_HOST, 0, host, sizeof host)) {
        return FAIL(ERROR_SYNTAX, "the URL is malformed");
    }
    request->loopback_only = strcmp(scheme, "http") == 0;
    if (!request->loopback_only && strcmp(scheme, "https") != 0) {
        return FAIL(ERROR_VALUE, "the URL is not https");
    }
    struct address address;
    bool loopback = address_parse(slice_from_string(host), &address)
                        ? is_loopback(&address)
                        : slice_equal_nocase(slice_from_string(host), SLICE("localhost"));
    if (request->loopback_only && !loopback) {
        return FAIL(ERROR_VALUE, "http is for loopback only: https is needed");
    }
    return OK;
}

/* Another name to ask for and to verify: the URL gets it, while the connection and the Host field keep the URL's host. */
static struct error use_server_name(struct key_request *request, struct slice name)
{
    char host[HOST_MAX], port[8], line[2 * HOST_MAX], own[HOST_MAX];
    if (name.len >= sizeof own || !url_part(request->url, CURLUPART_HOST, 0, host, sizeof host) ||
        !url_part(request->url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port)) {
        return FAIL(ERROR_VALUE, "`server_name` or the URL's host is too long");
    }
    memcpy(own, name.ptr, name.len);
    own[name.len] = '\0';
    snprintf(line, sizeof line, "::%s:%s", host, port);
    request->connect_to = curl_slist_append(NULL, line);
    snprintf(line, sizeof line, strcmp(port, "443") == 0 ? "Host: %s" : "Host: %s:%s", host, port);
    struct curl_slist *headers = curl_slist_append(request->headers, line);
    request->headers = headers != NULL ? headers : request->headers;
    if (request->connect_to == NULL || headers == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    return curl_url_set(request->url, CURLUPART_HOST, own, 0) == CURLUE_OK
               ? OK
               : FAIL(ERROR_VALUE, "`server_name` is no host name");
}

static bool set_blob(CURL *easy, CURLoption option, struct slice text)
{
    struct curl_blob blob = { .data = (void *)text.ptr, .len = text.len, .flags = CURL_BLOB_COPY };
    return curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

static struct error set_tls(struct key_request *request, const struct tls_client_settings *tls)
{
    CURL *easy = request->easy;
    long oldest =
        tls != NULL && tls->min_version == TLS_1_3 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2;
    bool good = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_SSLVERSION, oldest) == CURLE_OK;
    if (tls != NULL && (tls->ca.len > 0 || tls->ca_pem.len > 0)) {
        if (tls->ca_pem.len == 0) {
            return FAIL(ERROR_VALUE, "the CA file is empty");
        }
        /* Without the directory of the system's certificates, which would be trusted besides. */
        good = good && set_blob(easy, CURLOPT_CAINFO_BLOB, tls->ca_pem) &&
               curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    }
    if (tls != NULL &&
        (tls->cert.len > 0 || tls->cert_pem.len > 0 || tls->key.len > 0 || tls->key_pem.len > 0)) {
        if (tls->cert_pem.len == 0 || tls->key_pem.len == 0) {
            return FAIL(ERROR_VALUE, "`cert` and `key` need each other");
        }
        good = good && set_blob(easy, CURLOPT_SSLCERT_BLOB, tls->cert_pem) &&
               set_blob(easy, CURLOPT_SSLKEY_BLOB, tls->key_pem);
    }
    if (tls != NULL && tls->server_name.len > 0 && !request->loopback_only) {
        TRY(use_server_name(request, tls->server_name));
    }
    return good ? OK : FAIL(ERROR_STATE, "libcurl lacks a TLS option");
}

static struct error set_options(struct key_request *request, int64_t timeout)
{
    CURL *easy = request->easy;
    long timeout_ms = (long)(timeout / NS_PER_MS) > 0 ? (long)(timeout / NS_PER_MS) : 1L;
    struct curl_slist *headers =
        curl_slist_append(request->headers, "Accept: application/jwk-set+json, application/json");
    if (headers == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    request->headers = headers;
    bool good = curl_easy_setopt(easy, CURLOPT_CURLU, request->url) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, request->loopback_only ? "http" : "https") ==
                    CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                /* A fetch that is given up does not wait for a resolver that does not answer. */
                curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)JWKS_TEXT_MAX) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_USERAGENT, "sallyport/" SALLYPORT_VERSION) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers) == CURLE_OK &&
                (request->connect_to == NULL ||
                 curl_easy_setopt(easy, CURLOPT_CONNECT_TO, request->connect_to) == CURLE_OK);
    good = good && curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->failure) == CURLE_OK;
    return good ? OK : FAIL(ERROR_STATE, "libcurl lacks an option");
}

struct error key_request_init(struct key_request *request, struct slice url,
                              const struct tls_client_settings *tls, int64_t timeout)
{
    memset(request, 0, sizeof *request);
    buffer_init(&request->body, JWKS_TEXT_MAX);
    TRY(parse_url(request, url));
    request->easy = curl_easy_init();
    if (request->easy == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    TRY(set_tls(request, tls));
    return set_options(request, timeout);
}

void key_request_done(struct key_request *request)
{
    if (request->easy != NULL) {
        curl_easy_cleanup(request->easy);
    }
    curl_url_cleanup(request->url);
    curl_slist_free_all(request->headers);
    curl_slist_free_all(request->connect_to);
    buffer_done(&request->body);
}

const char *key_request_failure(struct key_request *request, CURLcode code)
{
    long status = 0;
    if (request->too_large || code == CURLE_FILESIZE_EXCEEDED) {
        return "the document is too large";
    }
    if (code != CURLE_OK) {
        return request->failure[0] != '\0' ? request->failure : curl_easy_strerror(code);
    }
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        snprintf(request->failure, sizeof request->failure, "the server answered %ld, not 200", status);
        return request->failure;
    }
    return NULL;
}
