/* A CONFIGURE as it came: its descriptors, what its message says, and the snapshot that is made of its files. */
#include "gateway/control.h"

#include <stdlib.h>
#include <unistd.h>

#define OVERLAYS_MAX 64

void control_free_change(struct control *control, struct change *change)
{
    for (size_t i = 0; i < change->fd_count; i++) {
        if (change->fds[i] >= 0) {
            close(change->fds[i]);
        }
    }
    for (size_t i = 0; change->workers != NULL && i < control->worker_count; i++) {
        free(change->workers[i].sockets);
    }
    if (change->snapshot != NULL) {
        key_stores_release(change->sources, change->snapshot->settings->api_keys_count);
        snapshot_unref(change->snapshot);
    }
    status_change_free(change->status);
    block_change_free(change->blocks);
    arena_done(&change->arena);
    free(change->workers);
    free(change->fds);
    free(change);
    control->change = NULL;
}

int control_take_fd(struct change *change, size_t index)
{
    int fd = change->fds[index];
    change->fds[index] = -1;
    return fd;
}

static struct error load_snapshot(struct change *change, const struct json *message)
{
    struct slice overlays[OVERLAYS_MAX];
    struct config_options options = { .overlays = overlays };
    const struct json *list = json_get(message, SLICE("overlays"));
    if (!json_get_string(message, SLICE("config"), &options.path)) {
        return FAIL(ERROR_PEER, "configuration message without a path");
    }
    for (size_t i = 0; list != NULL && i < list->count && i < OVERLAYS_MAX; i++) {
        overlays[options.overlay_count++] = list->items[i].text;
    }
    struct config_files *files = NULL;
    TRY(config_files_open(change->fds[0], &files));
    struct config *config = NULL;
    struct error error = config_load(&options, files, &config);
    config_files_free(files);
    TRY(error);
    if (config->error_count > 0) {
        /* The supervisor has loaded the same bytes: this is a difference of versions, or of memory. */
        config_free(config);
        return FAIL(ERROR_VALUE, "the configuration has errors");
    }
    error = snapshot_new(config, &change->snapshot);
    if (failed(error)) {
        config_free(config);
    }
    return error;
}

static struct error read_message(struct change *change, const struct channel_message *message,
                                 struct json **ret_json)
{
    change->fds = malloc((message->fd_count + 1) * sizeof *change->fds);
    if (change->fds == NULL) {
        channel_message_done(message);
        return FAIL(ERROR_MEMORY, "configuration message");
    }
    memcpy(change->fds, message->fds, message->fd_count * sizeof *change->fds);
    change->fd_count = message->fd_count;
    if (message->fd_count < CHANGE_FIXED_FDS) {
        return FAIL(ERROR_PEER, "configuration message without its descriptors");
    }
    struct slice text = arena_copy(&change->arena, message->text);
    if (text.ptr == NULL) {
        return FAIL(ERROR_MEMORY, "configuration message");
    }
    TRY(json_parse(text, JSON_DEPTH_MAX, &change->arena, ret_json, NULL));
    return OK;
}

struct error control_read_change(struct change *change, const struct channel_message *message,
                                 struct json **ret_json)
{
    struct json *json = NULL;
    TRY(read_message(change, message, &json));
    change->listeners = (struct json *)json_get(json, SLICE("listeners"));
    if (change->listeners == NULL || change->listeners->type != JSON_ARRAY) {
        return FAIL(ERROR_PEER, "configuration message without listeners");
    }
    int64_t workers = 0;
    if (!json_get_integer(json, SLICE("workers"), &workers) || workers < 1 || workers > WORKERS_MAX) {
        return FAIL(ERROR_PEER, "configuration message without a number of workers");
    }
    change->worker_count = (size_t)workers;
    const struct json *relieves = json_get(json, SLICE("relieves"));
    change->relieves = relieves != NULL && relieves->type == JSON_BOOL && relieves->boolean;
    TRY(load_snapshot(change, json));
    *ret_json = json;
    return OK;
}
