#include "supervisor/handover.h"

#include "limit/limit.h"
#include "json/writer.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIXED_FDS 4 /* bundle, limiter, access log, audit log */

/* A log's path is relative to the main configuration file. Append only: a line is never written over. */
static struct error open_log(const struct config_options *options, struct slice file, int *ret_fd)
{
    char path[PATH_MAX];
    if (slice_equal(file, SLICE("off"))) {
        *ret_fd = -1;
        return OK;
    }
    ssize_t slash = slice_find_last(options->path, '/');
    bool relative = file.len > 0 && file.ptr[0] != '/' && slash >= 0;
    snprintf(path, sizeof path, "%.*s%.*s",
             SLICE_ARG(relative ? slice_part(options->path, 0, (size_t)slash + 1) : SLICE("")),
             SLICE_ARG(file));
    int fd = slice_equal(file, SLICE("-"))
                 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                 : open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0) {
        return FAIL_ERRNO("a log file cannot be opened");
    }
    *ret_fd = fd;
    return OK;
}

struct error handover_limiter(size_t entries, int *ret_fd)
{
    int fd = memfd_create("sallyport-limits", MFD_CLOEXEC);
    if (fd < 0) {
        return FAIL_ERRNO("the limiter's table cannot be made");
    }
    if (ftruncate(fd, (off_t)limiter_size(entries)) != 0) {
        close(fd);
        return FAIL_ERRNO("the limiter's table cannot be made");
    }
    *ret_fd = fd;
    return OK;
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
    json_name(&json, SLICE("listeners"));
    json_array_begin(&json);
    for (const struct listening *listening = handover->sockets->first; listening != NULL;
         listening = listening->next) {
        if (listening->wanted) {
            json_object_begin(&json);
            json_member_string(&json, SLICE("name"), slice_from_string(listening->name));
            json_member_integer(&json, SLICE("port"), listening->address.port);
            json_member_integer(&json, SLICE("sockets"), (int64_t)listening->count);
            json_object_end(&json);
        }
    }
    json_array_end(&json);
    json_object_end(&json);
    return !json.failed;
}

static struct error gather(const struct handover *handover, int *fds, size_t *ret_count)
{
    const struct logs_settings *logs = handover->settings->logs;
    TRY(config_files_pack(handover->files, &fds[0]));
    fds[1] = handover->limiter_fd;
    TRY(open_log(handover->options, logs->access->file, &fds[2]));
    TRY(open_log(handover->options, logs->audit->file, &fds[3]));
    size_t count = FIXED_FDS;
    for (const struct listening *listening = handover->sockets->first; listening != NULL;
         listening = listening->next) {
        for (size_t i = 0; listening->wanted && i < listening->count; i++) {
            if (count == CHANNEL_FDS_MAX) {
                return FAIL(ERROR_LIMIT, "too many listeners for this many workers");
            }
            fds[count++] = listening->fds[i];
        }
    }
    *ret_count = count;
    return OK;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

struct error handover_configure(const struct handover *handover, int channel)
{
    static int fds[CHANNEL_FDS_MAX];
    struct buffer text;
    fds[0] = fds[2] = fds[3] = -1;
    buffer_init(&text, CHANNEL_TEXT_MAX);
    struct channel_message message = { .kind = CHANNEL_CONFIGURE, .fds = fds };
    struct error error = write_text(handover, &text) ? gather(handover, fds, &message.fd_count)
                                                     : FAIL(ERROR_LIMIT, "too many listeners");
    if (!failed(error)) {
        message.text = buffer_slice(&text);
        error = channel_send(channel, &message);
    }
    close_fd(fds[0]);
    close_fd(fds[2]);
    close_fd(fds[3]);
    buffer_done(&text);
    return error;
}

struct error handover_reopen(const struct config_options *options, const struct settings *settings,
                             int channel)
{
    int fds[2] = { -1, -1 };
    struct error error = open_log(options, settings->logs->access->file, &fds[0]);
    if (!failed(error)) {
        error = open_log(options, settings->logs->audit->file, &fds[1]);
    }
    if (!failed(error)) {
        struct channel_message message = {
            .kind = CHANNEL_REOPEN, .text = SLICE(""), .fds = fds, .fd_count = 2
        };
        error = channel_send(channel, &message);
    }
    close_fd(fds[0]);
    close_fd(fds[1]);
    return error;
}
