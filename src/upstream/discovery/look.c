/* Looks at files. */
#include "upstream/discovery/internal.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_INTERVAL (NS_PER_S / 2)

struct file_look {
    uv_work_t work;
    struct discovery_source *source; /* NULL: it is gone */
    struct file_stamp stamp;
    struct error error;
    char *text;
    size_t len;
    char path[];
};

static void fail(struct discovery_source *source, struct error error, size_t at)
{
    char why[SOURCE_REASON_MAX / 2], text[SOURCE_REASON_MAX];
    error_describe(error, why, sizeof why);
    if (at > 0) {
        snprintf(text, sizeof text, "endpoint %zu: %s", at, why);
    } else {
        snprintf(text, sizeof text, "%s", why);
    }
    source_fail(source, text);
}

/* What is malformed is known, too: it is read again once it has changed. False, for want of memory: at the next look. */
static bool take_text(struct discovery_source *source, struct slice text)
{
    struct arena *memory = source_memory_new();
    struct slice copy = memory != NULL ? arena_copy(memory, text) : SLICE_NONE;
    struct found_endpoints found = { 0 };
    size_t at = 0;
    struct error error = memory == NULL || (copy.ptr == NULL && text.len > 0)
                             ? FAIL(ERROR_MEMORY, "no memory for endpoints")
                             : endpoint_file_parse(copy, memory, &found, &at);
    if (failed(error)) {
        source_memory_free(memory);
        fail(source, error, at);
        return error.kind != ERROR_MEMORY;
    }
    return source_take(source, memory, &found);
}

static void finish(struct discovery_source *source, const struct file_look *look)
{
    source->due = source->discovery->loop->now + LOOK_INTERVAL;
    if (failed(look->error)) {
        source->stamp = (struct file_stamp){ 0 };
        fail(source, look->error, 0);
    } else if (look->text != NULL && take_text(source, slice_of(look->text, look->len))) {
        source->stamp = look->stamp;
    }
}

static struct file_look *look_new(struct discovery_source *source)
{
    struct slice path = source->settings.path;
    struct file_look *look = calloc(1, sizeof *look + path.len + 1);
    if (look != NULL) {
        look->source = source;
        look->stamp = source->stamp;
        memcpy(look->path, path.ptr, path.len);
    }
    return look;
}

static void look_free(struct file_look *look)
{
    free(look->text);
    free(look);
}

static void run(uv_work_t *work)
{
    struct file_look *look = (struct file_look *)work;
    look->error = endpoint_file_read(look->path, &look->stamp, &look->text, &look->len);
}

static void on_done(uv_work_t *work, int status)
{
    struct file_look *look = (struct file_look *)work;
    struct discovery_source *source = look->source;
    if (source != NULL) {
        struct discovery *discovery = source->discovery;
        net_loop_woken(discovery->loop);
        source->look = NULL;
        if (status == 0) {
            finish(source, look);
        }
        discovery_looked(discovery);
    }
    look_free(look);
}

void source_look_now(struct discovery_source *source)
{
    struct file_look *look = look_new(source);
    if (look != NULL) {
        run(&look->work);
        finish(source, look);
        look_free(look);
    }
}

void source_look(struct discovery_source *source)
{
    struct discovery *discovery = source->discovery;
    source->due = discovery->loop->now + LOOK_INTERVAL;
    struct file_look *look = look_new(source);
    if (look == NULL || uv_queue_work(&discovery->loop->uv, &look->work, run, on_done) != 0) {
        free(look);
        return;
    }
    source->look = look;
    source->due = INT64_MAX;
}

void source_forget_look(struct discovery_source *source)
{
    if (source->look != NULL) {
        source->look->source = NULL;
        source->look = NULL;
    }
}
