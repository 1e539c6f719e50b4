#include "cli/block/block.h"

#include "admin/when.h"
#include "auth/credential.h"
#include "auth/token_digest.h"
#include "base/encoding.h"
#include "base/limits.h"
#include "base/secret.h"

/* ---- what is asked for ---- */

/* A token that stood on the command line would stand in the shell's history, and in the list of processes. */
static int read_token(const struct block_call *call, char out[2 * TOKEN_DIGEST_SIZE], struct slice *ret_value)
{
    char text[JWT_TEXT_MAX + 64];
    unsigned char digest[TOKEN_DIGEST_SIZE];
    size_t size = fread(text, 1, sizeof text, stdin);
    struct slice token = slice_of(text, size);
    while (token.len > 0 && (unsigned char)token.ptr[token.len - 1] <= ' ') {
        token.len--;
    }
    while (token.len > 0 && (unsigned char)token.ptr[0] <= ' ') {
        token = slice_from(token, 1);
    }
    bool fits = token.len > 0 && size < sizeof text, is_token = credential_is_b64token(token);
    bool good = fits && is_token && token_digest(token, digest);
    secret_wipe(text, sizeof text);
    if (fits && !is_token) {
        return cli_fail(&call->base, "what came by standard input is no token: it has letters, digits and "
                                     "-._~+/ with = at its end, and nothing around it");
    }
    if (!good) {
        return cli_fail(&call->base, "no token came by standard input, or none of %d bytes at the most",
                        JWT_TEXT_MAX);
    }
    hex_encode(digest, sizeof digest, out);
    *ret_value = slice_of(out, 2 * TOKEN_DIGEST_SIZE);
    return 0;
}

static bool looks_like_token(struct slice value)
{
    return slice_find(value, '.') >= 0 || slice_starts_with(value, SLICE("eyJ"));
}

struct asked {
    struct block_target target;
    char digest[2 * TOKEN_DIGEST_SIZE];
};

static int fail_kind(const struct block_call *call, struct slice name)
{
    fprintf(stderr, "sallyport block %s: there is no kind \"%.*s\"; there are:", call->base.verb->name,
            SLICE_ARG(name));
    for (int kind = 0; kind < BLOCK_KIND_COUNT; kind++) {
        fprintf(stderr, " %.*s", SLICE_ARG(block_kind_infos[kind].name));
    }
    fprintf(stderr, "\n");
    return 1;
}

/* KIND VALUE [--issuer ISSUER]. What is removed need not be there any more: a route, an issuer. */
static int read_target(const struct block_call *call, bool must_be_there, struct asked *out)
{
    enum block_kind kind;
    struct slice value = call->base.arguments[1];
    if (!block_kind_find(call->base.arguments[0], &kind)) {
        return fail_kind(call, call->base.arguments[0]);
    }
    if (kind == BLOCK_TOKEN && slice_equal(value, SLICE("-"))) {
        int status = read_token(call, out->digest, &value);
        if (status != 0) {
            return status;
        }
    } else if (kind == BLOCK_TOKEN && looks_like_token(value)) {
        return cli_fail(&call->base,
                        "a token does not belong on the command line, where the shell's history and the "
                        "list of processes keep it: send it by standard input, as in `… token - < FILE`");
    }
    const char *problem =
        config_block_target(&call->base.loaded.config->settings, kind, call->issuer, value, &out->target);
    if (problem != NULL && !must_be_there) {
        problem = block_target_read(kind, call->issuer, value, &out->target);
    }
    return problem == NULL ? 0
                           : cli_fail(&call->base, "%.*s \"%.*s\" %s", SLICE_ARG(block_kind_infos[kind].name),
                                      SLICE_ARG(value), problem);
}

static int read_expires(const struct block_call *call, int64_t *ret_expires)
{
    if (call->expires.ptr == NULL) {
        return cli_fail(&call->base,
                        "--expires WHEN is missing: a date (2027-01-31, 2027-01-31T12:00:00Z), a duration "
                        "from now (24h), or \"never\"");
    }
    if (!when_parse(call->expires, call->base.now, ret_expires)) {
        return cli_fail(&call->base,
                        "--expires \"%.*s\": a date (2027-01-31, 2027-01-31T12:00:00Z), a duration from now "
                        "(24h) or \"never\" is wanted",
                        SLICE_ARG(call->expires));
    }
    return when_parse_end(call->expires, call->base.now, ret_expires)
               ? 0
               : cli_fail(&call->base, "--expires is not in the future");
}

static int read_texts(const struct block_call *call, bool reason_wanted)
{
    if (call->reason.ptr == NULL && reason_wanted) {
        return cli_fail(&call->base,
                        "--reason TEXT is missing: who finds this in the audit log wants to know why");
    }
    if ((call->reason.ptr != NULL && !block_text_valid(call->reason)) || !block_text_valid(call->by)) {
        return cli_fail(&call->base, "--reason and --by are one line of 1 to %d bytes", BLOCK_STORE_TEXT);
    }
    return 0;
}

