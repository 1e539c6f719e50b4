#include "supervisor/state.h"

#include "base/limits.h"
#include "json/json.h"
#include "json/writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERSION \
    1 /* of what is written here: a program that does not know it refuses, and the old one goes on */
#define TEXT_MAX  ((size_t)1024 * 1024)
#define DEPTH_MAX 4
#define ARENA_MAX (TEXT_MAX * 8)

/* ---- writing ---- */

static void write_listeners(const struct sockets *sockets, struct json_writer *json)
{
    json_name(json, SLICE("listeners"));
    json_array_begin(json);
    for (const struct listening *listening = sockets->first; listening != NULL; listening = listening->next) {
        char address[ADDRESS_TEXT_MAX];
        address_format(&listening->wanted, address);
        json_object_begin(json);
        json_member_string(json, SLICE("name"), slice_from_string(listening->name));
        json_member_string(json, SLICE("address"), slice_from_string(address));
        json_member_integer(json, SLICE("port"), listening->wanted.port);
        if (listening->path != NULL) {
            json_member_string(json, SLICE("path"), slice_from_string(listening->path));
            json_member_integer(json, SLICE("device"), (int64_t)listening->file.device);
            json_member_integer(json, SLICE("inode"), (int64_t)listening->file.inode);
        }
        json_name(json, SLICE("sockets"));
        json_array_begin(json);
        for (size_t i = 0; i < listening->count; i++) {
            json_integer(json, listening->fds[i]);
        }
        json_array_end(json);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_generations(const struct supervisor *supervisor, struct json_writer *json)
{
    json_name(json, SLICE("generations"));
    json_array_begin(json);
    for (const struct generation *generation = supervisor->generations; generation != NULL;
         generation = generation->next) {
        json_object_begin(json);
        json_member_integer(json, SLICE("pid"), generation->pid);
        json_member_integer(json, SLICE("channel"), generation->channel);
        json_member_integer(json, SLICE("bequest"), generation->bequest);
        json_member_integer(json, SLICE("serving"), generation->serving);
        json_member_integer(json, SLICE("leaving"), generation->leaving);
        json_member_integer(json, SLICE("started_at"), generation->started_at);
        json_member_integer(json, SLICE("grace"), generation->grace);
        json_member_integer(json, SLICE("kill_at"), generation->kill_at);
        json_object_end(json);
    }
    json_array_end(json);
}

static bool write_text(const struct supervisor *supervisor, const char *reason, struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_member_integer(&json, SLICE("version"), VERSION);
    json_member_integer(&json, SLICE("pid"), getpid());
    json_member_string(&json, SLICE("path"), slice_from_string(supervisor->upgrade.path));
    json_member_string(&json, SLICE("reason"), slice_from_string(reason));
    json_member_integer(&json, SLICE("back"), supervisor->upgrade.back);
    json_member_integer(&json, SLICE("bundle"), supervisor->upgrade.bundle);
    json_member_integer(&json, SLICE("asker"), supervisor->upgrade.asker);
    json_member_integer(&json, SLICE("limiter"), supervisor->limiter_fd);
    json_member_integer(&json, SLICE("once"), supervisor->once_fd);
    json_member_integer(&json, SLICE("restarts"), supervisor->restarts);
    json_member_integer(&json, SLICE("upgrades"), supervisor->upgrades);
    write_listeners(&supervisor->sockets, &json);
    write_generations(supervisor, &json);
    json_object_end(&json);
    return !json.failed;
}

struct error takeover_write(const struct supervisor *supervisor, const char *reason, int *ret_fd)
{
    struct buffer text;
    buffer_init(&text, TEXT_MAX);
    struct error error = write_text(supervisor, reason, &text)
                             ? OK
                             : FAIL(ERROR_LIMIT, "what is to be left to the next program is too much");
    int fd = failed(error) ? -1 : memfd_create("sallyport-takeover", MFD_CLOEXEC);
    struct slice all = buffer_slice(&text);
    if (!failed(error) && (fd < 0 || write(fd, all.ptr, all.len) != (ssize_t)all.len)) {
        error = FAIL_ERRNO("what is to be left to the next program cannot be written");
    }
    buffer_done(&text);
    if (failed(error)) {
        if (fd >= 0) {
            close(fd);
        }
        return error;
    }
    *ret_fd = fd;
    return OK;
}

/* ---- becoming ---- */

void takeover_arguments(const struct supervisor *supervisor, const char *command, char **out)
{
    static char option[] = "--overlay";
    const struct config_options *config = &supervisor->options->config;
    size_t count = 0;
    out[count++] = (char *)(uintptr_t)supervisor->upgrade.path;
    out[count++] = (char *)(uintptr_t)command;
    out[count++] = (char *)(uintptr_t)config->path.ptr;
    for (size_t i = 0; i < config->overlay_count && count < TAKEOVER_ARGUMENTS_MAX - 2; i++) {
        out[count++] = option;
        out[count++] = (char *)(uintptr_t)config->overlays[i].ptr;
    }
    out[count] = NULL;
}

/* What goes through an exec has no close-on-exec flag; what was inherited gets it back. */
static bool mark(int fd, bool inherit)
{
    return fd < 0 || fcntl(fd, F_SETFD, inherit ? 0 : FD_CLOEXEC) == 0;
}

static bool mark_all(const struct supervisor *supervisor, int state, bool inherit)
{
    const struct upgrade *upgrade = &supervisor->upgrade;
    bool marked = mark(state, inherit) && mark(upgrade->back, inherit) && mark(upgrade->bundle, inherit) &&
                  mark(upgrade->asker, inherit) && mark(supervisor->limiter_fd, inherit) &&
                  mark(supervisor->once_fd, inherit);
    for (const struct listening *listening = supervisor->sockets.first; listening != NULL;
         listening = listening->next) {
        for (size_t i = 0; i < listening->count; i++) {
            marked = mark(listening->fds[i], inherit) && marked;
        }
    }
    for (const struct generation *generation = supervisor->generations; generation != NULL;
         generation = generation->next) {
        marked = mark(generation->channel, inherit) && mark(generation->bequest, inherit) && marked;
    }
    return marked;
}

struct error takeover_become(const struct supervisor *supervisor, int program, int state)
{
    char number[16];
    char *arguments[TAKEOVER_ARGUMENTS_MAX];
    takeover_arguments(supervisor, "run", arguments);
    snprintf(number, sizeof number, "%d", state);
    struct error error;
    if (setenv(TAKEOVER_VARIABLE, number, 1) != 0 || !mark_all(supervisor, state, true)) {
        error = FAIL_ERRNO("descriptors cannot be left to the next program");
    } else {
        fexecve(program, arguments, environ);
        error = FAIL_ERRNO("the program cannot be executed");
    }
    mark_all(supervisor, state, false);
    unsetenv(TAKEOVER_VARIABLE);
    return error;
}

/* ---- reading ---- */

int takeover_inherited(void)
{
    uint64_t fd;
    const char *value = getenv(TAKEOVER_VARIABLE);
    bool named = value != NULL && slice_to_u64(slice_from_string(value), &fd) && fd <= INT32_MAX;
    unsetenv(TAKEOVER_VARIABLE);
    return named ? (int)fd : -1;
}

/* Numbers of ours, written by us: what does not fit is another program's idea of them. */
static bool read_fd(const struct json *object, struct slice name, int *ret_fd)
{
    int64_t number;
    if (!json_get_integer(object, name, &number) || number < -1 || number > INT_MAX) {
        return false;
    }
    *ret_fd = (int)number;
    return mark(*ret_fd, false);
}

static bool read_count(const struct json *object, struct slice name, unsigned int *ret_count)
{
    int64_t number;
    if (!json_get_integer(object, name, &number) || number < 0 || number > UINT_MAX) {
        return false;
    }
    *ret_count = (unsigned int)number;
    return true;
}

static bool read_path(const struct json *item, struct sockets_given *given)
{
    int64_t device, inode;
    if (!json_get_string(item, SLICE("path"), &given->path) || given->path.len == 0 ||
        given->path.len > UNIX_PATH_MAX || !json_get_integer(item, SLICE("device"), &device) ||
        !json_get_integer(item, SLICE("inode"), &inode)) {
        return false;
    }
    given->file = (struct unix_file){ (dev_t)device, (ino_t)inode };
    return true;
}

static bool read_listener(struct supervisor *supervisor, const struct json *item)
{
    struct slice name, text;
    struct address wanted;
    int64_t port;
    int fds[SOCKETS_PER_LISTENER_MAX];
    const struct json *list = json_get(item, SLICE("sockets"));
    if (!json_get_string(item, SLICE("name"), &name) || !json_get_string(item, SLICE("address"), &text) ||
        !address_parse(text, &wanted) || !json_get_integer(item, SLICE("port"), &port) || list == NULL ||
        list->type != JSON_ARRAY || list->count > SOCKETS_PER_LISTENER_MAX) {
        return false;
    }
    wanted.port = (uint16_t)port;
    struct sockets_given given = { .name = name, .wanted = wanted, .fds = fds, .count = list->count };
    if (json_get(item, SLICE("path")) != NULL && !read_path(item, &given)) {
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        fds[i] = (int)list->items[i].integer;
        if (fds[i] < 0 || !mark(fds[i], false)) {
            return false;
        }
    }
    return sockets_add(&supervisor->sockets, &given);
}

static bool read_generation(struct supervisor *supervisor, const struct json *item)
{
    int64_t pid, grace, started_at, kill_at;
    unsigned int serving, leaving;
    int channel, bequest = -1;
    if (!json_get_integer(item, SLICE("pid"), &pid) || !json_get_integer(item, SLICE("grace"), &grace) ||
        !json_get_integer(item, SLICE("started_at"), &started_at) ||
        !json_get_integer(item, SLICE("kill_at"), &kill_at) ||
        !read_count(item, SLICE("serving"), &serving) || !read_count(item, SLICE("leaving"), &leaving) ||
        !read_fd(item, SLICE("channel"), &channel) ||
        (json_get(item, SLICE("bequest")) != NULL && !read_fd(item, SLICE("bequest"), &bequest))) {
        return false;
    }
    struct generation *generation = generation_add(supervisor, (pid_t)pid, channel);
    if (generation == NULL) {
        return false;
    }
    generation->bequest = bequest;
    generation->serving = serving != 0;
    generation->leaving = leaving != 0;
    generation->grace = grace;
    generation->started_at = started_at;
    generation->kill_at = kill_at;
    return true;
}

static bool read_all(struct supervisor *supervisor, const struct json *json)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    const struct json *listeners = json_get(json, SLICE("listeners"));
    const struct json *generations = json_get(json, SLICE("generations"));
    bool good =
        read_fd(json, SLICE("back"), &upgrade->back) && read_fd(json, SLICE("bundle"), &upgrade->bundle) &&
        read_fd(json, SLICE("asker"), &upgrade->asker) &&
        read_fd(json, SLICE("limiter"), &supervisor->limiter_fd) &&
        (json_get(json, SLICE("once")) == NULL || read_fd(json, SLICE("once"), &supervisor->once_fd)) &&
        read_count(json, SLICE("restarts"), &supervisor->restarts) &&
        read_count(json, SLICE("upgrades"), &supervisor->upgrades) && listeners != NULL &&
        listeners->type == JSON_ARRAY && generations != NULL && generations->type == JSON_ARRAY;
    for (size_t i = 0; good && i < listeners->count; i++) {
        good = read_listener(supervisor, &listeners->items[i]);
    }
    for (size_t i = good ? generations->count : 0; good && i > 0; i--) {
        good = read_generation(supervisor, &generations->items[i - 1]);
    }
    return good;
}

/* The part that every version must be able to read of every other. */
static struct error read_front(int fd, struct arena *arena, struct json **ret_json)
{
    struct stat facts;
    int64_t version, pid;
    if (fstat(fd, &facts) != 0 || facts.st_size <= 0 || facts.st_size > (off_t)TEXT_MAX) {
        return FAIL(ERROR_VALUE, "what the program before left cannot be read");
    }
    size_t size = (size_t)facts.st_size;
    char *text = arena_alloc(arena, size);
    if (text == NULL || pread(fd, text, size, 0) != (ssize_t)size) {
        return FAIL(ERROR_VALUE, "what the program before left cannot be read");
    }
    TRY(json_parse(slice_of(text, size), DEPTH_MAX, arena, ret_json, NULL));
    if (!json_get_integer(*ret_json, SLICE("version"), &version) || version != VERSION) {
        return FAIL(ERROR_VALUE, "the program before is of a version that cannot be taken over from");
    }
    /* The rehearsal is the supervisor's child. */
    if (!json_get_integer(*ret_json, SLICE("pid"), &pid) || (pid != getpid() && pid != getppid())) {
        return FAIL(ERROR_VALUE, "what the program before left is for another process");
    }
    return OK;
}

struct error takeover_check(int fd)
{
    struct arena arena;
    struct json *json = NULL;
    arena_init(&arena, ARENA_MAX);
    struct error error = read_front(fd, &arena, &json);
    arena_done(&arena);
    return error;
}

struct error takeover_read(struct supervisor *supervisor, int fd, char *reason, size_t size)
{
    struct arena arena;
    struct json *json = NULL;
    struct slice path, why;
    arena_init(&arena, ARENA_MAX);
    struct error error = read_front(fd, &arena, &json);
    if (!failed(error) &&
        (!json_get_string(json, SLICE("path"), &path) || path.len >= sizeof supervisor->upgrade.path ||
         !json_get_string(json, SLICE("reason"), &why) || !read_all(supervisor, json))) {
        error = FAIL(ERROR_VALUE, "what the program before left is not understood");
    }
    if (!failed(error)) {
        snprintf(supervisor->upgrade.path, sizeof supervisor->upgrade.path, "%.*s", SLICE_ARG(path));
        snprintf(reason, size, "%.*s", SLICE_ARG(why));
    }
    arena_done(&arena);
    close(fd);
    return error;
}
