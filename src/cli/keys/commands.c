#include "cli/keys/keys.h"

#include "admin/key_change.h"
#include "admin/key_json.h"
#include "admin/when.h"
#include "base/clock.h"
#include "base/secret.h"
#include "config/units.h"

/* ---- what is asked for ---- */

static int read_expires(const struct keys_call *call, int64_t *ret_expires)
{
    if (call->expires.ptr == NULL) {
        return 0;
    }
    if (!when_parse(call->expires, call->base.now, ret_expires)) {
        return cli_fail(&call->base,
                        "--expires \"%.*s\": a date (2027-01-31, 2027-01-31T12:00:00Z), a duration from now "
                        "(90d), \"now\" or \"never\" is wanted",
                        SLICE_ARG(call->expires));
    }
    return 0;
}

static int read_wish(const struct keys_call *call, struct key_wish *wish)
{
    *wish = (struct key_wish){
        .consumer = call->consumer,
        .description = call->description,
        .scopes = call->scopes.items,
        .tags = call->tags.items,
        .scope_count = call->scopes.count,
        .tag_count = call->tags.count,
        .has_expires = call->expires.ptr != NULL,
    };
    if (call->limit.ptr != NULL && !units_parse_rate(call->limit, &wish->limit)) {
        return cli_fail(&call->base, "--limit \"%.*s\": a rate is wanted, as in 1000/1m",
                        SLICE_ARG(call->limit));
    }
    struct slice overlap = call->overlap.ptr != NULL ? call->overlap : SLICE(KEY_OVERLAP_STANDARD);
    if (!units_parse_duration(overlap, &wish->overlap)) {
        return cli_fail(&call->base, "--overlap \"%.*s\": a duration is wanted, as in 24h",
                        SLICE_ARG(call->overlap));
    }
    return read_expires(call, &wish->expires);
}

static int tell(const struct keys_call *call, struct key_fault fault)
{
    switch (fault.kind) {
    case KEY_FAULT_NONE:
        return 0;
    case KEY_FAULT_WISH:
        return cli_fail(&call->base, "%s%s%s%s", fault.member != NULL ? "--" : "",
                        fault.member != NULL ? fault.member : "", fault.member != NULL ? " " : "",
                        fault.what);
    case KEY_FAULT_ABSENT:
        return cli_fail(&call->base, "%s: %.*s", fault.what, SLICE_ARG(call->base.arguments[0]));
    case KEY_FAULT_STORE:
        return keys_fail_store(call, fault.error);
    case KEY_FAULT_TAKEN:
    case KEY_FAULT_OURS:
        break;
    }
    return cli_fail(&call->base, "%s", fault.what);
}

/* The only time that the key is seen. */
static int show_made(const struct keys_call *call, struct key_made *made)
{
    struct buffer text;
    buffer_init(&text, CLI_OUTPUT_MAX);
    keys_print(call, &made->record, slice_of(made->key, made->key_len), &text);
    if (call->base.json) {
        buffer_append_char(&text, '\n');
    } else if (call->store == NULL) {
        struct slice file = call->settings->file;
        buffer_printf(&text, "\nTo be added to %.*s, under `keys`:\n",
                      SLICE_ARG(file.len > 0 ? file : SLICE("the configuration")));
        keys_print_entry(&made->record, &text);
    }
    struct slice all = buffer_slice(&text);
    bool written = fwrite(all.ptr, 1, all.len, stdout) == all.len && fflush(stdout) == 0;
    if (!call->base.json) {
        fprintf(stderr, "This is the only time that the key is shown.\n");
    }
    secret_wipe((void *)(uintptr_t)all.ptr, all.len);
    buffer_done(&text);
    /* Nobody knows the key then: it must not lie about. */
    return written ? 0
                   : cli_fail(&call->base, "the key could not be written; revoke %.*s and make another",
                              SLICE_ARG(made->record.id));
}

