#include "fetch/request.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/secret.h"
#include "net/address.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

#define URL_MAX     2048
#define HEAD_MAX    (64 * 1024) /* bytes of the response's head */
#define HOST_MAX    256
#define PROBE_AFTER 15L   /* s that nothing comes */
#define PROBE_EACH  5L    /* s */
#define PROBED_MAX  25000 /* ms without a sign of life, of probes or of what was sent: the machine is gone */
#define FORM_MAX    (128 * 1024) /* bytes of a form, and of a credential beside it */

static long status_of(const struct fetch_request *request)
{
    long status = 0;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    struct fetch_request *request = context;
    (void)one;
    if (request->streams && status_of(request) == 200) {
        return request->stream.take(request->stream.context, slice_of(data, size)) ? size : 0;
    }
    request->too_large = !buffer_append(&request->body, slice_of(data, size));
    return request->too_large ? 0 : size;
}

static size_t on_head(char *data, size_t one, size_t size, void *context)
{
    struct fetch_request *request = context;
    (void)one;
    request->head_size += size;
    if (request->streams && slice_equal(slice_of(data, size), SLICE("\r\n")) && status_of(request) == 200) {
        request->stream.begun(request->stream.context);
    }
    return request->head_size <= HEAD_MAX ? size : 0;
}

/* The address that is connected to, whatever the name said. */
static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct fetch_request *request = context;
    struct address address;
    if (purpose != CURLSOCKTYPE_IPCXN || !address_from_sockaddr(&to->addr, &address) ||
        (request->loopback_only && !address_is_loopback(&address))) {
        return CURL_SOCKET_BAD;
    }
    if (request->public_only && !address_is_public(&address)) {
        request->refused = true;
        return CURL_SOCKET_BAD;
    }
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);
    if (fd >= 0 && request->probed) {
        const unsigned int longest = PROBED_MAX;
        /* Without it, more probes are sent than anybody waits for. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &longest, sizeof longest);
    }
    return fd;
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

static struct error read_url(struct slice url, CURLU **ret_url)
{
    char text[URL_MAX];
    if (url.len >= sizeof text || slice_find(url, '\0') >= 0) {
        return FAIL(ERROR_LIMIT, "the URL is too long");
    }
    memcpy(text, url.ptr, url.len);
    text[url.len] = '\0';
    *ret_url = curl_url();
    if (*ret_url == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    return curl_url_set(*ret_url, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK
               ? OK
               : FAIL(ERROR_SYNTAX, "the URL is malformed");
}

/* By the reader that is asked where to connect, so that nobody takes another part for the host. */
static struct error has_host(struct slice url, const char *wanted, bool *ret_same)
{
    CURLU *parsed = NULL;
    char host[HOST_MAX];
    struct error error = read_url(url, &parsed);
    *ret_same = !failed(error) && url_part(parsed, CURLUPART_HOST, 0, host, sizeof host) &&
                slice_equal_nocase(slice_from_string(host), slice_from_string(wanted));
    curl_url_cleanup(parsed);
    return error;
}

static struct error parse_url(struct fetch_request *request, struct slice url, struct slice home)
{
    char scheme[16], host[HOST_MAX];
    TRY(read_url(url, &request->url));
    if (!url_part(request->url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) ||
        !url_part(request->url, CURLUPART_HOST, 0, host, sizeof host)) {
        return FAIL(ERROR_SYNTAX, "the URL is malformed");
    }
    request->loopback_only = strcmp(scheme, "http") == 0;
    if (!request->loopback_only && strcmp(scheme, "https") != 0) {
        return FAIL(ERROR_VALUE, "the URL is not https");
    }
    struct address address;
    bool loopback = address_parse(slice_from_string(host), &address)
                        ? address_is_loopback(&address)
                        : slice_equal_nocase(slice_from_string(host), SLICE("localhost"));
    if (request->loopback_only && !loopback) {
        return FAIL(ERROR_VALUE, "http is for loopback only: https is needed");
    }
    if (!slice_is_empty(home)) {
        bool is_home;
        TRY(has_host(home, host, &is_home));
        request->public_only = !is_home;
    }
    if (request->loopback_only && request->public_only) {
        return FAIL(ERROR_VALUE, "http is for the issuer's own host on loopback only: https is needed");
    }
    return OK;
}

static struct error add_header(struct fetch_request *request, const char *line)
{
    struct curl_slist *headers = curl_slist_append(request->headers, line);
    if (headers == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    request->headers = headers;
    return OK;
}

/* Another name to ask for and to verify: the URL gets it, while the connection and the Host field keep the URL's host. */
static struct error use_server_name(struct fetch_request *request, struct slice name)
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
    TRY(add_header(request, line));
    if (request->connect_to == NULL) {
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

static struct error set_tls(struct fetch_request *request, const struct tls_client_settings *tls)
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

static struct error add_authorization(struct fetch_request *request, struct slice value)
{
    struct buffer line;
    buffer_init(&line, FORM_MAX);
    /* At once: what it grows out of would not be wiped. */
    bool good = buffer_reserve(&line, value.len + 32) && buffer_append(&line, SLICE("Authorization: ")) &&
                buffer_append(&line, value) && buffer_append_char(&line, '\0');
    struct error error =
        good ? add_header(request, line.data) : FAIL(ERROR_LIMIT, "the credential is too long");
    if (line.data != NULL) {
        secret_wipe(line.data, line.capacity);
    }
    buffer_done(&line);
    return error;
}

/* What is sent lies in memory of ours: libcurl's own copy would not be wiped. */
static struct error set_form(struct fetch_request *request, const struct fetch_form *form)
{
    if (form == NULL) {
        return OK;
    }
    if (form->body.len > FORM_MAX) {
        return FAIL(ERROR_LIMIT, "the request is too long");
    }
    request->form = malloc(form->body.len + 1);
    if (request->form == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    memcpy(request->form, form->body.ptr, form->body.len);
    request->form_size = form->body.len;
    if (!slice_is_empty(form->authorization)) {
        TRY(add_authorization(request, form->authorization));
    }
    TRY(add_header(request, "Expect:"));
    bool good = curl_easy_setopt(request->easy, CURLOPT_POST, 1L) == CURLE_OK &&
                curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, request->form) == CURLE_OK &&
                curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                 (curl_off_t)request->form_size) == CURLE_OK;
    return good ? OK : FAIL(ERROR_STATE, "libcurl lacks an option");
}

static struct error set_options(struct fetch_request *request, const struct fetch_options *options)
{
    CURL *easy = request->easy;
    long timeout_ms = (long)(options->timeout / NS_PER_MS) > 0 ? (long)(options->timeout / NS_PER_MS) : 1L;
    TRY(set_form(request, options->form));
    if (options->form == NULL && options->authorization.len > 0) {
        TRY(add_authorization(request, options->authorization));
    }
    request->streams = options->stream != NULL;
    request->stream = request->streams ? *options->stream : request->stream;
    TRY(add_header(request, options->accept));
    request->content_type = options->content_type;
    bool good = curl_easy_setopt(easy, CURLOPT_CURLU, request->url) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, request->loopback_only ? "http" : "https") ==
                    CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, options->keep ? 0L : 1L) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                /* A fetch that is given up does not wait for a resolver that does not answer. */
                curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
                (request->streams || curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                                                      (curl_off_t)options->maximum) == CURLE_OK) &&
                curl_easy_setopt(easy, CURLOPT_USERAGENT, "sallyport/" SALLYPORT_VERSION) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers) == CURLE_OK &&
                (request->connect_to == NULL ||
                 curl_easy_setopt(easy, CURLOPT_CONNECT_TO, request->connect_to) == CURLE_OK);
    if (options->connect_timeout > 0) {
        request->probed = true;
        good = good && curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, PROBE_AFTER) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, PROBE_EACH) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                                (long)(options->connect_timeout / NS_PER_MS)) == CURLE_OK;
    }
    good = good && curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->failure) == CURLE_OK;
    return good ? OK : FAIL(ERROR_STATE, "libcurl lacks an option");
}

