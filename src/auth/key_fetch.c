#include "auth/key_fetch.h"

#include "base/buffer.h"
#include "base/limits.h"
#include "net/address.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define URL_MAX  2048
#define HEAD_MAX (64 * 1024) /* bytes of the response's head */
#define HOST_MAX 256

struct key_fetcher {
    struct net_loop *loop;
    CURLM *multi;
    uv_timer_t timer; /* libcurl's */
    struct key_fetch *fetches;
};

/* A socket that libcurl wants watched; frees itself. */
struct key_socket {
    uv_poll_t poll; /* first */
    struct key_fetcher *fetcher;
    curl_socket_t fd;
};

struct key_fetch {
    struct key_fetcher *fetcher;
    struct key_fetch *previous, *next;
    CURL *easy;
    CURLU *url;
    struct curl_slist *headers, *connect_to;
    bool loopback_only;
    bool too_large;
    size_t head_size;
    struct buffer body;
    char failure[CURL_ERROR_SIZE];
    key_fetch_done *done;
    void *context;
};

/* ---- libcurl on the loop ---- */

static void free_fetch(struct key_fetch *fetch)
{
    struct key_fetcher *fetcher = fetch->fetcher;
    if (fetch->easy != NULL) {
        curl_multi_remove_handle(fetcher->multi, fetch->easy); /* harmless where it was not added */
        curl_easy_cleanup(fetch->easy);
    }
    curl_url_cleanup(fetch->url);
    curl_slist_free_all(fetch->headers);
    curl_slist_free_all(fetch->connect_to);
    buffer_done(&fetch->body);
    if (fetch->previous != NULL) {
        fetch->previous->next = fetch->next;
    } else {
        fetcher->fetches = fetch->next;
    }
    if (fetch->next != NULL) {
        fetch->next->previous = fetch->previous;
    }
    free(fetch);
}

static const char *failure_of(struct key_fetch *fetch, CURLcode code, char text[CURL_ERROR_SIZE])
{
    long status = 0;
    if (fetch->too_large || code == CURLE_FILESIZE_EXCEEDED) {
        return "the document is too large";
    }
    if (code != CURLE_OK) {
        return fetch->failure[0] != '\0' ? fetch->failure : curl_easy_strerror(code);
    }
    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        snprintf(text, CURL_ERROR_SIZE, "the server answered %ld, not 200", status);
        return text;
    }
    return NULL;
}

static void finish(struct key_fetch *fetch, CURLcode code)
{
    char text[CURL_ERROR_SIZE];
    const char *failure = failure_of(fetch, code, text);
    fetch->done(fetch->context, failure, failure == NULL ? buffer_slice(&fetch->body) : SLICE_NONE);
    free_fetch(fetch);
}

static void finish_all(struct key_fetcher *fetcher)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            struct key_fetch *fetch = NULL;
            CURLcode code = message->data.result; /* the message dies with the handle */
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch);
            finish(fetch, code);
        }
    }
}

static void drive(struct key_fetcher *fetcher, curl_socket_t fd, int events)
{
    int running;
    curl_multi_socket_action(fetcher->multi, fd, events, &running);
    finish_all(fetcher);
}

