/* /v1/blocks: who and what is refused at once, as `sallyport block` adds and removes it. */
#include "admin/internal.h"

#include "admin/block_json.h"
#include "admin/page.h"
#include "admin/when.h"
#include "auth/credential.h"
#include "auth/token_digest.h"
#include "base/encoding.h"
#include "config/config.h"

#include <limits.h>

#define STORE_BUSY_MS 2000

#define OF(type, member) .offset = offsetof(struct type, member)

/* ---- what may be said ---- */

struct blocks_query {
    struct slice kind, limit, after;
};

struct add_body {
    struct slice kind, value, issuer, expires, reason;
};

struct remove_body {
    struct slice reason;
};

static const struct conf_field list_fields[] = {
    { "kind", CONF_STRING, CONF_NON_EMPTY, OF(blocks_query, kind), .help = "Blocks of this kind." },
    PAGE_FIELDS(blocks_query, "Blocks"),
    { 0 },
};

static const struct conf_object list_object = {
    .name = "list", .size = sizeof(struct blocks_query), .fields = list_fields, .help = "Which blocks."
};

static const struct conf_field add_fields[] = {
    { "kind", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, OF(add_body, kind),
      .help = "What is blocked: address, api_key, certificate, consumer, jti, route, serial, sid, sub or "
              "token." },
    { "value", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, OF(add_body, value),
      .help = "Which one. Of a token: itself, which is kept by its SHA-256 alone, or sha256:DIGEST." },
    { "issuer", CONF_STRING, CONF_NON_EMPTY, OF(add_body, issuer),
      .help = "Whose value it is, of jti, sid and sub: an issuer's URL or its name in the configuration; of "
              "serial: the name of the CA." },
    { "expires", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, OF(add_body, expires),
      .help = "Its end: a date, a duration from now (24h) or never." },
    { "reason", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, OF(add_body, reason),
      .help = "Why, for who finds it in the audit log: one line." },
    { 0 },
};

static const struct conf_object add_object = {
    .name = "NewBlock",
    .size = sizeof(struct add_body),
    .fields = add_fields,
    .help = "A block to be added.",
};

static const struct conf_field remove_fields[] = {
    { "reason", CONF_STRING, CONF_NON_EMPTY, OF(remove_body, reason), .help = "Why: one line." },
    { 0 },
};

static const struct conf_object remove_object = {
    .name = "Removal",
    .size = sizeof(struct remove_body),
    .fields = remove_fields,
    .help = "Why a block is removed.",
};

/* ---- the store ---- */

/* NULL: told. */
static struct block_store *begin(struct admin_call *call, enum block_store_access access)
{
    char path[PATH_MAX];
    struct block_store *store = NULL;
    if (!call->settings->admin->blocks) {
        admin_problem(call, 404, "not_found", "this API serves no blocks (`blocks` of `admin`)");
        return NULL;
    }
    struct slice name = call->settings->blocks->store;
    if (snprintf(path, sizeof path, "%.*s", SLICE_ARG(name)) >= (int)sizeof path) {
        admin_fail(call, FAIL(ERROR_LIMIT, "the path of the block store is too long"));
        return NULL;
    }
    const struct block_store_options options = {
        .path = path,
        .access = access,
        .group = (gid_t)-1,
        .group_writes = true,
        .busy_ms = STORE_BUSY_MS,
    };
    struct error error = block_store_open(&options, &store);
    if (failed(error)) {
        admin_fail(call, error);
    }
    return store;
}

/* ---- reading ---- */

struct listing {
    struct page page;
    struct slice kind; /* ptr NULL: all */
};

static bool add_to_page(void *context, const struct block_record *record)
{
    struct listing *listing = context;
    struct page *page = &listing->page;
    struct admin_call *call = page->call;
    bool over = record->removed > 0 || (record->expires > 0 && record->expires <= call->now);
    if (over || (record->number > 0 && record->number <= page->after) ||
        (listing->kind.ptr != NULL && !slice_equal(listing->kind, record->kind))) {
        return true;
    }
    if (!page_has_room(page)) {
        return false;
    }
    block_write_json(&call->json, record, call->now);
    page->count++;
    page->last = record->number;
    return true;
}

