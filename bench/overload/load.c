/* Load that does not wait: a given number of requests a second over many kept connections, whatever the answers do. Each
 * arrival goes to the next connection in turn; where that one still waits for an answer, it is counted as missed. With a rate
 * of 0 every connection asks again at once. One thread, epoll, loopback only, ends by itself.
 *
 * usage: load PORT CONNECTIONS RATE SECONDS HOST TOKENS
 * TOKENS: a file with a bearer token a line, used one after the other; or "-".
 * By the environment, FROM is the first address that connections come from (127.0.0.1).
 * Prints one JSON object. Latencies are from the write of a request to the end of its answer, in µs; the first second is
 * not counted. How long the answer had lain here before it was read, as the kernel knows (TCP_INFO, in ms), is this program's
 * own doing: it is taken off, and told as `own_p99_us`. With it: `seen_p99_us`. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER      8192
#define EVENTS      512
#define TOKENS_MAX  20000
#define SECONDS_MAX 120
#define WARM_UP     1000000000LL
#define BUCKETS     4096
/* Connections to one port from one address: there are 28,000 ports to come from. */
#define FROM_ONE 20000

struct connection {
    int fd;
    bool busy;
    int64_t sent_at;
    size_t size;
    char data[BUFFER];
};

/* Of the answers of one kind: latencies in steps of a part in 64. */
struct kind {
    uint64_t count;
    uint64_t buckets[BUCKETS];
};

static struct kind accepted, shed, others;
static struct kind own, seen; /* of the accepted ones: how long they lay here, and with that */
static uint64_t missed, lost, sent;
static char *tokens[TOKENS_MAX];
static size_t token_count, next_token;
static const char *host;
static int64_t began;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static unsigned int bucket_of(uint64_t us)
{
    unsigned int shift = 0;
    while (us >> shift >= 128) {
        shift++;
    }
    unsigned int bucket = shift * 64 + (unsigned int)(us >> shift);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static uint64_t value_of(unsigned int bucket)
{
    return bucket < 128 ? bucket : (uint64_t)(bucket % 64 + 64) << (bucket / 64 - 1);
}

static uint64_t percentile(const struct kind *kind, double part)
{
    uint64_t wanted = (uint64_t)((double)kind->count * part), seen = 0;
    for (unsigned int i = 0; i < BUCKETS; i++) {
        seen += kind->buckets[i];
        if (seen > wanted) {
            return value_of(i);
        }
    }
    return 0;
}

static void count(struct kind *kind, int64_t latency, int64_t at)
{
    if (at - began < WARM_UP) {
        return;
    }
    kind->count++;
    kind->buckets[bucket_of((uint64_t)latency / 1000)]++;
}

static bool ask(struct connection *connection, int64_t at)
{
    char text[4096];
    int size = token_count > 0
                   ? snprintf(text, sizeof text,
                              "GET /orders/42 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", host,
                              tokens[next_token++ % token_count])
                   : snprintf(text, sizeof text, "GET /orders/42 HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    if (send(connection->fd, text, (size_t)size, MSG_NOSIGNAL) != size) {
        return false;
    }
    connection->busy = true;
    connection->sent_at = at;
    connection->size = 0;
    sent += at - began >= WARM_UP;
    return true;
}

/* Is the answer whole? Its Content-Length says so. */
static bool whole(const struct connection *connection)
{
    const char *end = memmem(connection->data, connection->size, "\r\n\r\n", 4);
    const char *length = strcasestr(connection->data, "content-length:");
    return end != NULL && length != NULL && length < end &&
           connection->size >= (size_t)(end - connection->data) + 4 + strtoul(length + 15, NULL, 10);
}

/* ns since the kernel had the last bytes. */
static int64_t lay_here(const struct connection *connection)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    return getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0
               ? info.tcpi_last_data_recv * 1000000LL
               : 0;
}

static void answered(struct connection *connection, int64_t at)
{
    const char *status = connection->data + 9;
    int64_t latency = at - connection->sent_at, lay = lay_here(connection);
    lay = lay < latency ? lay : latency;
    connection->busy = false;
    if (strncmp(status, "200", 3) == 0) {
        count(&accepted, latency - lay, at);
        count(&own, lay, at);
        count(&seen, latency, at);
    } else {
        count(strncmp(status, "503", 3) == 0 ? &shed : &others, latency - lay, at);
    }
}

