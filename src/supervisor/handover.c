#include "supervisor/handover.h"

#include "base/log.h"
#include "limit/limit.h"
#include "limit/once.h"
#include "json/writer.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* bundle, limiter, access log, audit log, bequest of the gateway, bequest to it, what may be used once */
#define FIXED_FDS 7

/* Append only: a line is never written over. Readable, so that the audit log's chain can go on behind its last line. */
static struct error open_file(const struct config_options *options, struct slice file, char *text,
                              size_t size, int *ret_fd)
{
    char path[PATH_MAX];
    ssize_t slash = slice_find_last(options->path, '/');
    bool relative = file.len > 0 && file.ptr[0] != '/' && slash >= 0;
    struct slice folder = relative ? slice_part(options->path, 0, (size_t)slash + 1) : SLICE("");
    if (snprintf(path, sizeof path, "%.*s%.*s", SLICE_ARG(folder), SLICE_ARG(file)) >= (int)sizeof path) {
        snprintf(text, size, "log file %.*s: its path is too long", SLICE_ARG(file));
        return FAIL(ERROR_LIMIT, "a log file cannot be opened");
    }
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0) {
        snprintf(text, size, "log file %s: %s", path, strerror(errno));
        return FAIL_ERRNO("a log file cannot be opened");
    }
    *ret_fd = fd;
    return OK;
}

static struct error open_log(const struct config_options *options, const struct log_file_settings *log,
                             char *text, size_t size, int *ret_fd)
{
    struct slice file = log != NULL ? log->file : SLICE("-");
    if (slice_equal(file, SLICE("off"))) {
        *ret_fd = -1;
        return OK;
    }
    if (!slice_equal(file, SLICE("-"))) {
        return open_file(options, file, text, size, ret_fd);
    }
    int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        snprintf(text, size, "standard output: %s", strerror(errno));
        return FAIL_ERRNO("standard output cannot be used");
    }
    *ret_fd = fd;
    return OK;
}

/* Where the gateway notes last uses: it can open nothing for writing itself. Without it they are not known, and all else is. */
static int open_uses(struct slice store)
{
    char path[PATH_MAX];
    int fd = -1;
    errno = ENAMETOOLONG;
    if (snprintf(path, sizeof path, "%.*s" KEY_STORE_USED, SLICE_ARG(store)) < (int)sizeof path) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
    }
    if (fd < 0) {
        log_event(LOG_WARNING, "last_uses_unknown", LOG_TEXT("store", store),
                  LOG_STRING("reason", strerrordesc_np(errno)));
    }
    return fd;
}

#define MEMORY_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Sealed: a gateway that was taken over could else shorten it under the feet of the next one. */
static struct error make_memory(const char *name, size_t size, int *ret_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return FAIL_ERRNO("memory for gateway processes cannot be made");
    }
    if (ftruncate(fd, (off_t)size) != 0 || fcntl(fd, F_ADD_SEALS, MEMORY_SEALS) != 0) {
        struct error error = FAIL_ERRNO("memory for gateway processes cannot be made");
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return OK;
}

int handover_bequest(void)
{
    int fd = -1;
    return failed(make_memory("sallyport-bequest", CHANNEL_BEQUEST_SIZE, &fd)) ? -1 : fd;
}

struct error handover_limiter(size_t entries, int *fd, bool *ret_kept)
{
    size_t size = limiter_size(entries);
    int old = *fd;
    *ret_kept = old >= 0 && fcntl(old, F_GET_SEALS) == MEMORY_SEALS && limiter_fits(old, size);
    if (*ret_kept) {
        return OK;
    }
    TRY(make_memory("sallyport-limits", size, fd));
    if (old >= 0) {
        close(old);
    }
    return OK;
}

struct error handover_once(size_t uses, int *fd)
{
    size_t size = once_size(uses);
    int old = *fd;
    if (old >= 0 && fcntl(old, F_GET_SEALS) == MEMORY_SEALS && once_fits(old, size)) {
        return OK;
    }
    TRY(make_memory("sallyport-once", size, fd));
    if (old >= 0) {
        close(old);
    }
    return OK;
}

static void write_listeners(const struct handover *handover, struct json_writer *json)
{
    json_name(json, SLICE("listeners"));
    json_array_begin(json);
    for (const struct listening *listening = handover->sockets->first; listening != NULL;
         listening = listening->next) {
        if (listening->is_wanted) {
            const char *name = listening->new_name != NULL ? listening->new_name : listening->name;
            json_object_begin(json);
            json_member_string(json, SLICE("name"), slice_from_string(name));
            json_member_integer(json, SLICE("port"), listening->address.port);
            json_member_integer(json, SLICE("sockets"), (int64_t)listening->count);
            json_object_end(json);
        }
    }
    json_array_end(json);
}