static void on_poll(uv_poll_t *handle, int status, int ready)
{
    struct key_socket *own = (struct key_socket *)handle;
    net_loop_woken(own->fetcher->loop);
    int events = status < 0 ? CURL_CSELECT_ERR : 0;
    events |= (ready & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    events |= (ready & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    drive(own->fetcher, own->fd, events);
}

static void on_socket_closed(uv_handle_t *handle)
{
    free(handle);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
    struct key_fetcher *fetcher = context;
    struct key_socket *own = assigned;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (own != NULL) {
            curl_multi_assign(fetcher->multi, fd, NULL);
            uv_close((uv_handle_t *)&own->poll, on_socket_closed);
        }
        return 0;
    }
    if (own == NULL) {
        own = calloc(1, sizeof *own);
        if (own == NULL || uv_poll_init_socket(&fetcher->loop->uv, &own->poll, fd) != 0) {
            free(own);
            return -1;
        }
        own->fetcher = fetcher;
        own->fd = fd;
        curl_multi_assign(fetcher->multi, fd, own);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&own->poll, events, on_poll) == 0 ? 0 : -1;
}

static void on_timer(uv_timer_t *timer)
{
    struct key_fetcher *fetcher = timer->data;
    net_loop_woken(fetcher->loop);
    drive(fetcher, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *context)
{
    struct key_fetcher *fetcher = context;
    (void)multi;
    if (timeout_ms < 0) {
        uv_timer_stop(&fetcher->timer);
    } else {
        uv_update_time(&fetcher->loop->uv);
        uv_timer_start(&fetcher->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

/* ---- one transfer ---- */

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    struct key_fetch *fetch = context;
    (void)one;
    fetch->too_large = !buffer_append(&fetch->body, slice_of(data, size));
    return fetch->too_large ? 0 : size;
}

static size_t on_head(char *data, size_t one, size_t size, void *context)
{
    struct key_fetch *fetch = context;
    (void)data;
    (void)one;
    fetch->head_size += size;
    return fetch->head_size <= HEAD_MAX ? size : 0;
}

static bool is_loopback(const struct address *address)
{
    static const unsigned char v6[16] = { [15] = 1 };
    return address_is_v4(address) ? address->bytes[12] == 127 : memcmp(address->bytes, v6, sizeof v6) == 0;
}

/* The address that is connected to, whatever the name said. */
static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    const struct key_fetch *fetch = context;
    struct address address;
    if (purpose != CURLSOCKTYPE_IPCXN || !address_from_sockaddr(&to->addr, &address) ||
        (fetch->loopback_only && !is_loopback(&address))) {
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

static struct error parse_url(struct key_fetch *fetch, struct slice url)
{
    char text[URL_MAX], scheme[16], host[HOST_MAX];
    if (url.len >= sizeof text || slice_find(url, '\0') >= 0) {
        return FAIL(ERROR_LIMIT, "the URL is too long");
    }
    memcpy(text, url.ptr, url.len);
    text[url.len] = '\0';
    fetch->url = curl_url();
    if (fetch->url == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    if (curl_url_set(fetch->url, CURLUPART_URL, text, CURLU_DISALLOW_USER) != CURLUE_OK ||
        !url_part(fetch->url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) ||
        !url_part(fetch->url, CURLUPART_HOST, 0, host, sizeof host)) {
        return FAIL(ERROR_SYNTAX, "the URL is malformed");
    }
    fetch->loopback_only = strcmp(scheme, "http") == 0;
    if (!fetch->loopback_only && strcmp(scheme, "https") != 0) {
        return FAIL(ERROR_VALUE, "the URL is not https");
    }
    struct address address;
    bool loopback = address_parse(slice_from_string(host), &address)
                        ? is_loopback(&address)
                        : slice_equal_nocase(slice_from_string(host), SLICE("localhost"));
    if (fetch->loopback_only && !loopback) {
        return FAIL(ERROR_VALUE, "http is for loopback only: https is needed");
    }
    return OK;
}

/* Another name to ask for and to verify: the URL gets it, while the connection and the Host field keep the URL's host. */
static struct error use_server_name(struct key_fetch *fetch, struct slice name)
{
    char host[HOST_MAX], port[8], line[2 * HOST_MAX], own[HOST_MAX];
    if (name.len >= sizeof own || !url_part(fetch->url, CURLUPART_HOST, 0, host, sizeof host) ||
        !url_part(fetch->url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port)) {
        return FAIL(ERROR_VALUE, "`server_name` or the URL's host is too long");
    }
    memcpy(own, name.ptr, name.len);
    own[name.len] = '\0';
    snprintf(line, sizeof line, "::%s:%s", host, port);
    fetch->connect_to = curl_slist_append(NULL, line);
    snprintf(line, sizeof line, strcmp(port, "443") == 0 ? "Host: %s" : "Host: %s:%s", host, port);
    struct curl_slist *headers = curl_slist_append(fetch->headers, line);
    fetch->headers = headers != NULL ? headers : fetch->headers;
    if (fetch->connect_to == NULL || headers == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    return curl_url_set(fetch->url, CURLUPART_HOST, own, 0) == CURLUE_OK
               ? OK
               : FAIL(ERROR_VALUE, "`server_name` is no host name");
}

static bool set_blob(CURL *easy, CURLoption option, struct slice text)
{
    struct curl_blob blob = { .data = (void *)text.ptr, .len = text.len, .flags = CURL_BLOB_COPY };
    return curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

static struct error set_tls(struct key_fetch *fetch, const struct tls_client_settings *tls)
{
    CURL *easy = fetch->easy;
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
    if (tls != NULL && tls->server_name.len > 0 && !fetch->loopback_only) {
        TRY(use_server_name(fetch, tls->server_name));
    }
    return good ? OK : FAIL(ERROR_STATE, "libcurl lacks a TLS option");
}

static struct error set_options(struct key_fetch *fetch, int64_t timeout)
{
    CURL *easy = fetch->easy;
    long timeout_ms = (long)(timeout / NS_PER_MS) > 0 ? (long)(timeout / NS_PER_MS) : 1L;
    struct curl_slist *headers =
        curl_slist_append(fetch->headers, "Accept: application/jwk-set+json, application/json");
    if (headers == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    fetch->headers = headers;
    bool good =
        curl_easy_setopt(easy, CURLOPT_CURLU, fetch->url) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, fetch->loopback_only ? "http" : "https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)JWKS_TEXT_MAX) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "sallyport/" SALLYPORT_VERSION) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fetch->headers) == CURLE_OK &&
        (fetch->connect_to == NULL ||
         curl_easy_setopt(easy, CURLOPT_CONNECT_TO, fetch->connect_to) == CURLE_OK);
    good = good && curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, fetch) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->failure) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch) == CURLE_OK;
    return good ? OK : FAIL(ERROR_STATE, "libcurl lacks an option");
}

static struct error prepare(struct key_fetch *fetch, struct slice url, const struct tls_client_settings *tls,
                            int64_t timeout)
{
    TRY(parse_url(fetch, url));
    fetch->easy = curl_easy_init();
    if (fetch->easy == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    TRY(set_tls(fetch, tls));
    TRY(set_options(fetch, timeout));
    return curl_multi_add_handle(fetch->fetcher->multi, fetch->easy) == CURLM_OK
               ? OK
               : FAIL(ERROR_STATE, "libcurl takes no further transfer");
}

struct error key_fetch_start(struct key_fetcher *fetcher, struct slice url,
                             const struct tls_client_settings *tls, int64_t timeout, key_fetch_done *done,
                             void *context, struct key_fetch **ret_fetch)
{
    struct key_fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    fetch->fetcher = fetcher;
    fetch->next = fetcher->fetches;
    if (fetch->next != NULL) {
        fetch->next->previous = fetch;
    }
    fetcher->fetches = fetch;
    buffer_init(&fetch->body, JWKS_TEXT_MAX);
    fetch->done = done;
    fetch->context = context;
    struct error error = prepare(fetch, url, tls, timeout);
    if (failed(error)) {
        free_fetch(fetch);
        return error;
    }
    *ret_fetch = fetch;
    return OK;
}

void key_fetch_cancel(struct key_fetch *fetch)
{
    if (fetch != NULL) {
        free_fetch(fetch);
    }
}

/* ---- the fetcher ---- */

static CURLcode global_status;

static void init_curl(void)
{
    global_status = curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct error key_fetcher_new(struct net_loop *loop, struct key_fetcher **ret_fetcher)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    struct key_fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (fetcher == NULL || global_status != CURLE_OK || (fetcher->multi = curl_multi_init()) == NULL) {
        free(fetcher);
        return FAIL(ERROR_MEMORY, "cannot start libcurl");
    }
    fetcher->loop = loop;
    uv_timer_init(&loop->uv, &fetcher->timer);
    fetcher->timer.data = fetcher;
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
    *ret_fetcher = fetcher;
    return OK;
}

static void on_fetcher_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void key_fetcher_free(struct key_fetcher *fetcher)
{
    if (fetcher == NULL) {
        return;
    }
    while (fetcher->fetches != NULL) {
        free_fetch(fetcher->fetches);
    }
    curl_multi_cleanup(fetcher->multi);
    uv_close((uv_handle_t *)&fetcher->timer, on_fetcher_closed);
}
