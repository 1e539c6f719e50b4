#include "cli/keys/keys.h"

#include "base/clock.h"
#include "config/units.h"
#include "store/postgres_place.h"
#include "supervisor/process.h"

#include <limits.h>
#include <stdarg.h>

#define STORE_BUSY_MS   5000
#define STORE_ANSWER_MS 30000 /* what a database may take for an answer, or for the next row of one */

/* ---- what there is ---- */

static const struct keys_command {
    const char *name;
    int (*run)(struct keys_call *call);
    const char *argument; /* that it needs; NULL: none */
    bool reads_only;
    const char *usage;
} commands[] = {
    { "create", keys_create, NULL, false,
      "--consumer NAME [--scope NAME]... [--tag NAME]... [--limit N/W] [--expires WHEN] "
      "[--description TEXT]" },
    { "list", keys_list, NULL, true, "[--consumer NAME] [--expiring DURATION]" },
    { "show", keys_show, "an id", true, "ID" },
    { "rotate", keys_rotate, "an id", false, "ID [--overlap DURATION] [--expires WHEN]" },
    { "revoke", keys_revoke, "an id", false, "ID" },
    { "expire", keys_expire, "an id", false, "ID --expires WHEN" },
    { "import", keys_import, "a file", false, "FILE" },
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static const struct text_option {
    const char *name;
    size_t offset; /* of a slice in struct keys_call */
} texts[] = {
    { "--set", offsetof(struct keys_call, set) },
    { "--consumer", offsetof(struct keys_call, consumer) },
    { "--description", offsetof(struct keys_call, description) },
    { "--limit", offsetof(struct keys_call, limit) },
    { "--expires", offsetof(struct keys_call, expires) },
    { "--overlap", offsetof(struct keys_call, overlap) },
    { "--expiring", offsetof(struct keys_call, expiring) },
};

static int misuse(const char *wrong, const char *argument)
{
    fprintf(stderr, "sallyport keys: %s%s%s\n", wrong, argument != NULL ? ": " : "",
            argument != NULL ? argument : "");
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(stderr, "%s sallyport keys %s --config FILE %s\n", i == 0 ? "usage:" : "      ",
                commands[i].name, commands[i].usage);
    }
    fprintf(stderr, "       each with [--overlay FILE]... [--set NAME] [--json]; WHEN is a date, a duration "
                    "from now, \"now\" or \"never\"\n");
    return CLI_MISUSE;
}

int keys_fail(const struct keys_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "sallyport keys %s: ", call->command);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    return 1;
}

int keys_fail_store(const struct keys_call *call, struct error error)
{
    char why[256];
    error_describe(error, why, sizeof why);
    struct slice label = call->place != NULL ? slice_from_string(call->place->label) : call->settings->store;
    return keys_fail(call, "%.*s: %s", SLICE_ARG(label), why);
}

/* ---- what was asked for ---- */

/* One of several of its kind. */
static bool add_name(struct slice *names, size_t *count, const char *value)
{
    if (*count < KEYS_NAMES_MAX) {
        names[(*count)++] = slice_from_string(value);
        return true;
    }
    return false;
}

static int take_files(struct keys_call *call, const char *config, const char *overlay)
{
    struct config_options *files = &call->files.options;
    if (config != NULL) {
        files->path = slice_from_string(config);
    } else if (files->overlay_count < sizeof call->files.overlays / sizeof call->files.overlays[0]) {
        call->files.overlays[files->overlay_count++] = slice_from_string(overlay);
    } else {
        return misuse("too many overlays", NULL);
    }
    return 0;
}

/* One option at `*at`; -1 where it is none of those. */
static int take_option(struct keys_call *call, int count, char **arguments, int *at)
{
    const char *argument = arguments[*at], *value;
    bool missing = false;
    if (strcmp(argument, "--json") == 0) {
        call->json = true;
        return 0;
    }
    if ((value = cli_option_value("--config", count, arguments, at, &missing)) != NULL) {
        return take_files(call, value, NULL);
    }
    if ((value = cli_option_value("--overlay", count, arguments, at, &missing)) != NULL) {
        return take_files(call, NULL, value);
    }
    if ((value = cli_option_value("--scope", count, arguments, at, &missing)) != NULL) {
        return add_name(call->scopes, &call->scope_count, value) ? 0 : misuse("too many scopes", NULL);
    }
    if ((value = cli_option_value("--tag", count, arguments, at, &missing)) != NULL) {
        return add_name(call->tags, &call->tag_count, value) ? 0 : misuse("too many tags", NULL);
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        value = cli_option_value(texts[i].name, count, arguments, at, &missing);
        if (value != NULL) {
            *(struct slice *)((char *)call + texts[i].offset) = slice_from_string(value);
            return 0;
        }
    }
    return missing ? misuse("a value is missing after", argument) : -1;
}