/* ---- changing ---- */

static int print_one(const struct block_call *call, const struct block_record *record)
{
    struct buffer text;
    buffer_init(&text, CLI_OUTPUT_MAX);
    if (call->base.json) {
        block_print_json(call, record, &text);
        buffer_append_char(&text, '\n');
    } else {
        block_print_heading(&text);
        block_print_line(call, record, &text);
    }
    return cli_print(&text, stdout, 0);
}

int block_add(struct cli_call *base)
{
    struct block_call *call = block_call_of(base);
    struct asked asked = { .target = { .kind = BLOCK_KIND_COUNT } };
    struct block_record record = { .created = call->base.now,
                                   .removed_by = SLICE(""),
                                   .removal_reason = SLICE("") };
    int status = read_target(call, true, &asked);
    status = status == 0 ? read_expires(call, &record.expires) : status;
    status = status == 0 ? read_texts(call, true) : status;
    if (status != 0) {
        return status;
    }
    record.kind = block_kind_infos[asked.target.kind].name;
    record.issuer = asked.target.issuer;
    record.value = asked.target.value;
    record.reason = call->reason;
    record.by = call->by;
    struct error error = block_store_add(call->store, &record, &record.number);
    return failed(error) ? block_fail_store(call, error) : print_one(call, &record);
}

int block_remove(struct cli_call *base)
{
    struct block_call *call = block_call_of(base);
    struct asked asked = { .target = { .kind = BLOCK_KIND_COUNT } };
    struct block_record record = { .removed = call->base.now,
                                   .removed_by = call->by,
                                   .removal_reason = call->reason };
    int status = read_texts(call, false);
    if (status == 0 && call->base.argument_count == 1) {
        status = slice_to_u64(call->base.arguments[0], &record.number) && record.number > 0
                     ? 0
                     : cli_fail(&call->base,
                                "a number as `sallyport block list` shows it is wanted, or a kind and "
                                "a value");
    } else if (status == 0) {
        status = read_target(call, false, &asked);
        if (status == 0) {
            record.kind = block_kind_infos[asked.target.kind].name;
            record.issuer = asked.target.issuer;
            record.value = asked.target.value;
        }
    }
    if (status != 0) {
        return status;
    }
    struct error error = block_store_remove(call->store, &record);
    if (error.kind == ERROR_VALUE && error.number == 0) {
        return cli_fail(&call->base, "%s: %.*s%s%.*s", error.what, SLICE_ARG(call->base.arguments[0]),
                        call->base.argument_count > 1 ? " " : "", SLICE_ARG(call->base.arguments[1]));
    }
    if (failed(error)) {
        return block_fail_store(call, error);
    }
    fprintf(stderr, "removed\n");
    return 0;
}

int block_init(struct cli_call *base)
{
    struct block_call *call = block_call_of(base);
    fprintf(stderr, "%.*s is a block store\n", SLICE_ARG(call->settings->store));
    return 0;
}

/* ---- reading ---- */

struct listing {
    const struct block_call *call;
    struct buffer text;
    bool any;
};

static void list_record(struct listing *listing, const struct block_record *record)
{
    const struct block_call *call = listing->call;
    bool over = record->removed > 0 || (record->expires > 0 && record->expires <= call->base.now);
    if ((over && !call->all) || (call->kind.ptr != NULL && !slice_equal(call->kind, record->kind))) {
        return;
    }
    if (call->base.json) {
        buffer_append(&listing->text, listing->any ? SLICE(",\n") : SLICE("[\n"));
        block_print_json(call, record, &listing->text);
    } else {
        if (!listing->any) {
            block_print_heading(&listing->text);
        }
        block_print_line(call, record, &listing->text);
    }
    listing->any = true;
}

static bool list_one(void *context, const struct block_record *record)
{
    list_record(context, record);
    return true;
}

int block_list(struct cli_call *base)
{
    struct block_call *call = block_call_of(base);
    enum block_kind kind;
    if (call->kind.ptr != NULL && !block_kind_find(call->kind, &kind)) {
        return fail_kind(call, call->kind);
    }
    struct listing listing = { .call = call };
    buffer_init(&listing.text, CLI_OUTPUT_MAX);
    struct error error = block_store_list(call->store, call->all, list_one, &listing);
    if (failed(error)) {
        buffer_done(&listing.text);
        return block_fail_store(call, error);
    }
    /* What the file says is in force too, and has no number. */
    const struct block_entry_settings *entries = call->settings->entries.items;
    for (size_t i = 0; i < call->settings->entries.count; i++) {
        list_record(&listing, &entries[i].record);
    }
    if (call->base.json) {
        buffer_append(&listing.text, listing.any ? SLICE("\n]\n") : SLICE("[]\n"));
    }
    return cli_print(&listing.text, stdout, 0);
}
