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
    { "docs", cli_docs, "reference|schema|reasons",
      "Prints the reference of the configuration, its JSON Schema, or the reasons for denials." },
    { "keys", cli_keys, "create|list|show|rotate|revoke|expire|import --config FILE ...",
      "Makes API keys and looks after them; `sallyport keys` says more." },
    { "block", cli_block, "add|remove|list|init --config FILE ...",
      "Refuses a token, subject, key, certificate, address or route at once; `sallyport block` says more." },
    { "basic", cli_basic, "hash [--method yescrypt|bcrypt] USER",
      "Makes a line of a file of users; the password is read from standard input." },
    { "audit", cli_audit, "verify FILE", "Checks the chain of hashes of an audit log." },
    { "version", cli_version, "", "Prints the version." },
    { "help", cli_help, "", "Prints this." },
    { "gateway", cli_gateway, NULL, NULL },
    { "rehearse", cli_rehearse, NULL, NULL },
    { 0 },
};

/* People type these everywhere. */
static const char *unaliased(const char *name)
{
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        return "help";
    }
    return strcmp(name, "--version") == 0 ? "version" : name;
}

int main(int count, char **arguments)
{
    const char *name = count > 1 ? unaliased(arguments[1]) : NULL;
    for (const struct cli_command *command = cli_commands; name != NULL && command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command->run(count - 2, arguments + 2);
        }
    }
    fprintf(stderr,
            name != NULL ? "sallyport: there is no command \"%s\"; `sallyport help` lists them\n"
                         : "usage: sallyport COMMAND ...; `sallyport help` lists them\n",
            name);
    return CLI_MISUSE;
}
