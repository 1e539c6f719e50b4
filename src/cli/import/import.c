#include "cli/import/import.h"

#include "config/files.h"

#include <fcntl.h>
#include <unistd.h>

static const struct source_kind {
    const char *name;
    struct error (*read)(struct import *import, struct slice text);
} kinds[] = {
    { "spring-cloud-gateway", import_spring },
    { "openapi", import_openapi },
};

struct order {
    const struct source_kind *kind;
    struct slice path, output, endpoint;
};

static const struct source_kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* An option's value, or the file, at `*at`; 0, or the exit status. */
static int read_argument(struct order *order, int count, char **arguments, int *at)
{
    const struct {
        const char *name;
        struct slice *value;
    } options[] = { { "--output", &order->output }, { "--upstream", &order->endpoint } };
    const char *argument = arguments[*at];
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        bool missing = false;
        const char *value = cli_option_value(options[i].name, count, arguments, at, &missing);
        if (missing) {
            return cli_misuse("import", "a value is missing after", argument);
        }
        if (value != NULL) {
            *options[i].value = slice_from_string(value);
            return 0;
        }
    }
    if (argument[0] == '-' || order->path.len > 0) {
        return cli_misuse("import", "this is not understood", argument);
    }
    order->path = slice_from_string(argument);
    return 0;
}

static int read_order(int count, char **arguments, struct order *out)
{
    *out = (struct order){ .kind = count > 0 ? find_kind(arguments[0]) : NULL };
    if (out->kind == NULL) {
        return cli_misuse("import", count > 0 ? "this cannot be imported" : "it is not said what is imported",
                          count > 0 ? arguments[0] : NULL);
    }
    for (int at = 1; at < count; at++) {
        int status = read_argument(out, count, arguments, &at);
        if (status != 0) {
            return status;
        }
    }
    if (out->endpoint.len > 0 && out->kind->read != import_openapi) {
        return cli_misuse("import", "--upstream is for openapi: the routes of others say where they lead",
                          NULL);
    }
    return out->path.len > 0 ? 0 : cli_misuse("import", "no file is named", NULL);
}

/* A file that is there stays as it is. */
static int write_output(const struct order *order, struct buffer *text)
{
    if (order->output.len == 0) {
        return cli_print(text, stdout, 0);
    }
    int fd = open(order->output.ptr, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL) {
        fprintf(stderr, "sallyport import: %s: %s\n", order->output.ptr, strerror(errno));
        buffer_done(text);
        return 1;
    }
    int status = cli_print(text, file, 0);
    return fclose(file) == 0 ? status : 1;
}

static int finish(struct import *import, const struct order *order)
{
    struct buffer text;
    buffer_init(&text, CLI_OUTPUT_MAX);
    diagnostics_print(&import->diagnostics, &text);
    if (import->diagnostics.error_count > 0) {
        return cli_print(&text, stderr, 1);
    }
    buffer_clear(&text);
    if (!import_write(import, &text)) {
        buffer_done(&text);
        fprintf(stderr, "sallyport import: %s: it has too much in it, or there is no memory\n",
                order->path.ptr);
        return 1;
    }
    struct buffer notes;
    buffer_init(&notes, CLI_OUTPUT_MAX);
    int status = import_print_notes(import, &notes) ? 0 : 1;
    status = cli_print(&notes, stderr, status);
    int written = write_output(order, &text);
    status = status != 0 ? status : written;
    return status == 0 && import->note_count > 0 ? IMPORT_INCOMPLETE : status;
}

int cli_import(int count, char **arguments)
{
    struct order order;
    int status = read_order(count, arguments, &order);
    if (status != 0 || order.kind == NULL) {
        return status;
    }
    struct import import;
    import_init(&import, order.path, slice_from_string(order.kind->name));
    import.endpoint = order.endpoint;
    struct slice endpoint, host;
    if (order.endpoint.len > 0 && !import_endpoint(&import, order.endpoint, &endpoint, &host)) {
        import_done(&import);
        return cli_misuse("import", "--upstream is a server, as in https://10.0.0.5:9001, and this is none",
                          order.endpoint.ptr);
    }
    struct config_files *files = NULL;
    struct slice text = SLICE_NONE;
    struct error error = config_files_new(&files);
    if (!failed(error)) {
        error = config_files_read(files, order.path, CONFIG_FILE_MAX, &text);
    }
    if (!failed(error)) {
        error = order.kind->read(&import, text);
    }
    if (failed(error)) {
        char why[256];
        error_describe(error, why, sizeof why);
        fprintf(stderr, "sallyport import: %s: %s\n", order.path.ptr, why);
        status = 1;
    } else {
        status = finish(&import, &order);
    }
    import_done(&import);
    config_files_free(files);
    return status;
}
