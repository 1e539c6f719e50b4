#include "cli/cli.h"
#include "route/fault.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <uv.h>

int cli_version(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    printf("sallyport %s%s\n%s, libuv %s, libcurl %s\n", SALLYPORT_VERSION,
           fault_is_built_in() ? ", which makes faults on purpose: for tests" : "",
           OpenSSL_version(OPENSSL_VERSION), uv_version_string(),
           curl_version_info(CURLVERSION_NOW)->version);
    return 0;
}

static void list_commands(void)
{
    printf("Sallyport, a security-first API gateway.\n\n");
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        if (command->arguments != NULL) {
            printf("  sallyport %s%s%s\n      %s", command->name, command->arguments[0] != '\0' ? " " : "",
                   command->arguments, command->help);
            if (command->more != NULL) {
                printf(" `sallyport help %s` says more.", command->name);
            }
            printf("\n");
        }
    }
    printf("\nThe configuration is described by `sallyport docs reference`; `sallyport dev` shows one at "
           "work.\n");
}

int cli_help(int count, char **arguments)
{
    if (count == 0) {
        list_commands();
        return 0;
    }
    const struct cli_command *command = cli_find_command(arguments[0]);
    if (command == NULL) {
        return cli_no_command(arguments[0]);
    }
    cli_print_usage(command, stdout);
    printf("%s\n", command->help);
    return 0;
}
