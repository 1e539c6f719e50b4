#include "supervisor/loaded.h"

#include "base/log.h"

#include <stdio.h>

#define DIAGNOSTICS_MAX ((size_t)4 * 1024 * 1024)

struct error loaded_read(const struct config_options *options, struct loaded *out)
{
    *out = (struct loaded){ NULL, NULL };
    struct error error = config_files_new(&out->files);
    if (!failed(error)) {
        error = config_load(options, out->files, &out->config);
    }
    if (failed(error)) {
        loaded_done(out);
    }
    return error;
}

void loaded_done(struct loaded *loaded)
{
    if (loaded->config != NULL) {
        config_free(loaded->config);
    }
    if (loaded->files != NULL) {
        config_files_free(loaded->files);
    }
    *loaded = (struct loaded){ NULL, NULL };
}

void loaded_log(const struct loaded *loaded, char *first, size_t size)
{
    struct buffer text;
    struct slice line;
    buffer_init(&text, DIAGNOSTICS_MAX);
    config_print_diagnostics(loaded->config, &text);
    struct slice rest = buffer_slice(&text);
    first[0] = '\0';
    while (slice_next(&rest, '\n', &line)) {
        bool is_error = slice_contains(line, SLICE(": error: "));
        if (line.len > 0) {
            log_event(is_error ? LOG_ERROR : LOG_WARNING,
                      is_error ? "configuration_error" : "configuration_warning", LOG_TEXT("message", line));
        }
        if (is_error && first[0] == '\0') {
            snprintf(first, size, "%.*s", SLICE_ARG(line));
        }
    }
    buffer_done(&text);
}

static int64_t queue_of(const struct log_file_settings *log)
{
    return log != NULL ? log->queue : 0;
}

/* One that is not read any more harms nobody. */
static bool holds_all(const struct conf_strings *before, const struct conf_strings *after)
{
    bool good = true;
    for (size_t i = 0; i < after->count; i++) {
        good = good && conf_strings_contain(before, after->items[i]);
    }
    return good;
}

bool loaded_confine_alike(const struct loaded *before, const struct loaded *after)
{
    const struct confinement_settings *a = before->config->settings.confinement;
    const struct confinement_settings *b = after->config->settings.confinement;
    return a->mode == b->mode && a->local_sockets == b->local_sockets && a->port_count == b->port_count &&
           (a->port_count == 0 || memcmp(a->ports, b->ports, a->port_count * sizeof *a->ports) == 0) &&
           holds_all(&a->read_paths, &b->read_paths) &&
           /* A right to write that is not needed any more is taken away. */
           holds_all(&a->write_paths, &b->write_paths) && holds_all(&b->write_paths, &a->write_paths);
}

void loaded_compare(const struct loaded *before, const struct loaded *after)
{
    const struct settings *a = &before->config->settings;
    const struct settings *b = &after->config->settings;
    const struct {
        const char *name;
        bool same;
    } fixed[] = {
        { "instance", slice_equal(a->instance, b->instance) },
        { "workers", a->workers == b->workers },
        { "user", slice_equal(a->user, b->user) },
        { "group", slice_equal(a->group, b->group) },
        { "limit_keys", a->limit_keys == b->limit_keys },
        { "dpop_proofs", a->dpop_proofs == b->dpop_proofs },
        { "token_cache", a->token_cache == b->token_cache },
        { "api_key_cache", a->api_key_cache == b->api_key_cache },
        { "basic_cache", a->basic_cache == b->basic_cache },
        { "logs.access.queue", queue_of(a->logs->access) == queue_of(b->logs->access) },
        { "logs.audit.queue", queue_of(a->logs->audit) == queue_of(b->logs->audit) },
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (!fixed[i].same) {
            log_event(LOG_WARNING, "restart_needed", LOG_STRING("setting", fixed[i].name));
        }
    }
}
