#include "cli/cli.h"

int cli_docs(int count, char **arguments)
{
    struct buffer text;
    buffer_init(&text, CLI_OUTPUT_MAX);
    if (count == 1 && strcmp(arguments[0], "reference") == 0) {
        config_print_reference(&text);
    } else if (count == 1 && strcmp(arguments[0], "schema") == 0) {
        config_print_schema(&text);
    } else {
        return cli_misuse("docs", "\"reference\" or \"schema\" is wanted", NULL);
    }
    return cli_print(&text, stdout, 0);
}