static bool write_text(const struct handover *handover, struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_member_string(&json, SLICE("config"), handover->options->path);
    json_name(&json, SLICE("overlays"));
    json_array_begin(&json);
    for (size_t i = 0; i < handover->options->overlay_count; i++) {
        json_string(&json, handover->options->overlays[i]);
    }
    json_array_end(&json);
    json_member_integer(&json, SLICE("restarts"), handover->restarts);
    json_member_integer(&json, SLICE("upgrades"), handover->upgrades);
    json_member_bool(&json, SLICE("relieves"), handover->relieves);
    json_member_integer(&json, SLICE("forbidden_calls"), handover->forbidden_calls);
    if (handover->forbidden_call[0] != '\0') {
        json_member_string(&json, SLICE("forbidden_call"), slice_from_string(handover->forbidden_call));
    }
    json_member_integer(&json, SLICE("workers"), (int64_t)handover->sockets->workers);
    write_listeners(handover, &json);
    json_object_end(&json);
    return !json.failed;
}

/* One for each set that has a store, in their order; the last ones of the message. */
static struct error gather_uses(const struct settings *settings, int *fds, size_t count, size_t *ret_count)
{
    if (count + settings->api_keys_count > CHANNEL_FDS_MAX) {
        return FAIL(ERROR_LIMIT, "too many listeners and key stores for this many workers");
    }
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        if (settings->api_keys[i].store.len > 0) {
            fds[count++] = open_uses(settings->api_keys[i].store);
        }
    }
    *ret_count = count;
    return OK;
}

/* fds[0], [2] and [3] are opened here, and where all went well those of gather_uses, and the caller's to close, on failure too. */
static struct error gather(const struct handover *handover, char *text, size_t size, int *fds,
                           size_t *ret_count)
{
    const struct logs_settings *logs = handover->settings->logs;
    TRY(config_files_pack(handover->files, &fds[0]));
    fds[1] = handover->limiter_fd;
    TRY(open_log(handover->options, logs->access, text, size, &fds[2]));
    TRY(open_log(handover->options, logs->audit, text, size, &fds[3]));
    if (fds[3] < 0) {
        return FAIL(ERROR_VALUE, "the audit log cannot be off");
    }
    fds[4] = handover->bequest;
    fds[5] = handover->bequest_before;
    fds[6] = handover->once_fd;
    size_t count = FIXED_FDS;
    for (const struct listening *listening = handover->sockets->first; listening != NULL;
         listening = listening->next) {
        for (size_t i = 0; listening->is_wanted && i < listening->count; i++) {
            if (count == CHANNEL_FDS_MAX) {
                return FAIL(ERROR_LIMIT, "too many listeners for this many workers");
            }
            fds[count++] = listening->fds[i];
        }
    }
    return gather_uses(handover->settings, fds, count, ret_count);
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static void close_uses(const struct settings *settings, const struct channel_message *message)
{
    size_t count = settings_key_stores(settings);
    for (size_t i = 0; i < count && message->fd_count > FIXED_FDS; i++) {
        close_fd(message->fds[message->fd_count - 1 - i]);
    }
}

/* Where nothing more telling was said. */
static struct error explained(struct error error, char *text, size_t size)
{
    if (failed(error) && text[0] == '\0') {
        error_describe(error, text, size);
    }
    return error;
}

struct error handover_configure(const struct handover *handover, int channel, char *text, size_t size,
                                bool *ret_sent)
{
    static int fds[CHANNEL_FDS_MAX];
    struct buffer json;
    fds[0] = fds[2] = fds[3] = -1;
    text[0] = '\0';
    *ret_sent = false;
    buffer_init(&json, CHANNEL_TEXT_MAX);
    struct channel_message message = { .kind = CHANNEL_CONFIGURE, .fds = fds };
    struct error error = write_text(handover, &json) ? gather(handover, text, size, fds, &message.fd_count)
                                                     : FAIL(ERROR_LIMIT, "too many listeners");
    if (!failed(error)) {
        message.text = buffer_slice(&json);
        *ret_sent = true;
        error = channel_send(channel, &message);
    }
    close_fd(fds[0]);
    close_fd(fds[2]);
    close_fd(fds[3]);
    close_uses(handover->settings, &message);
    buffer_done(&json);
    return explained(error, text, size);
}

struct error handover_reopen(const struct config_options *options, const struct settings *settings,
                             int channel, char *text, size_t size)
{
    int fds[2] = { -1, -1 };
    text[0] = '\0';
    struct error error = open_log(options, settings->logs->access, text, size, &fds[0]);
    if (!failed(error)) {
        error = open_log(options, settings->logs->audit, text, size, &fds[1]);
    }
    if (!failed(error)) {
        struct channel_message message = { .kind = CHANNEL_REOPEN, .fds = fds, .fd_count = 2 };
        error = channel_send(channel, &message);
    }
    close_fd(fds[0]);
    close_fd(fds[1]);
    return explained(error, text, size);
}
