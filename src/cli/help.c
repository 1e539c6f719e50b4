#include "cli/cli.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <uv.h>

int cli_version(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    printf("sallyport %s\n%s, libuv %s, libcurl %s\n", SALLYPORT_VERSION, OpenSSL_version(OPENSSL_VERSION),
           uv_version_string(), curl_version_info(CURLVERSION_NOW)->version);
    return 0;
}

int cli_help(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    printf("Sallyport, a security-first API gateway.\n\n");
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        if (command->arguments != NULL) {
            printf("  sallyport %s %s\n      %s\n", command->name, command->arguments, command->help);
        }
    }
    printf("\nThe configuration is described by `sallyport docs reference`.\n");
    return 0;
}