static void list_blocks(struct admin_call *call)
{
    const struct blocks_query *query = call->query;
    struct listing listing = { .kind = query->kind };
    enum block_kind kind;
    if (query->kind.ptr != NULL && !block_kind_find(query->kind, &kind)) {
        admin_problem(call, 400, "invalid_request", "kind: there is no such kind of blocks");
        return;
    }
    if (!page_begin(call, query->limit, query->after, &listing.page)) {
        return;
    }
    struct block_store *store = begin(call, BLOCK_STORE_READ);
    if (store == NULL) {
        return;
    }
    page_open(&listing.page, "blocks");
    struct error error = block_store_list(store, false, add_to_page, &listing);
    page_close(&listing.page);
    block_store_close(store);
    if (failed(error)) {
        admin_fail(call, error);
    }
}

/* ---- changing ---- */

/* Some servers make tokens that look so, too. */
static bool is_like_digest(struct slice text)
{
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool is_digit = (text.ptr[i] >= '0' && text.ptr[i] <= '9') ||
                        (text.ptr[i] >= 'a' && text.ptr[i] <= 'f') ||
                        (text.ptr[i] >= 'A' && text.ptr[i] <= 'F');
        if (!is_digit && text.ptr[i] != ':') {
            return false;
        }
        digits += is_digit;
    }
    return digits == 2 * TOKEN_DIGEST_SIZE;
}

/* NULL, or what is wrong with the value. */
static const char *read_target(const struct admin_call *call, enum block_kind kind,
                               char digest[2 * TOKEN_DIGEST_SIZE], struct block_target *out)
{
    const struct add_body *body = call->body;
    struct slice value = body->value;
    unsigned char bytes[TOKEN_DIGEST_SIZE];
    bool is_digest = slice_starts_with(value, SLICE("sha256:")); /* no token has a colon */
    if (kind == BLOCK_TOKEN && !is_digest && is_like_digest(value)) {
        return "may be a token or the SHA-256 of one: write sha256: in front of a digest, and give that of a "
               "token that looks like one";
    }
    if (kind == BLOCK_TOKEN && !is_digest) {
        /* With "Bearer" or the end of a line in it, it would be another text's digest, and the token went on. */
        if (!credential_is_b64token(value)) {
            return "is no token: it has letters, digits and -._~+/ with = at its end, and nothing around it";
        }
        if (!token_digest(value, bytes)) {
            return "cannot be digested";
        }
        hex_encode(bytes, sizeof bytes, digest);
        value = slice_of(digest, 2 * TOKEN_DIGEST_SIZE);
    }
    return config_block_target(call->settings, kind, body->issuer, value, out);
}

/* Who asked, as the audit log names them. */
static struct slice caller_of(const struct admin_call *call)
{
    return block_text_valid(call->caller) ? call->caller : SLICE("admin API");
}

static void add_block(struct admin_call *call)
{
    const struct add_body *body = call->body;
    struct block_target target;
    char digest[2 * TOKEN_DIGEST_SIZE];
    enum block_kind kind;
    struct block_record record = { .created = call->now,
                                   .reason = body->reason,
                                   .by = caller_of(call),
                                   .removed_by = SLICE(""),
                                   .removal_reason = SLICE("") };
    if (!block_kind_find(body->kind, &kind)) {
        admin_problem(call, 400, "invalid_request", "kind: there is no such kind of blocks");
        return;
    }
    const char *problem = read_target(call, kind, digest, &target);
    if (problem != NULL) {
        admin_problem(call, 400, "invalid_request", "value: %s", problem);
        return;
    }
    if (!when_parse_end(body->expires, call->now, &record.expires)) {
        admin_problem(
            call, 400, "invalid_request",
            "expires: a date (2027-01-31, 2027-01-31T12:00:00Z) to come, a duration from now (24h) or "
            "\"never\" is wanted");
        return;
    }
    if (!block_text_valid(body->reason)) {
        admin_problem(call, 400, "invalid_request", "reason: one line of 1 to %d bytes is wanted",
                      BLOCK_STORE_TEXT);
        return;
    }
    struct block_store *store = begin(call, BLOCK_STORE_CREATE);
    if (store == NULL) {
        return;
    }
    record.kind = block_kind_infos[kind].name;
    record.issuer = target.issuer;
    record.value = target.value;
    struct error error = block_store_add(store, &record, &record.number);
    if (error.kind == ERROR_LIMIT) {
        admin_problem(call, 409, "conflict", "%s", error.what);
    } else if (failed(error)) {
        admin_fail(call, error);
    } else {
        call->status = call->operation->status;
        block_write_json(&call->json, &record, call->now);
        admin_tell(call, "%llu %.*s", (unsigned long long)record.number, SLICE_ARG(record.kind));
    }
    block_store_close(store);
}