static int fail_files(const struct keys_call *call)
{
    struct slice file = call->settings->file;
    return cli_fail(&call->base, "these keys are kept in %.*s: change them there",
                    SLICE_ARG(file.len > 0 ? file : SLICE("the configuration")));
}

/* ---- create ---- */

int keys_create(struct cli_call *base)
{
    struct keys_call *call = keys_call_of(base);
    struct key_made made = { .key_len = 0 };
    struct key_wish wish;
    int status = read_wish(call, &wish);
    if (status == 0 && call->consumer.ptr == NULL) {
        status = cli_fail(&call->base, "--consumer NAME is missing: who uses the key?");
    }
    if (status == 0) {
        status = tell(call, key_create(call->store, call->settings, &wish, call->base.now, &made));
    }
    status = status == 0 ? show_made(call, &made) : status;
    key_made_wipe(&made);
    return status;
}

/* ---- reading ---- */

/* What a visit does with each key. */
struct listing {
    const struct keys_call *call;
    int64_t expiring; /* seconds; -1: all */
    struct buffer text;
    bool any, failed;
};

static bool flush(struct listing *listing)
{
    struct slice all = buffer_slice(&listing->text);
    listing->failed = listing->failed || fwrite(all.ptr, 1, all.len, stdout) != all.len;
    buffer_clear(&listing->text);
    return !listing->failed;
}

static bool list_one(void *context, const struct key_record *record)
{
    struct listing *listing = context;
    const struct keys_call *call = listing->call;
    if (listing->expiring >= 0 && !key_is_expiring(record, call->base.now, listing->expiring)) {
        return true;
    }
    if (call->base.json) {
        buffer_append(&listing->text, listing->any ? SLICE(",\n") : SLICE("[\n"));
        keys_print(call, record, SLICE_NONE, &listing->text);
    } else {
        if (!listing->any) {
            keys_print_heading(&listing->text);
        }
        keys_print_line(call, record, &listing->text);
    }
    listing->any = true;
    return flush(listing);
}

/* Those of the configuration, as a store tells of its own. */
static void visit_entries(const struct keys_call *call, struct slice consumer, struct slice id,
                          key_store_visit *visit, void *context)
{
    const struct api_key_entry_settings *entries = call->settings->keys.items;
    for (size_t i = 0; i < call->settings->keys.count; i++) {
        const struct key_record *record = &entries[i].record;
        bool wanted = (consumer.len == 0 || slice_equal(record->consumer, consumer)) &&
                      (id.len == 0 || slice_equal(record->id, id));
        if (wanted && !visit(context, record)) {
            return;
        }
    }
}

int keys_list(struct cli_call *base)
{
    struct keys_call *call = keys_call_of(base);
    struct listing listing = { .call = call, .expiring = -1 };
    int64_t within = 0;
    if (call->expiring.ptr != NULL) {
        if (!units_parse_duration(call->expiring, &within)) {
            return cli_fail(&call->base, "--expiring \"%.*s\": a duration is wanted, as in 30d",
                            SLICE_ARG(call->expiring));
        }
        listing.expiring = within / NS_PER_S;
    }
    struct error error = OK;
    buffer_init(&listing.text, CLI_OUTPUT_MAX);
    if (call->store != NULL) {
        error = key_store_list(call->store, call->consumer, list_one, &listing);
    } else {
        visit_entries(call, call->consumer, SLICE_NONE, list_one, &listing);
    }
    if (call->base.json && !failed(error)) {
        buffer_append(&listing.text, listing.any ? SLICE("\n]\n") : SLICE("[]\n"));
        flush(&listing);
    }
    buffer_done(&listing.text);
    if (failed(error)) {
        return keys_fail_store(call, error);
    }
    return !listing.failed && fflush(stdout) == 0 ? 0 : cli_fail(&call->base, "cannot write");
}

