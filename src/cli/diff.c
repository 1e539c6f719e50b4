#include "cli/cli.h"

/* As diff(1): 0 the same, 1 different, 2 trouble. */
int cli_diff(int count, char **arguments)
{
    if (count != 2 || arguments[0][0] == '-' || arguments[1][0] == '-') {
        return cli_misuse("diff", "two configurations are wanted", NULL);
    }
    struct cli_config configs[2] = { { 0 } };
    bool good = true;
    for (int i = 0; i < 2; i++) {
        struct config_options options = { .path = slice_from_string(arguments[i]) };
        good = cli_config_load(&configs[i], &options) && configs[i].config->error_count == 0 && good;
    }
    int status = 2;
    if (good) {
        struct buffer difference;
        buffer_init(&difference, CLI_OUTPUT_MAX);
        bool differs = config_print_difference(configs[0].config, configs[1].config, &difference);
        status = cli_print(&difference, stdout, differs ? 1 : 0);
    }
    cli_config_done(&configs[0]);
    cli_config_done(&configs[1]);
    return status;
}
