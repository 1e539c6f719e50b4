#include "cli/block/block.h"

#include "base/clock.h"
#include "block/kind.h"
#include "supervisor/process.h"

#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define STORE_BUSY_MS 5000

/* ---- what there is ---- */

static const struct block_command {
    const char *name;
    int (*run)(struct block_call *call);
    size_t least, most; /* arguments */
    bool reads_only, makes;
    const char *usage;
} commands[] = {
    { "add", block_add, 2, 2, false, true,
      "KIND VALUE [--issuer ISSUER] --expires WHEN --reason TEXT [--by NAME]" },
    { "remove", block_remove, 1, 2, false, false,
      "NUMBER | KIND VALUE [--issuer ISSUER]  [--reason TEXT] [--by NAME]" },
    { "list", block_list, 0, 0, true, false, "[--kind KIND] [--all]" },
    { "init", block_init, 0, 0, false, true, "" },
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static const struct text_option {
    const char *name;
    size_t offset; /* of a slice in struct block_call */
} texts[] = {
    { "--issuer", offsetof(struct block_call, issuer) },
    { "--expires", offsetof(struct block_call, expires) },
    { "--reason", offsetof(struct block_call, reason) },
    { "--by", offsetof(struct block_call, by) },
    { "--kind", offsetof(struct block_call, kind) },
};

static int misuse(const char *wrong, const char *argument)
{
    fprintf(stderr, "sallyport block: %s%s%s\n", wrong, argument != NULL ? ": " : "",
            argument != NULL ? argument : "");
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(stderr, "%s sallyport block %s --config FILE %s\n", i == 0 ? "usage:" : "      ",
                commands[i].name, commands[i].usage);
    }
    fprintf(stderr, "       each with [--overlay FILE]... [--json]; WHEN is a date, a duration from now, or "
                    "\"never\"\n       KIND is one of\n");
    for (int kind = 0; kind < BLOCK_KIND_COUNT; kind++) {
        fprintf(stderr, "         %-12.*s %s%s\n", SLICE_ARG(block_kind_infos[kind].name),
                block_kind_infos[kind].help, block_kind_infos[kind].has_issuer ? "; needs --issuer" : "");
    }
    fprintf(stderr, "       `token -` reads the token itself from standard input\n");
    return CLI_MISUSE;
}

int block_fail(const struct block_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "sallyport block %s: ", call->command);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    return 1;
}

int block_fail_store(const struct block_call *call, struct error error)
{
    char why[256];
    error_describe(error, why, sizeof why);
    return block_fail(call, "%.*s: %s", SLICE_ARG(call->settings->store), why);
}

/* ---- what was asked for ---- */

static int take_files(struct block_call *call, const char *config, const char *overlay)
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
static int take_option(struct block_call *call, int count, char **arguments, int *at)
{
    const char *argument = arguments[*at], *value;
    bool missing = false;
    if (strcmp(argument, "--json") == 0) {
        call->json = true;
        return 0;
    }
    if (strcmp(argument, "--all") == 0) {
        call->all = true;
        return 0;
    }
    if ((value = cli_option_value("--config", count, arguments, at, &missing)) != NULL) {
        return take_files(call, value, NULL);
    }
    if ((value = cli_option_value("--overlay", count, arguments, at, &missing)) != NULL) {
        return take_files(call, NULL, value);
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

static int take_arguments(struct block_call *call, const struct block_command *command, int count,
                          char **arguments)
{
    for (int at = 0; at < count; at++) {
        int taken = take_option(call, count, arguments, &at);
        if (taken > 0) {
            return taken;
        }
        if (taken == 0) {
            continue;
        }
        bool is_option = arguments[at][0] == '-' && arguments[at][1] != '\0';
        if (is_option || call->argument_count == command->most) {
            return misuse("this is not understood", arguments[at]);
        }
        call->arguments[call->argument_count++] = slice_from_string(arguments[at]);
    }
    if (call->files.options.path.len == 0) {
        return misuse("no configuration is named: --config FILE is wanted", NULL);
    }
    return call->argument_count >= command->least ? 0 : misuse("what is missing is what to block", NULL);
}

/* The audit log is to name a person: behind sudo that is who called it. */
static void name_caller(struct block_call *call)
{
    if (call->by.ptr != NULL) {
        return;
    }
    const char *name = getenv("SUDO_USER");
    const struct passwd *user = getpwuid(getuid());
    if (name != NULL && name[0] != '\0' && user != NULL) {
        snprintf(call->by_text, sizeof call->by_text, "%s (as %s)", name, user->pw_name);
    } else if (user != NULL) {
        snprintf(call->by_text, sizeof call->by_text, "%s", user->pw_name);
    } else {
        snprintf(call->by_text, sizeof call->by_text, "user %u", (unsigned int)getuid());
    }
    call->by = slice_from_string(call->by_text);
}

/* ---- what it is about ---- */

static int find_settings(struct block_call *call)
{
    call->settings = call->loaded.config->settings.blocks;
    if (call->settings == NULL) {
        return block_fail(call, "%.*s has no `blocks`", SLICE_ARG(call->files.options.path));
    }
    return slice_is_empty(call->settings->store)
               ? block_fail(call, "these blocks are kept in %.*s: change them there",
                            SLICE_ARG(call->settings->file))
               : 0;
}

static int open_store(struct block_call *call, const struct block_command *command)
{
    const struct settings *settings = &call->loaded.config->settings;
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%.*s", SLICE_ARG(call->settings->store)) >= (int)sizeof path) {
        return block_fail(call, "the path of the store is too long");
    }
    struct process_user user = { .change = false };
    struct error error = process_find_user(settings->user, settings->group, &user);
    if (failed(error)) {
        return block_fail(call, "%s", error.what);
    }
    struct block_store_options options = {
        .path = path,
        .access = command->makes ? BLOCK_STORE_CREATE : BLOCK_STORE_WRITE,
        .group = user.change ? user.gid : (gid_t)-1, /* the gateway reads by its group */
        .group_writes = settings->admin != NULL && settings->admin->blocks,
        .busy_ms = STORE_BUSY_MS,
    };
    error = block_store_open(&options, &call->store);
    if (failed(error) && command->reads_only) {
        /* Who may write undoes what was interrupted; reading is enough for the rest. */
        options.access = BLOCK_STORE_READ;
        error = block_store_open(&options, &call->store);
    }
    return failed(error) ? block_fail_store(call, error) : 0;
}

static int run(struct block_call *call, const struct block_command *command)
{
    if (!cli_config_load(&call->loaded, &call->files.options) || call->loaded.config->error_count > 0) {
        return 1;
    }
    int status = find_settings(call);
    status = status == 0 ? open_store(call, command) : status;
    return status == 0 ? command->run(call) : status;
}

int cli_block(int count, char **arguments)
{
    const struct block_command *command = NULL;
    for (size_t i = 0; count > 0 && i < COMMANDS; i++) {
        command = strcmp(commands[i].name, arguments[0]) == 0 ? &commands[i] : command;
    }
    if (command == NULL) {
        return misuse(count > 0 ? "there is no such command" : "a command is missing",
                      count > 0 ? arguments[0] : NULL);
    }
    struct block_call call = { .command = command->name, .now = clock_real_ns() / NS_PER_S };
    call.files.options.overlays = call.files.overlays;
    int status = take_arguments(&call, command, count - 1, arguments + 1);
    if (status != 0) {
        return status;
    }
    name_caller(&call);
    status = run(&call, command);
    block_store_close(call.store);
    cli_config_done(&call.loaded);
    return status;
}
