/* A double of the gateway: the test's own program, started as `program gateway CHANNEL`. It does what the file
 * `behaviour` beside the configuration says, and tells what it was told on standard error. */
#ifndef SALLYPORT_TESTS_UNIT_SUPERVISOR_GATEWAY_DOUBLE_H
#define SALLYPORT_TESTS_UNIT_SUPERVISOR_GATEWAY_DOUBLE_H

#include "unit.h"

#include "base/log.h"
#include "supervisor/channel.h"
#include "json/json.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct channel_reader reader;
static char folder[512];

static inline bool behaves(const char *what)
{
    char path[600];
    snprintf(path, sizeof path, "%s/behaviour", folder);
    size_t size;
    char *text = read_file(path, &size);
    bool found = text != NULL && strstr(text, what) != NULL;
    free(text);
    return found;
}

static inline void answer(int channel, enum channel_kind kind, const char *text)
{
    struct channel_message message = { .kind = kind, .text = slice_from_string(text) };
    if (failed(channel_send(channel, &message))) {
        _exit(9);
    }
}

static inline void note_folder(struct slice text)
{
    struct arena arena;
    struct json *json = NULL;
    struct slice path = SLICE_NONE;
    arena_init(&arena, 65536);
    if (failed(json_parse(text, 8, &arena, &json, NULL)) || !json_get_string(json, SLICE("config"), &path)) {
        _exit(8);
    }
    snprintf(folder, sizeof folder, "%.*s", (int)slice_find_last(path, '/'), path.ptr);
    arena_done(&arena);
}

#define FIXED_FDS 7 /* as channel.h says */

/* Is it memory for a bequest that nobody can shorten? */
static inline bool is_bequest(int fd)
{
    struct stat facts;
    return fd >= 0 && fstat(fd, &facts) == 0 && facts.st_size == (off_t)CHANNEL_BEQUEST_SIZE &&
           fcntl(fd, F_GET_SEALS) == (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
}

/* What is left by one, the next one reads: the process id. */
static inline int64_t pass_on(const int *fds)
{
    int64_t before = 0, own = getpid();
    if (is_bequest(fds[5]) && pread(fds[5], &before, sizeof before, 0) != sizeof before) {
        before = -1;
    }
    return !is_bequest(fds[4]) || pwrite(fds[4], &own, sizeof own, 0) == sizeof own ? before : -1;
}

static int sockets[CHANNEL_FDS_MAX];
static size_t socket_count;

static inline void take_configuration(int channel, const struct channel_message *message)
{
    static unsigned int generation;
    char number[48];
    note_folder(message->text);
    log_event(LOG_INFO, "double_configured", LOG_TEXT("text", message->text), LOG_NUMBER("pid", getpid()),
              LOG_NUMBER("fds", message->fd_count), LOG_NUMBER("seals", fcntl(message->fds[1], F_GET_SEALS)),
              LOG_NUMBER("access", message->fds[2] >= 0), LOG_NUMBER("bequest", is_bequest(message->fds[4])),
              LOG_NUMBER("before", pass_on(message->fds)));
    /* Of what it was told more than one listener, where the gateway that comes next is to live. */
    bool more = message->fd_count > FIXED_FDS + 2;
    if (behaves("crash") || (more && behaves("more is deadly"))) {
        _exit(3);
    }
    if (behaves("refuse")) {
        answer(channel, CHANNEL_REFUSED, "the double says no");
        if (generation == 0) {
            _exit(1);
        }
        return;
    }
    if (behaves("nonsense") || (more && behaves("more is confusing"))) {
        (void)!write(channel, "nonsense", 8);
        return;
    }
    socket_count = 0;
    for (size_t i = FIXED_FDS; i < message->fd_count; i++) {
        sockets[socket_count++] = message->fds[i];
    }
    snprintf(number, sizeof number, "%u boot%u", ++generation, (unsigned)getpid());
    answer(channel, CHANNEL_READY, number);
}

static inline void take(int channel, const struct channel_message *message)
{
    switch (message->kind) {
    case CHANNEL_CONFIGURE:
        take_configuration(channel, message);
        break;
    case CHANNEL_DRAIN:
        log_event(LOG_INFO, "double_drain");
        if (!behaves("stubborn")) {
            _exit(behaves("unclean") ? 4 : 0);
        }
        break;
    case CHANNEL_RETIRE:
        log_event(LOG_INFO, "double_retire", LOG_NUMBER("pid", getpid()), LOG_TEXT("boot", message->text));
        answer(channel, CHANNEL_AUDIT_END, "how it ends");
        _exit(0);
    case CHANNEL_AUDIT_END:
        log_event(LOG_INFO, "double_end", LOG_NUMBER("pid", getpid()), LOG_TEXT("text", message->text));
        break;
    case CHANNEL_REOPEN:
        log_event(LOG_INFO, "double_reopen", LOG_NUMBER("fds", message->fd_count));
        break;
    case CHANNEL_REFUSED:
        log_event(LOG_INFO, "double_told", LOG_TEXT("reason", message->text));
        break;
    default:
        _exit(7);
    }
}

/* Whoever connects is told who serves. */
static inline void serve(int socket)
{
    int client = accept(socket, NULL, NULL);
    if (client >= 0) {
        char text[32];
        int size = snprintf(text, sizeof text, "%d", (int)getpid());
        (void)!write(client, text, (size_t)size);
        close(client);
    }
}

static inline int run_double(int channel)
{
    for (;;) {
        struct pollfd sources[64] = { { .fd = channel, .events = POLLIN } };
        nfds_t count = 1;
        for (size_t i = 0; i < socket_count && count < 64; i++) {
            sources[count++] = (struct pollfd){ .fd = sockets[i], .events = POLLIN };
        }
        poll(sources, count, -1);
        for (nfds_t i = 1; i < count; i++) {
            if (sources[i].revents != 0) {
                serve(sources[i].fd);
            }
        }
        struct channel_message message;
        bool complete = false;
        if (sources[0].revents == 0) {
            continue;
        }
        if (failed(channel_receive(channel, &reader, &message, &complete))) {
            return 6;
        }
        if (complete) {
            take(channel, &message);
        }
    }
}

#endif
