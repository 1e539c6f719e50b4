#include "cli/family.h"

#include "base/clock.h"
#include "supervisor/process.h"

#include <stdarg.h>

static const struct cli_option common_options[] = {
    { "--config", CLI_TEXT, offsetof(struct cli_call, files.path) },
    { "--overlay", CLI_NAMES, offsetof(struct cli_call, overlays) },
    { "--json", CLI_FLAG, offsetof(struct cli_call, json) },
};

#define COMMON_OPTIONS (sizeof common_options / sizeof common_options[0])

/* ---- what was wrong ---- */

void cli_family_usage(const struct cli_family *family, FILE *to)
{
    for (size_t i = 0; i < family->verb_count; i++) {
        const char *usage = family->verbs[i].usage;
        fprintf(to, "%s sallyport %s %s --config FILE%s%s\n", i == 0 ? "usage:" : "      ", family->name,
                family->verbs[i].name, usage[0] != '\0' ? " " : "", usage);
    }
    family->explain(to);
}

static int misuse(const struct cli_family *family, const char *wrong, const char *argument)
{
    fprintf(stderr, "sallyport %s: %s%s%s\n", family->name, wrong, argument != NULL ? ": " : "",
            argument != NULL ? argument : "");
    cli_family_usage(family, stderr);
    return CLI_MISUSE;
}

int cli_fail(const struct cli_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "sallyport %s %s: ", call->family->name, call->verb->name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    return 1;
}

int cli_fail_store(const struct cli_call *call, struct slice store, struct error error)
{
    char why[256];
    error_describe(error, why, sizeof why);
    return cli_fail(call, "%.*s: %s", SLICE_ARG(store), why);
}

/* ---- what was asked for ---- */

static bool add_text(struct slice *items, size_t *count, size_t most, const char *text)
{
    if (*count < most) {
        items[(*count)++] = slice_from_string(text);
        return true;
    }
    return false;
}

/* Gives one option its value: false where it has too many. */
static bool store_value(struct cli_call *call, const struct cli_option *option, const char *value)
{
    void *at = (char *)call + option->offset;
    struct cli_names *names = at;
    switch (option->type) {
    case CLI_TEXT:
        *(struct slice *)at = slice_from_string(value);
        return true;
    case CLI_FLAG:
        *(bool *)at = true;
        return true;
    case CLI_NAMES:
        return add_text(names->items, &names->count, CLI_NAMES_MAX, value);
    }
    return false;
}

/* An option at `*at`: its value, or of a flag itself; NULL where it is another one, or has none. */
static const char *value_of(const struct cli_option *option, int count, char **arguments, int *at,
                            bool *ret_missing)
{
    if (option->type == CLI_FLAG) {
        return strcmp(arguments[*at], option->name) == 0 ? arguments[*at] : NULL;
    }
    return cli_option_value(option->name, count, arguments, at, ret_missing);
}

/* 0: it was one of these. -1: it is none of them. */
static int take_one_of(struct cli_call *call, const struct cli_option *options, size_t option_count,
                       int count, char **arguments, int *at)
{
    const char *argument = arguments[*at];
    bool missing = false;
    for (size_t i = 0; i < option_count; i++) {
        const char *value = value_of(&options[i], count, arguments, at, &missing);
        if (missing) {
            return misuse(call->family, "a value is missing after", argument);
        }
        if (value != NULL) {
            return store_value(call, &options[i], value)
                       ? 0
                       : misuse(call->family, "too many times", options[i].name);
        }
    }
    return -1;
}

static int take_option(struct cli_call *call, int count, char **arguments, int *at)
{
    const struct cli_family *family = call->family;
    int taken = take_one_of(call, common_options, COMMON_OPTIONS, count, arguments, at);
    return taken < 0 ? take_one_of(call, family->options, family->option_count, count, arguments, at) : taken;
}

static int take_arguments(struct cli_call *call, int count, char **arguments)
{
    const struct cli_family *family = call->family;
    for (int at = 0; at < count; at++) {
        int taken = take_option(call, count, arguments, &at);
        if (taken > 0) {
            return taken;
        }
        if (taken == 0) {
            continue;
        }
        bool is_option = arguments[at][0] == '-' && arguments[at][1] != '\0';
        if (is_option || !add_text(call->arguments, &call->argument_count, call->verb->most, arguments[at])) {
            return misuse(family, "this is not understood", arguments[at]);
        }
    }
    if (call->files.path.len == 0) {
        return misuse(family, "no configuration is named: --config FILE is wanted", NULL);
    }
    return call->argument_count >= call->verb->least ? 0 : misuse(family, call->verb->missing, NULL);
}

/* ---- doing it ---- */

static int run(struct cli_call *call)
{
    call->files.overlays = call->overlays.items;
    call->files.overlay_count = call->overlays.count;
    if (!cli_config_load(&call->loaded, &call->files) || call->loaded.config->error_count > 0) {
        return 1;
    }
    int status = call->family->open(call);
    return status == 0 ? call->verb->run(call) : status;
}

int cli_family_run(const struct cli_family *family, struct cli_call *call, int count, char **arguments)
{
    const struct cli_verb *verb = NULL;
    for (size_t i = 0; count > 0 && i < family->verb_count; i++) {
        verb = strcmp(family->verbs[i].name, arguments[0]) == 0 ? &family->verbs[i] : verb;
    }
    if (verb == NULL) {
        return misuse(family, count > 0 ? "there is no such command" : "a command is missing",
                      count > 0 ? arguments[0] : NULL);
    }
    call->family = family;
    call->verb = verb;
    call->now = clock_real_ns() / NS_PER_S;
    int status = take_arguments(call, count - 1, arguments + 1);
    if (status != 0) {
        return status;
    }
    status = run(call);
    family->close(call);
    cli_config_done(&call->loaded);
    return status;
}

int cli_store_find(const struct cli_call *call, struct slice path, struct cli_store *out)
{
    const struct settings *settings = &call->loaded.config->settings;
    if (snprintf(out->path, sizeof out->path, "%.*s", SLICE_ARG(path)) >= (int)sizeof out->path) {
        return cli_fail(call, "the path of the store is too long");
    }
    struct process_user user = { .change = false };
    struct error error = process_find_user(settings->user, settings->group, &user);
    if (failed(error)) {
        return cli_fail(call, "%s", error.what);
    }
    out->group = user.change ? user.gid : (gid_t)-1;
    return 0;
}
