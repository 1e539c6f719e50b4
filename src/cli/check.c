#include "cli/cli.h"

int cli_check(int count, char **arguments)
{
    struct cli_files files;
    int misuse = cli_read_files("check", count, arguments, &files);
    if (misuse != 0) {
        return misuse;
    }
    files.options.refuse_expired = true;
    struct cli_config loaded;
    int status = 1;
    if (cli_config_load(&loaded, &files.options) && loaded.config->error_count == 0) {
        struct buffer effective;
        buffer_init(&effective, CLI_OUTPUT_MAX);
        config_print_effective(loaded.config, &effective);
        status = cli_print(&effective, stdout, 0);
    }
    cli_config_done(&loaded);
    return status;
}
