#include "cli/block/block.h"

#include "block/kind.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- what there is ---- */

static const struct cli_verb verbs[] = {
    { "add", block_add, 2, 2, "what is missing is what to block", .makes = true,
      .usage = "KIND VALUE [--issuer ISSUER] --expires WHEN --reason TEXT [--by NAME]" },
    { "remove", block_remove, 1, 2, "what is missing is what to block no longer",
      .usage = "NUMBER | KIND VALUE [--issuer ISSUER]  [--reason TEXT] [--by NAME]" },
    { "list", block_list, 0, 0, NULL, .reads_only = true, .usage = "[--kind KIND] [--all]" },
    { "init", block_init, 0, 0, NULL, .makes = true, .usage = "" },
};

static const struct cli_option options[] = {
    { "--issuer", CLI_TEXT, offsetof(struct block_call, issuer) },
    { "--expires", CLI_TEXT, offsetof(struct block_call, expires) },
    { "--reason", CLI_TEXT, offsetof(struct block_call, reason) },
    { "--by", CLI_TEXT, offsetof(struct block_call, by) },
    { "--kind", CLI_TEXT, offsetof(struct block_call, kind) },
    { "--all", CLI_FLAG, offsetof(struct block_call, all) },
};

static void explain(FILE *to)
{
    fprintf(to, "       each with [--overlay FILE]... [--json]; WHEN is a date, a duration from now, or "
                "\"never\"\n       KIND is one of\n");
    for (int kind = 0; kind < BLOCK_KIND_COUNT; kind++) {
        fprintf(to, "         %-12.*s %s%s\n", SLICE_ARG(block_kind_infos[kind].name),
                block_kind_infos[kind].help, block_kind_infos[kind].has_issuer ? "; needs --issuer" : "");
    }
    fprintf(to, "       `token -` reads the token itself from standard input\n");
}

int block_fail_store(const struct block_call *call, struct error error)
{
    return cli_fail_store(&call->base, call->settings->store, error);
}

/* ---- what it is about ---- */

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

static int find_settings(struct block_call *call)
{
    call->settings = call->base.loaded.config->settings.blocks;
    if (call->settings == NULL) {
        return cli_fail(&call->base, "%.*s has no `blocks`", SLICE_ARG(call->base.files.path));
    }
    return slice_is_empty(call->settings->store)
               ? cli_fail(&call->base, "these blocks are kept in %.*s: change them there",
                          SLICE_ARG(call->settings->file))
               : 0;
}

static int open_store(struct block_call *call)
{
    const struct settings *settings = &call->base.loaded.config->settings;
    const struct cli_verb *verb = call->base.verb;
    struct cli_store file;
    int status = cli_store_find(&call->base, call->settings->store, &file);
    if (status != 0) {
        return status;
    }
    struct block_store_options store = {
        .path = file.path,
        .access = verb->makes ? BLOCK_STORE_CREATE : BLOCK_STORE_WRITE,
        .group = file.group,
        .group_writes = settings->admin != NULL && settings->admin->blocks,
        .busy_ms = CLI_STORE_BUSY_MS,
    };
    struct error error = block_store_open(&store, &call->store);
    if (failed(error) && verb->reads_only) {
        /* Who may write undoes what was interrupted; reading is enough for the rest. */
        store.access = BLOCK_STORE_READ;
        error = block_store_open(&store, &call->store);
    }
    return failed(error) ? block_fail_store(call, error) : 0;
}

static int open_blocks(struct cli_call *base)
{
    struct block_call *call = block_call_of(base);
    name_caller(call);
    int status = find_settings(call);
    return status == 0 ? open_store(call) : status;
}

static void close_blocks(struct cli_call *base)
{
    block_store_close(block_call_of(base)->store);
}

static const struct cli_family family = {
    .name = "block",
    .verbs = verbs,
    .verb_count = sizeof verbs / sizeof verbs[0],
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .explain = explain,
    .open = open_blocks,
    .close = close_blocks,
};

void cli_block_usage(FILE *to)
{
    cli_family_usage(&family, to);
}

int cli_block(int count, char **arguments)
{
    struct block_call call = { .store = NULL };
    return cli_family_run(&family, &call.base, count, arguments);
}
