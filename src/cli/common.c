#include "cli/cli.h"

#include "base/log_text.h"
#include "config/diagnostics.h"

const struct cli_command *cli_find_command(const char *name)
{
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0 && command->arguments != NULL) {
            return command;
        }
    }
    return NULL;
}

int cli_no_command(const char *name)
{
    struct suggestion suggestion;
    suggestion_init(&suggestion, slice_from_string(name));
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        if (command->arguments != NULL) {
            suggestion_offer(&suggestion, slice_from_string(command->name));
        }
    }
    fprintf(stderr, "sallyport: there is no command \"%s\"", name);
    if (suggestion.best.len > 0) {
        fprintf(stderr, "; did you mean \"%.*s\"?", SLICE_ARG(suggestion.best));
    }
    fprintf(stderr, "%s\n", suggestion.best.len > 0 ? "" : "; `sallyport help` lists them");
    return CLI_MISUSE;
}

void cli_print_usage(const struct cli_command *command, FILE *to)
{
    if (command->more != NULL) {
        command->more(to);
        return;
    }
    fprintf(to, "usage: sallyport %s%s%s\n", command->name, command->arguments[0] != '\0' ? " " : "",
            command->arguments);
}

int cli_misuse(const char *command, const char *wrong, const char *argument)
{
    fprintf(stderr, "sallyport %s: %s%s%s\n", command, wrong, argument != NULL ? ": " : "",
            argument != NULL ? argument : "");
    const struct cli_command *known = cli_find_command(command);
    if (known != NULL) {
        cli_print_usage(known, stderr);
    }
    return CLI_MISUSE;
}

const char *cli_option_value(const char *name, int count, char **arguments, int *at, bool *ret_missing)
{
    const char *argument = arguments[*at];
    size_t length = strlen(name);
    if (strncmp(argument, name, length) != 0) {
        return NULL;
    }
    if (argument[length] == '=') {
        return argument + length + 1;
    }
    if (argument[length] != '\0') {
        return NULL;
    }
    if (*at + 1 >= count) {
        *ret_missing = true;
        return NULL;
    }
    return arguments[++*at];
}

int cli_read_files(const char *command, int count, char **arguments, struct cli_files *out)
{
    *out = (struct cli_files){ .options = { .overlays = out->overlays } };
    for (int at = 0; at < count; at++) {
        const char *argument = arguments[at];
        bool missing = false;
        const char *overlay = cli_option_value("--overlay", count, arguments, &at, &missing);
        const char *path = overlay == NULL && !missing
                               ? cli_option_value("--config", count, arguments, &at, &missing)
                               : NULL;
        if (missing) {
            return cli_misuse(command, "a file is missing after", argument);
        }
        if (overlay != NULL) {
            if (out->options.overlay_count == sizeof out->overlays / sizeof out->overlays[0]) {
                return cli_misuse(command, "too many overlays", NULL);
            }
            out->overlays[out->options.overlay_count++] = slice_from_string(overlay);
            continue;
        }
        if (path == NULL && argument[0] == '-') {
            return cli_misuse(command, "unknown option", argument);
        }
        if (out->options.path.len > 0) {
            return cli_misuse(command, "one configuration is wanted, not another", argument);
        }
        out->options.path = slice_from_string(path != NULL ? path : argument);
    }
    return out->options.path.len > 0 ? 0 : cli_misuse(command, "no configuration is named", NULL);
}

bool cli_config_load(struct cli_config *out, const struct config_options *options)
{
    *out = (struct cli_config){ 0 };
    struct error error = config_files_new(&out->files);
    if (!failed(error)) {
        error = config_load(options, out->files, &out->config);
    }
    if (failed(error)) {
        char text[256];
        error_describe(error, text, sizeof text);
        fprintf(stderr, "sallyport: %.*s: %s\n", SLICE_ARG(options->path), text);
        return false;
    }
    struct buffer diagnostics;
    buffer_init(&diagnostics, CLI_OUTPUT_MAX);
    config_print_diagnostics(out->config, &diagnostics);
    return cli_print(&diagnostics, stderr, 0) == 0;
}

void cli_config_done(struct cli_config *config)
{
    /* In this order: the configuration's texts belong to the files. */
    if (config->config != NULL) {
        config_free(config->config);
    }
    config_files_free(config->files);
}

void cli_mask(struct buffer *text, size_t from)
{
    if (text->data != NULL) {
        log_text_mask(text->data + text->begin + from, buffer_length(text) - from);
    }
}

int cli_print(struct buffer *text, FILE *to, int status)
{
    struct slice all = buffer_slice(text);
    bool written = fwrite(all.ptr, 1, all.len, to) == all.len && fflush(to) == 0;
    buffer_done(text);
    if (!written) {
        perror("sallyport: cannot write");
        return 1;
    }
    return status;
}