struct error fetch_request_init(struct fetch_request *request, const struct fetch_options *options)
{
    memset(request, 0, sizeof *request);
    buffer_init(&request->body, options->maximum);
    TRY(parse_url(request, options->url, options->home));
    request->easy = curl_easy_init();
    if (request->easy == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    TRY(set_tls(request, options->tls));
    return set_options(request, options);
}

void fetch_request_done(struct fetch_request *request)
{
    if (request->easy != NULL) {
        curl_easy_cleanup(request->easy);
    }
    curl_url_cleanup(request->url);
    for (struct curl_slist *line = request->headers; line != NULL; line = line->next) {
        secret_wipe(line->data, strlen(line->data)); /* a credential may be among them */
    }
    curl_slist_free_all(request->headers);
    if (request->form != NULL) {
        secret_wipe(request->form, request->form_size);
        free(request->form);
    }
    curl_slist_free_all(request->connect_to);
    buffer_done(&request->body);
}

/* Without its parameters (RFC 9110 section 8.3.1). */
static bool has_content_type(const struct fetch_request *request)
{
    const char *type = NULL;
    if (request->content_type == NULL) {
        return true;
    }
    curl_easy_getinfo(request->easy, CURLINFO_CONTENT_TYPE, &type);
    struct slice value = slice_from_string(type != NULL ? type : "");
    ssize_t semicolon = slice_find(value, ';');
    value = slice_trim(semicolon < 0 ? value : slice_part(value, 0, (size_t)semicolon));
    return slice_equal_nocase(value, slice_from_string(request->content_type));
}

const char *fetch_request_failure(struct fetch_request *request, CURLcode code)
{
    long status = 0;
    if (request->too_large || code == CURLE_FILESIZE_EXCEEDED) {
        return "the document is too large";
    }
    if (code != CURLE_OK && request->refused) {
        return "the address is not public: the issuer names it, and it is not on the issuer's own host";
    }
    if (code != CURLE_OK) {
        return request->failure[0] != '\0' ? request->failure : curl_easy_strerror(code);
    }
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        snprintf(request->failure, sizeof request->failure, "the server answered %ld, not 200", status);
        return request->failure;
    }
    return has_content_type(request) ? NULL : "the server's answer is of another content type";
}

struct slice fetch_request_field(const struct fetch_request *request, const char *name)
{
    struct curl_header *field = NULL;
    bool found = curl_easy_header(request->easy, name, 0, CURLH_HEADER, -1, &field) == CURLHE_OK;
    return found ? slice_from_string(field->value) : SLICE_NONE;
}
