#include "upstream/discovery/dns_channel.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/time.h>

#define TIMEOUT_MS 1000 /* of the first try; twice as much for each further one */
#define TRIES      2    /* of each name server */

struct dns_socket {
    uv_poll_t poll;
    struct dns_channel *channel;
    ares_socket_t fd;
    struct dns_socket *next;
};

struct dns_channel {
    uv_timer_t timer;
    ares_channel ares;
    struct net_loop *loop;
    struct dns_socket *sockets;
    void (*on_turn)(void *context);
    void *context;
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* ---- turns ---- */

static void on_timer(uv_timer_t *timer);

/* Lasts no longer than what it is told about: on_turn may free the channel. */
static void end_turn(struct dns_channel *channel)
{
    struct timeval longest = { .tv_sec = 1 }, left;
    const struct timeval *next = ares_timeout(channel->ares, &longest, &left);
    uint64_t ms = (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1;
    uv_update_time(&channel->loop->uv);
    uv_timer_start(&channel->timer, on_timer, ms, 0);
    channel->on_turn(channel->context);
}

static void on_timer(uv_timer_t *timer)
{
    struct dns_channel *channel = timer->data;
    net_loop_woken(channel->loop);
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    end_turn(channel);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    const struct dns_socket *ready = poll->data;
    struct dns_channel *channel = ready->channel;
    net_loop_woken(channel->loop);
    bool failed_ = status < 0; /* reading tells why */
    ares_process_fd(channel->ares, failed_ || (events & UV_READABLE) != 0 ? ready->fd : ARES_SOCKET_BAD,
                    (events & UV_WRITABLE) != 0 ? ready->fd : ARES_SOCKET_BAD);
    end_turn(channel);
}

/* ---- sockets ---- */

static struct dns_socket *add_socket(struct dns_channel *channel, ares_socket_t fd)
{
    struct dns_socket *made = calloc(1, sizeof *made);
    if (made == NULL || uv_poll_init(&channel->loop->uv, &made->poll, fd) != 0) {
        free(made);
        return NULL; /* what is asked over it takes too long, then */
    }
    made->poll.data = made;
    made->channel = channel;
    made->fd = fd;
    made->next = channel->sockets;
    channel->sockets = made;
    return made;
}

static void remove_socket(struct dns_socket **place)
{
    struct dns_socket *gone = *place;
    *place = gone->next;
    uv_close((uv_handle_t *)&gone->poll, on_closed);
}

/* c-ares opens and closes its sockets itself: one that is neither to be read nor written is about to be closed. */
static void on_socket(void *context, ares_socket_t fd, int readable, int writable)
{
    struct dns_channel *channel = context;
    struct dns_socket **place = &channel->sockets;
    while (*place != NULL && (*place)->fd != fd) {
        place = &(*place)->next;
    }
    if (!readable && !writable) {
        if (*place != NULL) {
            remove_socket(place);
        }
        return;
    }
    struct dns_socket *found = *place != NULL ? *place : add_socket(channel, fd);
    if (found != NULL) {
        uv_poll_start(&found->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_ready);
    }
}

/* ---- life ---- */

static bool set_servers(ares_channel ares, const struct address *servers, size_t count)
{
    struct ares_addr_port_node *nodes = calloc(count, sizeof *nodes);
    for (size_t i = 0; nodes != NULL && i < count; i++) {
        bool v4 = address_is_v4(&servers[i]);
        nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
        nodes[i].family = v4 ? AF_INET : AF_INET6;
        nodes[i].udp_port = nodes[i].tcp_port = servers[i].port;
        memcpy(&nodes[i].addr, servers[i].bytes + (v4 ? 12 : 0), v4 ? 4 : 16);
    }
    bool set = nodes != NULL && ares_set_servers_ports(ares, nodes) == ARES_SUCCESS;
    free(nodes);
    return set;
}

struct dns_channel *dns_channel_new(struct net_loop *loop, const struct address *servers, size_t count,
                                    void (*on_turn)(void *context), void *context)
{
    struct dns_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL) {
        return NULL;
    }
    char of_network[] = "b"; /* whose name servers are written asks them, and no /etc/hosts */
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = TIMEOUT_MS,
        .tries = TRIES,
        .lookups = of_network,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = channel,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
               (count > 0 ? ARES_OPT_LOOKUPS : 0);
    if (ares_init_options(&channel->ares, &options, mask) != ARES_SUCCESS) {
        free(channel);
        return NULL;
    }
    channel->loop = loop;
    channel->on_turn = on_turn;
    channel->context = context;
    uv_timer_init(&loop->uv, &channel->timer);
    channel->timer.data = channel;
    if (count > 0 && !set_servers(channel->ares, servers, count)) {
        dns_channel_free(channel);
        return NULL;
    }
    return channel;
}

void dns_channel_free(struct dns_channel *channel)
{
    ares_destroy(channel->ares); /* which closes its sockets by on_socket */
    while (channel->sockets != NULL) {
        remove_socket(&channel->sockets);
    }
    uv_close((uv_handle_t *)&channel->timer, on_closed);
}

ares_channel dns_channel_ares(const struct dns_channel *channel)
{
    return channel->ares;
}

/* In a turn of its own, so that on_turn never comes from within. */
void dns_channel_begin(struct dns_channel *channel)
{
    uv_timer_start(&channel->timer, on_timer, 0, 0);
}
