#include "fetch/fetch.h"

#include <pthread.h>
#include <stdlib.h>

struct fetcher {
    struct net_loop *loop;
    CURLM *multi;
    uv_timer_t timer; /* libcurl's */
    struct fetch *fetches;
};

/* A socket that libcurl wants watched; frees itself. */
struct fetch_socket {
    uv_poll_t poll; /* first */
    struct fetcher *fetcher;
    curl_socket_t fd;
};

struct fetch {
    struct fetcher *fetcher;
    struct fetch *previous, *next;
    struct fetch_request request;
    fetch_done *done;
    void *context;
};

/* ---- libcurl on the loop ---- */

static void free_fetch(struct fetch *fetch)
{
    struct fetcher *fetcher = fetch->fetcher;
    if (fetch->request.easy != NULL) {
        curl_multi_remove_handle(fetcher->multi, fetch->request.easy); /* harmless where it was not added */
    }
    fetch_request_done(&fetch->request);
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

static void finish(struct fetch *fetch, CURLcode code)
{
    struct fetch_result result = { .failure = fetch_request_failure(&fetch->request, code) };
    curl_easy_getinfo(fetch->request.easy, CURLINFO_RESPONSE_CODE, &result.status);
    result.body = result.failure == NULL ? buffer_slice(&fetch->request.body) : SLICE_NONE;
    result.refusal =
        result.status != 0 && result.status != 200 ? buffer_slice(&fetch->request.body) : SLICE_NONE;
    result.request = &fetch->request;
    fetch->done(fetch->context, &result);
    free_fetch(fetch);
}

static void finish_all(struct fetcher *fetcher)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            struct fetch *fetch = NULL;
            CURLcode code = message->data.result; /* the message dies with the handle */
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch);
            finish(fetch, code);
        }
    }
}

static void drive(struct fetcher *fetcher, curl_socket_t fd, int events)
{
    int running;
    curl_multi_socket_action(fetcher->multi, fd, events, &running);
    finish_all(fetcher);
}

static void on_poll(uv_poll_t *handle, int status, int ready)
{
    struct fetch_socket *own = (struct fetch_socket *)handle;
    net_loop_woken(own->fetcher->loop);
    /* Where the socket has failed libcurl reads from it, and so tells how. */
    int events = status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT : 0;
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
    struct fetcher *fetcher = context;
    struct fetch_socket *own = assigned;
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
    struct fetcher *fetcher = timer->data;
    net_loop_woken(fetcher->loop);
    drive(fetcher, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *context)
{
    struct fetcher *fetcher = context;
    (void)multi;
    if (timeout_ms < 0) {
        uv_timer_stop(&fetcher->timer);
    } else {
        uv_update_time(&fetcher->loop->uv);
        uv_timer_start(&fetcher->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

struct error fetch_start(struct fetcher *fetcher, const struct fetch_options *options, fetch_done *done,
                         void *context, struct fetch **ret_fetch)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    fetch->fetcher = fetcher;
    fetch->next = fetcher->fetches;
    if (fetch->next != NULL) {
        fetch->next->previous = fetch;
    }
    fetcher->fetches = fetch;
    fetch->done = done;
    fetch->context = context;
    struct error error = fetch_request_init(&fetch->request, options);
    if (!failed(error) && (curl_easy_setopt(fetch->request.easy, CURLOPT_PRIVATE, fetch) != CURLE_OK ||
                           curl_multi_add_handle(fetcher->multi, fetch->request.easy) != CURLM_OK)) {
        error = FAIL(ERROR_STATE, "libcurl takes no further transfer");
    }
    if (failed(error)) {
        free_fetch(fetch);
        return error;
    }
    *ret_fetch = fetch;
    return OK;
}

void fetch_cancel(struct fetch *fetch)
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

struct error fetcher_new(struct net_loop *loop, struct fetcher **ret_fetcher)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
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

void fetcher_free(struct fetcher *fetcher)
{
    if (fetcher == NULL) {
        return;
    }
    for (struct fetch *fetch = fetcher->fetches, *next; fetch != NULL; fetch = next) {
        next = fetch->next;
        free_fetch(fetch);
    }
    curl_multi_cleanup(fetcher->multi);
    uv_close((uv_handle_t *)&fetcher->timer, on_fetcher_closed);
}