static int open_connection(int port, size_t number)
{
    const char *given = getenv("FROM");
    in_addr_t first = given != NULL ? ntohl(inet_addr(given)) : INADDR_LOOPBACK;
    struct sockaddr_in from = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(first + (in_addr_t)(number / FROM_ONE)) };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* The port is chosen by connect, which knows the other end. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void read_tokens(const char *name)
{
    char line[4096];
    FILE *file = strcmp(name, "-") == 0 ? NULL : fopen(name, "r");
    while (file != NULL && token_count < TOKENS_MAX && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        tokens[token_count++] = strdup(line);
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* What has come on one connection. False: it is gone. */
static bool take(struct connection *connection, bool again)
{
    ssize_t got = recv(connection->fd, connection->data + connection->size, BUFFER - 1 - connection->size,
                       MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    connection->size += (size_t)got;
    connection->data[connection->size] = '\0';
    if (whole(connection)) {
        int64_t at = now();
        answered(connection, at);
        return !again || ask(connection, at);
    }
    return true;
}

static void print(double seconds)
{
    printf("{\"seconds\":%.2f,\"sent\":%.0f,\"accepted\":%.0f,\"shed\":%.0f,\"others\":%.0f,\"missed\":%.0f,"
           "\"lost\":%llu,\"accepted_p50_us\":%llu,\"accepted_p99_us\":%llu,\"accepted_max_us\":%llu,"
           "\"seen_p99_us\":%llu,\"own_p50_us\":%llu,\"own_p99_us\":%llu,\"shed_p50_us\":%llu,\"shed_p99_"
           "us\":%llu}\n",
           seconds, (double)sent / seconds, (double)accepted.count / seconds, (double)shed.count / seconds,
           (double)others.count / seconds, (double)missed / seconds, (unsigned long long)lost,
           (unsigned long long)percentile(&accepted, .5), (unsigned long long)percentile(&accepted, .99),
           (unsigned long long)percentile(&accepted, .99999), (unsigned long long)percentile(&seen, .99),
           (unsigned long long)percentile(&own, .5), (unsigned long long)percentile(&own, .99),
           (unsigned long long)percentile(&shed, .5), (unsigned long long)percentile(&shed, .99));
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: load PORT CONNECTIONS RATE SECONDS HOST TOKENS\n");
        return 2;
    }
    int port = (int)strtoul(argv[1], NULL, 10);
    size_t connections = strtoul(argv[2], NULL, 10), next = 0;
    double rate = strtod(argv[3], NULL), seconds = strtod(argv[4], NULL);
    host = argv[5];
    read_tokens(argv[6]);
    if (connections == 0 || connections > 50000 || seconds < 2 || seconds > SECONDS_MAX) {
        fprintf(stderr, "load: between 1 and 50000 connections, 2 to %d seconds\n", SECONDS_MAX);
        return 2;
    }
    struct connection *all = calloc(connections, sizeof *all);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < connections; i++) {
        all[i].fd = open_connection(port, i);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &all[i] };
        epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    sleep(1); /* all are to be accepted before the first request: who waits for that is turned away */
    began = now();
    int64_t until = began + (int64_t)(seconds * 1e9);
    for (size_t i = 0; i < connections && rate == 0; i++) {
        ask(&all[i], now());
    }
    uint64_t arrivals = 0;
    for (int64_t at = began; at < until; at = now()) {
        uint64_t due = (uint64_t)((double)(at - began) / 1e9 * rate);
        for (; arrivals < due; arrivals++) {
            struct connection *connection = &all[next++ % connections];
            if (connection->fd < 0 || connection->busy) {
                missed += at - began >= WARM_UP;
            } else if (!ask(connection, now())) {
                lost++;
            }
        }
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, 1);
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!take(connection, rate == 0)) {
                lost++;
                close(connection->fd);
                connection->fd = -1;
            }
        }
    }
    print((double)(until - began - WARM_UP) / 1e9);
    return 0;
}
