#include "cli/cli.h"

const struct cli_command cli_commands[] = {
    { "run", cli_run, "--config FILE [--overlay FILE]...",
      "Serves, in the foreground; logs to standard error." },
    { "upgrade", cli_upgrade, "--config FILE",
      "The supervisor that runs FILE becomes the program that is installed now; no connection is refused." },
    { "dev", cli_dev, "",
      "Runs a gateway with an issuer and an upstream on loopback, and shows what it does." },
    { "check", cli_check, "FILE [--overlay FILE]...",
      "Names every mistake, or prints the policy that is in force on each route." },
    { "diff", cli_diff, "OLD NEW",
      "Says who gains and who loses access. Exit status: 0 same, 1 different, 2 errors." },
    { "import", cli_import, "spring-cloud-gateway|openapi FILE [--output FILE] [--upstream URL]",
      "Makes a configuration of another program's, and says what it could not carry over (exit status 3)." },
    { "docs", cli_docs, "reference|schema|reasons|openapi",
      "Prints the reference of the configuration, its JSON Schema, the reasons for denials, or the OpenAPI "
      "document of the "
      "admin API." },
    { "keys", cli_keys, "create|list|show|rotate|revoke|expire|import --config FILE ...",
      "Makes API keys and looks after them.", cli_keys_usage },
    { "block", cli_block, "add|remove|list|init --config FILE ...",
      "Refuses a token, subject, key, certificate, address or route at once.", cli_block_usage },
    { "basic", cli_basic, "hash [--method yescrypt|bcrypt] USER",
      "Makes a line of a file of users; the password is read from standard input." },
    { "audit", cli_audit, "verify FILE", "Checks the chain of hashes of an audit log." },
    { "version", cli_version, "", "Prints the version." },
    { "help", cli_help, "[COMMAND]", "Prints this, or how a command is called." },
    { "gateway", cli_gateway, NULL, NULL },
    { "rehearse", cli_rehearse, NULL, NULL },
    { 0 },
};

static bool asks_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* People type these everywhere. */
static const char *unaliased(const char *name)
{
    return asks_help(name) ? "help" : strcmp(name, "--version") == 0 ? "version" : name;
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: sallyport COMMAND ...; `sallyport help` lists them\n");
        return CLI_MISUSE;
    }
    const char *name = unaliased(arguments[1]);
    if (count > 2 && asks_help(arguments[count - 1]) && cli_find_command(name) != NULL) {
        return cli_help(strcmp(name, "help") == 0 ? 0 : 1, arguments + 1);
    }
    for (const struct cli_command *command = cli_commands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command->run(count - 2, arguments + 2);
        }
    }
    return cli_no_command(name);
}
