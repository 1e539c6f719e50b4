#include "cli/keys/keys.h"

#include "store/postgres_place.h"

#define STORE_ANSWER_MS 30000 /* what a database may take for an answer, or for the next row of one */

/* ---- what there is ---- */

static const struct cli_verb verbs[] = {
    { "create", keys_create, 0, 0, NULL, .makes = true,
      .usage = "--consumer NAME [--scope NAME]... [--tag NAME]... [--limit N/W] [--expires WHEN] "
               "[--description TEXT]" },
    { "list", keys_list, 0, 0, NULL, .reads_only = true, .usage = "[--consumer NAME] [--expiring DURATION]" },
    { "show", keys_show, 1, 1, "what is missing is an id", .reads_only = true, .usage = "ID" },
    { "rotate", keys_rotate, 1, 1, "what is missing is an id",
      .usage = "ID [--overlap DURATION] [--expires WHEN]" },
    { "revoke", keys_revoke, 1, 1, "what is missing is an id", .usage = "ID" },
    { "expire", keys_expire, 1, 1, "what is missing is an id", .usage = "ID --expires WHEN" },
    { "import", keys_import, 1, 1, "what is missing is a file", .makes = true, .usage = "FILE" },
};

static const struct cli_option options[] = {
    { "--set", CLI_TEXT, offsetof(struct keys_call, set) },
    { "--consumer", CLI_TEXT, offsetof(struct keys_call, consumer) },
    { "--description", CLI_TEXT, offsetof(struct keys_call, description) },
    { "--limit", CLI_TEXT, offsetof(struct keys_call, limit) },
    { "--expires", CLI_TEXT, offsetof(struct keys_call, expires) },
    { "--overlap", CLI_TEXT, offsetof(struct keys_call, overlap) },
    { "--expiring", CLI_TEXT, offsetof(struct keys_call, expiring) },
    { "--scope", CLI_NAMES, offsetof(struct keys_call, scopes) },
    { "--tag", CLI_NAMES, offsetof(struct keys_call, tags) },
};

static void explain(FILE *to)
{
    fprintf(to, "       each with [--overlay FILE]... [--set NAME] [--json]; WHEN is a date, a duration "
                "from now, \"now\" or \"never\"\n");
}

int keys_fail_store(const struct keys_call *call, struct error error)
{
    return cli_fail_store(&call->base,
                          call->place != NULL ? slice_from_string(call->place->label) : call->settings->store,
                          error);
}

/* ---- what it is about ---- */

static int choose_set(struct keys_call *call)
{
    const struct settings *settings = &call->base.loaded.config->settings;
    if (settings->api_keys_count == 0) {
        return cli_fail(&call->base, "%.*s has no `api_keys`", SLICE_ARG(call->base.files.path));
    }
    if (call->set.ptr == NULL && settings->api_keys_count == 1) {
        call->settings = settings->api_keys;
        return 0;
    }
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        if (call->set.ptr != NULL && slice_equal(settings->api_keys[i].name, call->set)) {
            call->settings = &settings->api_keys[i];
            return 0;
        }
    }
    fprintf(stderr, "sallyport keys %s: %s; there are:", call->base.verb->name,
            call->set.ptr != NULL ? "there is no such set" : "choose one of several sets by --set");
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        fprintf(stderr, " %.*s", SLICE_ARG(settings->api_keys[i].name));
    }
    fprintf(stderr, "\n");
    return 1;
}

/* Reading is enough for some commands, and for some people. */
static int open_either(struct keys_call *call, struct key_store_options *store)
{
    const struct cli_verb *verb = call->base.verb;
    store->access = verb->makes ? KEY_STORE_CREATE : KEY_STORE_WRITE;
    struct error error = key_store_open(store, &call->store);
    if (failed(error) && verb->reads_only) {
        /* Who may write undoes what was interrupted. */
        store->access = KEY_STORE_READ;
        error = key_store_open(store, &call->store);
    }
    return failed(error) ? keys_fail_store(call, error) : 0;
}

static int open_database(struct keys_call *call)
{
    postgres_forget_environment();
    struct error error = postgres_place_new(call->settings->postgres, &call->place);
    if (failed(error)) {
        return cli_fail(&call->base, "%s", error.what);
    }
    struct key_store_options store = {
        .place = call->place,
        .group = (gid_t)-1,
        .busy_ms = CLI_STORE_BUSY_MS,
        .used_fd = -1,
        .answer_ms = STORE_ANSWER_MS,
    };
    return open_either(call, &store);
}

static int open_file(struct keys_call *call)
{
    const struct settings *settings = &call->base.loaded.config->settings;
    struct cli_store file;
    int status = cli_store_find(&call->base, call->settings->store, &file);
    if (status != 0) {
        return status;
    }
    struct key_store_options store = {
        .path = file.path,
        .group = file.group,
        .group_writes =
            settings->admin != NULL && conf_strings_contain(&settings->admin->api_keys, call->settings->name),
        .busy_ms = CLI_STORE_BUSY_MS,
        .used_fd = -1,
    };
    return open_either(call, &store);
}

static int open_set(struct cli_call *base)
{
    struct keys_call *call = keys_call_of(base);
    int status = choose_set(call);
    if (status != 0 || (call->settings->postgres == NULL && slice_is_empty(call->settings->store))) {
        return status;
    }
    return call->settings->postgres != NULL ? open_database(call) : open_file(call);
}

static void close_set(struct cli_call *base)
{
    struct keys_call *call = keys_call_of(base);
    key_store_close(call->store);
    postgres_place_free(call->place);
}

static const struct cli_family family = {
    .name = "keys",
    .verbs = verbs,
    .verb_count = sizeof verbs / sizeof verbs[0],
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .explain = explain,
    .open = open_set,
    .close = close_set,
};

void cli_keys_usage(FILE *to)
{
    cli_family_usage(&family, to);
}

int cli_keys(int count, char **arguments)
{
    struct keys_call call = { .store = NULL };
    return cli_family_run(&family, &call.base, count, arguments);
}