static bool show_one(void *context, const struct key_record *record)
{
    struct listing *listing = context;
    keys_print(listing->call, record, SLICE_NONE, &listing->text);
    if (listing->call->base.json) {
        buffer_append_char(&listing->text, '\n');
    }
    listing->any = true;
    return false;
}

int keys_show(struct cli_call *base)
{
    struct keys_call *call = keys_call_of(base);
    struct listing listing = { .call = call };
    struct error error = OK;
    bool found;
    buffer_init(&listing.text, CLI_OUTPUT_MAX);
    if (call->store != NULL) {
        error = key_store_get(call->store, call->base.arguments[0], show_one, &listing, &found);
    } else {
        visit_entries(call, SLICE_NONE, call->base.arguments[0], show_one, &listing);
    }
    if (failed(error)) {
        buffer_done(&listing.text);
        return keys_fail_store(call, error);
    }
    int status = cli_print(&listing.text, stdout, 0);
    return listing.any
               ? status
               : cli_fail(&call->base, "there is no such key: %.*s", SLICE_ARG(call->base.arguments[0]));
}

/* ---- changing ---- */

static int changed(const struct keys_call *call, struct key_fault fault, const char *done)
{
    if (fault.kind == KEY_FAULT_NONE) {
        fprintf(stderr, "%.*s %s\n", SLICE_ARG(call->base.arguments[0]), done);
    }
    return tell(call, fault);
}

int keys_revoke(struct cli_call *base)
{
    struct keys_call *call = keys_call_of(base);
    return call->store == NULL
               ? fail_files(call)
               : changed(call, key_revoke(call->store, call->base.arguments[0], call->base.now),
                         "is revoked");
}

int keys_expire(struct cli_call *base)
{
    struct keys_call *call = keys_call_of(base);
    int64_t when = 0;
    if (call->store == NULL) {
        return fail_files(call);
    }
    if (call->expires.ptr == NULL) {
        return cli_fail(&call->base, "--expires WHEN is missing");
    }
    int status = read_expires(call, &when);
    return status != 0 ? status
                       : changed(call, key_expire(call->store, call->base.arguments[0], when),
                                 when > 0 ? "has a new end" : "has no end any more");
}

int keys_rotate(struct cli_call *base)
{
    struct keys_call *call = keys_call_of(base);
    if (call->store == NULL) {
        return fail_files(call);
    }
    struct key_made made = { .key_len = 0 };
    struct key_wish wish;
    int status = read_wish(call, &wish);
    if (status == 0) {
        status = tell(call, key_rotate(call->store, call->settings, call->base.arguments[0], &wish,
                                       call->base.now, &made));
    }
    status = status == 0 ? show_made(call, &made) : status;
    key_made_wipe(&made);
    return status;
}

/* ---- import ---- */

static int add_entries(const struct keys_call *call, const struct conf_list *keys)
{
    struct key_fault fault = key_import(call->store, keys, call->base.now);
    if (fault.kind == KEY_FAULT_TAKEN) {
        return cli_fail(&call->base, "%s: nothing was imported", fault.what);
    }
    if (fault.kind == KEY_FAULT_NONE) {
        fprintf(stderr, "%zu keys were imported\n", keys->count);
    }
    return tell(call, fault);
}

int keys_import(struct cli_call *base)
{
    struct keys_call *call = keys_call_of(base);
    if (call->store == NULL) {
        return fail_files(call);
    }
    struct conf_list keys = { 0 };
    struct error error = config_read_api_keys(call->base.loaded.config, call->base.loaded.files,
                                              call->settings, call->base.arguments[0], &keys);
    if (failed(error)) {
        return cli_fail(&call->base, "%s", error.what);
    }
    if (call->base.loaded.config->error_count > 0) {
        struct buffer diagnostics;
        buffer_init(&diagnostics, CLI_OUTPUT_MAX);
        config_print_diagnostics(call->base.loaded.config, &diagnostics);
        return cli_print(&diagnostics, stderr, 1);
    }
    return add_entries(call, &keys);
}