static void remove_block(struct admin_call *call)
{
    const struct remove_body *body = call->body;
    struct block_record record = { .removed = call->now,
                                   .removed_by = caller_of(call),
                                   .removal_reason = body->reason.ptr != NULL ? body->reason : SLICE("") };
    if (!slice_to_u64(call->id, &record.number) || record.number == 0) {
        admin_problem(call, 404, "not_found", "there is no such block");
        return;
    }
    if (body->reason.ptr != NULL && !block_text_valid(body->reason)) {
        admin_problem(call, 400, "invalid_request", "reason: one line of 1 to %d bytes is wanted",
                      BLOCK_STORE_TEXT);
        return;
    }
    struct block_store *store = begin(call, BLOCK_STORE_WRITE);
    if (store == NULL) {
        return;
    }
    struct error error = block_store_remove(store, &record);
    if (error.kind == ERROR_VALUE && error.number == 0) {
        admin_problem(call, 404, "not_found", "there is no such block");
    } else if (failed(error)) {
        admin_fail(call, error);
    } else {
        call->status = call->operation->status;
        json_object_begin(&call->json);
        json_member_integer(&call->json, SLICE("removed"), (int64_t)record.number);
        json_object_end(&call->json);
        admin_tell(call, "%llu", (unsigned long long)record.number);
    }
    block_store_close(store);
}

/* ---- the table ---- */

static const struct admin_operation operations[] = {
    { "blocks.list", METHOD_GET, "/v1/blocks", &list_object, NULL, list_blocks, 200, "Blocks",
      "The blocks of the store that are in force, in the order in which they were added, page by page." },
    { "blocks.add", METHOD_POST, "/v1/blocks", NULL, &add_object, add_block, 201, "Block",
      "Adds a block. One of the same kind, issuer and value gives way to it." },
    { "blocks.remove", METHOD_POST, "/v1/blocks/{id}/remove", NULL, &remove_object, remove_block, 200,
      "RemovedBlock", "Removes a block by its number." },
    { 0 },
};

#define TEXT  "{\"type\":\"string\"}"
#define MAYBE "{\"type\":[\"string\",\"null\"]}"
#define DATE  "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"

static const char schemas[] =
    "\"Block\":{\"type\":\"object\",\"required\":[\"number\",\"kind\",\"value\",\"state\"],\"properties\":{"
    "\"number\":{\"type\":[\"integer\",\"null\"]},\"kind\":" TEXT ",\"value\":" TEXT ",\"issuer\":" MAYBE
    ",\"state\":{\"enum\":[\"in force\",\"expired\",\"removed\"]},\"reason\":" TEXT ",\"by\":" TEXT
    ",\"created\":" DATE ",\"expires\":" DATE ",\"removed\":" DATE ",\"removed_by\":" MAYBE
    ",\"removal_reason\":" MAYBE "}},"
    "\"Blocks\":{\"type\":\"object\",\"required\":[\"blocks\",\"next\"],\"properties\":{\"blocks\":{\"type\":"
    "\"array\",\"items\":{\"$ref\":\"#/components/schemas/Block\"}},\"next\":{\"type\":[\"string\",\"null\"],"
    "\"description\":\"`after` of the next page; null: this is the last one.\"}}},"
    "\"RemovedBlock\":{\"type\":\"object\",\"properties\":{\"removed\":{\"type\":\"integer\"}}}";

const struct admin_resource admin_blocks = { "blocks", operations, schemas };