static int take_arguments(struct keys_call *call, const struct keys_command *command, int count,
                          char **arguments)
{
    for (int at = 0; at < count; at++) {
        int taken = take_option(call, count, arguments, &at);
        if (taken > 0) {
            return taken;
        }
        if (taken < 0) {
            if (arguments[at][0] == '-' || command->argument == NULL || call->argument.len > 0) {
                return misuse("this is not understood", arguments[at]);
            }
            call->argument = slice_from_string(arguments[at]);
        }
    }
    if (call->files.options.path.len == 0) {
        return misuse("no configuration is named: --config FILE is wanted", NULL);
    }
    return command->argument == NULL || call->argument.len > 0
               ? 0
               : misuse("what is missing is", command->argument);
}

/* ---- what it is about ---- */

static int choose_set(struct keys_call *call)
{
    const struct settings *settings = &call->loaded.config->settings;
    if (settings->api_keys_count == 0) {
        return keys_fail(call, "%.*s has no `api_keys`", SLICE_ARG(call->files.options.path));
    }
    if (call->set.ptr == NULL && settings->api_keys_count == 1) {
        call->settings = settings->api_keys;
        return 0;
    }
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        if (call->set.ptr != NULL && slice_equal(settings->api_keys[i].name, call->set)) {
            call->settings = &settings->api_keys[i];
            return 0;
        }
    }
    fprintf(stderr, "sallyport keys %s: %s; there are:", call->command,
            call->set.ptr != NULL ? "there is no such set" : "choose one of several sets by --set");
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        fprintf(stderr, " %.*s", SLICE_ARG(settings->api_keys[i].name));
    }
    fprintf(stderr, "\n");
    return 1;
}

/* Reading is enough for some commands, and for some people. */
static int open_either(struct keys_call *call, const struct keys_command *command,
                       struct key_store_options *options)
{
    bool makes = command->run == keys_create || command->run == keys_import;
    options->access = makes ? KEY_STORE_CREATE : KEY_STORE_WRITE;
    struct error error = key_store_open(options, &call->store);
    if (failed(error) && command->reads_only) {
        /* Who may write undoes what was interrupted. */
        options->access = KEY_STORE_READ;
        error = key_store_open(options, &call->store);
    }
    return failed(error) ? keys_fail_store(call, error) : 0;
}

static int open_database(struct keys_call *call, const struct keys_command *command)
{
    postgres_forget_environment();
    struct error error = postgres_place_new(call->settings->postgres, &call->place);
    if (failed(error)) {
        return keys_fail(call, "%s", error.what);
    }
    struct key_store_options options = {
        .place = call->place,
        .group = (gid_t)-1,
        .busy_ms = STORE_BUSY_MS,
        .used_fd = -1,
        .answer_ms = STORE_ANSWER_MS,
    };
    return open_either(call, command, &options);
}

static int open_store(struct keys_call *call, const struct keys_command *command)
{
    const struct settings *settings = &call->loaded.config->settings;
    char path[PATH_MAX];
    if (call->settings->postgres != NULL) {
        return open_database(call, command);
    }
    if (slice_is_empty(call->settings->store)) {
        return 0;
    }
    if (snprintf(path, sizeof path, "%.*s", SLICE_ARG(call->settings->store)) >= (int)sizeof path) {
        return keys_fail(call, "the path of the store is too long");
    }
    struct process_user user = { .change = false };
    struct error error = process_find_user(settings->user, settings->group, &user);
    if (failed(error)) {
        return keys_fail(call, "%s", error.what);
    }
    struct key_store_options options = {
        .path = path,
        .group = user.change ? user.gid : (gid_t)-1, /* the gateway reads by its group */
        .group_writes =
            settings->admin != NULL && conf_strings_contain(&settings->admin->api_keys, call->settings->name),
        .busy_ms = STORE_BUSY_MS,
        .used_fd = -1,
    };
    return open_either(call, command, &options);
}

static int run(struct keys_call *call, const struct keys_command *command)
{
    if (!cli_config_load(&call->loaded, &call->files.options) || call->loaded.config->error_count > 0) {
        return 1;
    }
    int status = choose_set(call);
    status = status == 0 ? open_store(call, command) : status;
    return status == 0 ? command->run(call) : status;
}

int cli_keys(int count, char **arguments)
{
    const struct keys_command *command = NULL;
    for (size_t i = 0; count > 0 && i < COMMANDS; i++) {
        command = strcmp(commands[i].name, arguments[0]) == 0 ? &commands[i] : command;
    }
    if (command == NULL) {
        return misuse(count > 0 ? "there is no such command" : "a command is missing",
                      count > 0 ? arguments[0] : NULL);
    }
    struct keys_call call = { .command = command->name, .now = clock_real_ns() / NS_PER_S };
    call.files.options.overlays = call.files.overlays;
    int status = take_arguments(&call, command, count - 1, arguments + 1);
    if (status != 0) {
        return status;
    }
    status = run(&call, command);
    key_store_close(call.store);
    postgres_place_free(call.place);
    cli_config_done(&call.loaded);
    return status;
}
