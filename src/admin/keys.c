/* /v1/keys: API keys, as `sallyport keys` makes and changes them. */
#include "admin/internal.h"

#include "admin/key_change.h"
#include "admin/key_json.h"
#include "admin/key_work.h"
#include "admin/page.h"
#include "admin/when.h"
#include "base/clock.h"
#include "config/config.h"
#include "config/units.h"

#define OF(type, member) .offset = offsetof(struct type, member)

/* ---- what may be said ---- */

struct query {
    struct slice set;
};

struct list_query {
    struct slice set, consumer, limit, after;
    int64_t expiring; /* ns; 0: all */
};

struct create_body {
    struct slice id, consumer, description, expires;
    struct conf_strings scopes, tags;
    struct conf_rate limit;
};

struct rotate_body {
    struct slice id, expires;
    int64_t overlap;
};

struct expire_body {
    struct slice expires;
};

#define SET_FIELD(type)                                                                            \
    {                                                                                              \
        "set", CONF_STRING, CONF_NON_EMPTY, OF(type, set),                                         \
            .help = "Name of the set of API keys; may be left out where the API serves only one.", \
    }
#define WHEN "a date, a duration from now (90d), now or never"

static const struct conf_field query_fields[] = { SET_FIELD(query), { 0 } };

static const struct conf_object query_object = {
    .name = "query", .size = sizeof(struct query), .fields = query_fields, .help = "Which keys."
};

static const struct conf_field list_fields[] = {
    SET_FIELD(list_query),
    { "consumer", CONF_STRING, CONF_NON_EMPTY, OF(list_query, consumer), .help = "Keys of this consumer." },
    { "expiring", CONF_DURATION, OF(list_query, expiring), .minimum = NS_PER_S, .maximum = INT64_MAX,
      .help = "Keys that are good and end within this time, as in 30d." },
    PAGE_FIELDS(list_query, "Keys"),
    { 0 },
};

static const struct conf_object list_object = {
    .name = "list", .size = sizeof(struct list_query), .fields = list_fields, .help = "Which keys."
};

static const struct conf_field create_fields[] = {
    { "consumer", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, OF(create_body, consumer),
      .help = "Who uses the key." },
    { "scopes", CONF_STRINGS, OF(create_body, scopes), .help = "What it may do." },
    { "tags", CONF_STRINGS, OF(create_body, tags), .help = "What its consumer is; read as claims.tags." },
    { "limit", CONF_RATE, OF(create_body, limit), .minimum = 1, .maximum = INT64_C(1000000000),
      .help = "Requests that its consumer may make in a window, as in 1000/1m." },
    { "expires", CONF_STRING, CONF_NON_EMPTY, OF(create_body, expires), .help = "Its end: " WHEN "." },
    { "description", CONF_STRING, OF(create_body, description), .help = "What it is for: one line." },
    { "id", CONF_STRING, CONF_NON_EMPTY, OF(create_body, id),
      .help = "Its id, where the caller chooses it: then the same request makes one key, and a second try is "
              "409. 1 to 64 letters, digits, - and _." },
    { 0 },
};

static const struct conf_object create_object = {
    .name = "NewKey",
    .size = sizeof(struct create_body),
    .fields = create_fields,
    .help = "A key to be made.",
};

static const struct conf_field rotate_fields[] = {
    { "overlap", CONF_DURATION, OF(rotate_body, overlap), .standard = KEY_OVERLAP_STANDARD, .minimum = 0,
      .maximum = INT64_C(366) * 86400 * NS_PER_S,
      .help = "How long the key itself goes on; 24h where it is left out." },
    { "expires", CONF_STRING, CONF_NON_EMPTY, OF(rotate_body, expires),
      .help =
          "The successor's end: " WHEN "; where it is left out, it lives as long as the key was made for." },
    { "id", CONF_STRING, CONF_NON_EMPTY, OF(rotate_body, id),
      .help = "The successor's id, where the caller chooses it." },
    { 0 },
};

static const struct conf_object rotate_object = {
    .name = "Rotation",
    .size = sizeof(struct rotate_body),
    .fields = rotate_fields,
    .help = "How a key is rotated.",
};

static const struct conf_field expire_fields[] = {
    { "expires", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, OF(expire_body, expires),
      .help = "Its end: " WHEN "." },
    { 0 },
};

static const struct conf_object expire_object = {
    .name = "NewEnd",
    .size = sizeof(struct expire_body),
    .fields = expire_fields,
    .help = "Another end.",
};

static const struct conf_field revoke_fields[] = { { 0 } };

static const struct conf_object revoke_object = {
    .name = "Nothing", .size = 1, .fields = revoke_fields, .help = "An empty object."
};

/* ---- answers ---- */

/* For the logs: which key; `id` empty: of which set. */
static void tell_key(const struct key_work *work, struct slice id)
{
    admin_tell(work->call, "%.*s%s%.*s", SLICE_ARG(work->set->name), id.len > 0 ? "/" : "", SLICE_ARG(id));
}

/* `id`: of the key that was to be made or changed; empty: none yet, or many. What a database was asked for may have been done
 * though it has not said so: then this is how the key is found. */
static void tell_fault(const struct key_work *work, struct slice id, struct key_fault fault)
{
    struct admin_call *call = work->call;
    switch (fault.kind) {
    case KEY_FAULT_WISH:
        admin_problem(call, 400, "invalid_request", "%s%s%s", fault.member != NULL ? fault.member : "",
                      fault.member != NULL ? " " : "", fault.what);
        break;
    case KEY_FAULT_ABSENT:
        admin_problem(call, 404, "not_found", "%s", fault.what);
        break;
    case KEY_FAULT_TAKEN:
        admin_problem(call, 409, "conflict", "%s", fault.what);
        break;
    case KEY_FAULT_STORE:
        tell_key(work, id);
        admin_fail(call, fault.error);
        break;
    case KEY_FAULT_NONE:
    case KEY_FAULT_OURS:
        tell_key(work, id);
        admin_fail(call, FAIL(ERROR_STATE, fault.what));
        break;
    }
}

static void answer_made(const struct key_work *work, const struct key_made *made)
{
    struct admin_call *call = work->call;
    const struct key_record *record = &made->record;
    call->status = call->operation->status;
    call->location = arena_printf(&call->arena, "/v1/keys/%.*s?set=%.*s", SLICE_ARG(record->id),
                                  SLICE_ARG(work->set->name));
    key_write_json(&call->json, work->set, record, slice_of(made->key, made->key_len), call->now);
    admin_tell(call, "%.*s/%.*s consumer %.*s%s%.*s", SLICE_ARG(work->set->name), SLICE_ARG(record->id),
               SLICE_ARG(record->consumer), record->replaces.len > 0 ? " replaces " : "",
               SLICE_ARG(record->replaces));
}

static bool write_one(void *context, const struct key_record *record)
{
    const struct key_work *work = context;
    key_write_json(&work->call->json, work->set, record, SLICE_NONE, work->call->now);
    return false;
}

/* The key as it stands in the store. */
static void answer_key(struct key_work *work)
{
    struct admin_call *call = work->call;
    bool found = false;
    tell_key(work, call->id);
    struct error error = key_store_get(work->store, call->id, write_one, work, &found);
    if (failed(error)) {
        admin_fail(call, error);
    } else if (!found) {
        admin_problem(call, 404, "not_found", "there is no such key");
    } else {
        call->status = call->operation->status;
    }
}

/* A point of time that was asked for. False: told. */
static bool read_time(struct admin_call *call, struct slice text, int64_t *ret_seconds)
{
    bool good = when_parse(text, call->now, ret_seconds);
    if (!good) {
        admin_problem(call, 400, "invalid_request",
                      "expires: a date (2027-01-31, 2027-01-31T12:00:00Z), a duration from now (90d), "
                      "\"now\" or \"never\" is wanted");
    }
    return good;
}

/* ---- reading ---- */

/* Of a large store few keys may be wanted: then a page ends without them, so that it is there in time. */
#define LOOKED_AT_MAX 20000

struct listing {
    struct page page;
    struct key_work work;
    int64_t expiring; /* seconds; -1: all */
    uint64_t looked_at;
};

static bool add_to_page(void *context, const struct key_record *record)
{
    struct listing *listing = context;
    struct page *page = &listing->page;
    const struct key_work *work = &listing->work;
    bool wanted = listing->expiring < 0 || key_is_expiring(record, work->call->now, listing->expiring);
    if (listing->looked_at == LOOKED_AT_MAX) {
        page->more = true;
        return false;
    }
    if (wanted && !page_has_room(page)) {
        return false;
    }
    listing->looked_at++;
    page->last = record->number;
    if (wanted) {
        key_write_json(&work->call->json, work->set, record, SLICE_NONE, work->call->now);
        page->count++;
    }
    return true;
}

static void list_keys(struct admin_call *call)
{
    const struct list_query *query = call->query;
    struct listing listing = { .expiring = query->expiring > 0 ? query->expiring / NS_PER_S : -1 };
    if (!page_begin(call, query->limit, query->after, &listing.page) ||
        !key_work_begin(call, KEY_STORE_READ, &listing.work)) {
        return;
    }
    page_open(&listing.page, "keys");
    struct error error =
        key_store_list_after(listing.work.store, query->consumer, listing.page.after, add_to_page, &listing);
    page_close(&listing.page);
    tell_key(&listing.work, SLICE(""));
    key_work_end(&listing.work);
    if (failed(error)) {
        admin_fail(call, error);
    }
}

static void show_key(struct admin_call *call)
{
    struct key_work work;
    if (key_work_begin(call, KEY_STORE_READ, &work)) {
        answer_key(&work);
        key_work_end(&work);
    }
}

static void list_sets(struct admin_call *call)
{
    const struct conf_strings *sets = &call->settings->admin->api_keys;
    struct json_writer *json = &call->json;
    json_object_begin(json);
    json_name(json, SLICE("sets"));
    json_array_begin(json);
    for (size_t i = 0; i < sets->count; i++) {
        const struct api_keys_settings *set = key_work_choose_set(call, sets->items[i]);
        const struct api_pepper_settings *pepper = api_keys_pepper(set);
        json_object_begin(json);
        json_member_string(json, SLICE("name"), set->name);
        json_member_string(json, SLICE("prefix"), set->prefix);
        json_member_string(json, SLICE("header"), set->header);
        json_member_string(json, SLICE("pepper"), pepper != NULL ? pepper->name : SLICE(""));
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
    call->status = call->operation->status;
}

/* ---- changing ---- */

static void create_key(struct admin_call *call)
{
    const struct create_body *body = call->body;
    struct key_made made = { .key_len = 0 };
    struct key_work work;
    struct key_wish wish = {
        .id = body->id,
        .consumer = body->consumer,
        .description = body->description,
        .scopes = body->scopes.items,
        .tags = body->tags.items,
        .scope_count = body->scopes.count,
        .tag_count = body->tags.count,
        .limit = body->limit,
        .has_expires = body->expires.ptr != NULL,
    };
    if ((wish.has_expires && !read_time(call, body->expires, &wish.expires)) ||
        !key_work_begin(call, KEY_STORE_CREATE, &work)) {
        return;
    }
    struct key_fault fault = key_create(work.store, work.set, &wish, call->now, &made);
    if (fault.kind == KEY_FAULT_NONE) {
        answer_made(&work, &made);
    } else {
        tell_fault(&work, made.record.id, fault);
    }
    key_made_wipe(&made);
    key_work_end(&work);
}

static void rotate_key(struct admin_call *call)
{
    const struct rotate_body *body = call->body;
    struct key_made made = { .key_len = 0 };
    struct key_work work;
    struct key_wish wish = {
        .id = body->id,
        .overlap = body->overlap,
        .has_expires = body->expires.ptr != NULL,
    };
    if ((wish.has_expires && !read_time(call, body->expires, &wish.expires)) ||
        !key_work_begin(call, KEY_STORE_WRITE, &work)) {
        return;
    }
    struct key_fault fault = key_rotate(work.store, work.set, call->id, &wish, call->now, &made);
    if (fault.kind == KEY_FAULT_NONE) {
        answer_made(&work, &made);
    } else {
        tell_fault(&work, made.record.id, fault);
    }
    key_made_wipe(&made);
    key_work_end(&work);
}

/* After a change that gives back nothing but whether it was made. */
static void end_change(struct key_work *work, struct key_fault fault)
{
    if (fault.kind == KEY_FAULT_NONE) {
        answer_key(work);
    } else {
        tell_fault(work, work->call->id, fault);
    }
    key_work_end(work);
}

static void revoke_key(struct admin_call *call)
{
    struct key_work work;
    if (key_work_begin(call, KEY_STORE_WRITE, &work)) {
        end_change(&work, key_revoke(work.store, call->id, call->now));
    }
}

static void expire_key(struct admin_call *call)
{
    const struct expire_body *body = call->body;
    struct key_work work;
    int64_t when = 0;
    if (!read_time(call, body->expires, &when) || !key_work_begin(call, KEY_STORE_WRITE, &work)) {
        return;
    }
    end_change(&work, key_expire(work.store, call->id, when));
    if (call->status == call->operation->status) {
        char text[WHEN_TEXT];
        admin_tell(call, "%.*s expires %.*s", SLICE_ARG(call->what),
                   SLICE_ARG(when > 0 ? when_text(when, text) : SLICE("never")));
    }
}

/* NULL: all are sound. */
static const char *check_entries(struct admin_call *call, const struct api_keys_settings *set,
                                 const struct conf_list *keys, struct slice *ret_name)
{
    struct api_key_entry_settings *entries = keys->items;
    for (size_t i = 0; i < keys->count; i++) {
        const char *problem = api_key_entry_check(set, &entries[i], &call->arena);
        problem = problem == NULL ? config_own_limit_problem(entries[i].limit) : problem;
        if (problem != NULL) {
            *ret_name = entries[i].name;
            return problem;
        }
    }
    return NULL;
}

/* As many of their names as a line of the log has room for. */
static void tell_imported(struct admin_call *call, struct slice set, const struct conf_list *keys)
{
    const struct api_key_entry_settings *entries = keys->items;
    struct buffer names;
    buffer_init(&names, 1024);
    for (size_t i = 0; i < keys->count && buffer_length(&names) < 512; i++) {
        buffer_printf(&names, "%s%.*s", i > 0 ? ", " : ": ", SLICE_ARG(entries[i].name));
    }
    admin_tell(call, "%.*s: %zu keys%.*s", SLICE_ARG(set), keys->count, SLICE_ARG(buffer_slice(&names)));
    buffer_done(&names);
}

static void import_keys(struct admin_call *call)
{
    const struct conf_list *keys = &((const struct api_key_file_settings *)call->body)->keys;
    struct key_work work;
    struct slice name;
    const struct api_keys_settings *set = key_work_choose_set(call, *(const struct slice *)call->query);
    if (set == NULL) {
        return;
    }
    const char *problem = check_entries(call, set, keys, &name);
    if (problem != NULL) {
        admin_problem(call, 400, "invalid_request", "%.*s: %s", SLICE_ARG(name), problem);
        return;
    }
    if (!key_work_begin(call, KEY_STORE_CREATE, &work)) {
        return;
    }
    struct key_fault fault = key_import(work.store, keys, call->now);
    if (fault.kind == KEY_FAULT_NONE) {
        call->status = call->operation->status;
        json_object_begin(&call->json);
        json_member_integer(&call->json, SLICE("imported"), (int64_t)keys->count);
        json_object_end(&call->json);
        tell_imported(call, set->name, keys);
    } else {
        tell_fault(&work, SLICE(""), fault);
    }
    key_work_end(&work);
}

/* ---- the table ---- */

static const struct admin_operation operations[] = {
    { "keys.list", METHOD_GET, "/v1/keys", &list_object, NULL, list_keys, 200, "Keys",
      "All keys of a set, in the order in which they were made, page by page." },
    { "keys.create", METHOD_POST, "/v1/keys", &query_object, &create_object, create_key, 201, "MadeKey",
      "Makes a key. The answer is the only place where it ever stands." },
    { "keys.import", METHOD_POST, "/v1/keys/import", &query_object, &api_key_file_object, import_keys, 201,
      "Imported", "Takes keys over by their digests, all or none." },
    { "keys.show", METHOD_GET, "/v1/keys/{id}", &query_object, NULL, show_key, 200, "Key",
      "All that is known of one key." },
    { "keys.rotate", METHOD_POST, "/v1/keys/{id}/rotate", &query_object, &rotate_object, rotate_key, 201,
      "MadeKey", "Makes a successor of the same rights; the key itself ends after the overlap." },
    { "keys.revoke", METHOD_POST, "/v1/keys/{id}/revoke", &query_object, &revoke_object, revoke_key, 200,
      "Key", "Ends a key at once and for ever. One that is revoked already stays as it is." },
    { "keys.expire", METHOD_POST, "/v1/keys/{id}/expire", &query_object, &expire_object, expire_key, 200,
      "Key", "Gives a key another end." },
    { "keys.sets", METHOD_GET, "/v1/key-sets", NULL, NULL, list_sets, 200, "KeySets",
      "The sets of API keys that this API serves." },
    { 0 },
};

#define TEXT      "{\"type\":\"string\"}"
#define TEXTS     "{\"type\":\"array\",\"items\":" TEXT "}"
#define DATE      "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define MAYBE     "{\"type\":[\"string\",\"null\"]}"
#define KEY_STATE "{\"enum\":[\"active\",\"expiring\",\"superseded\",\"expired\",\"revoked\"]}"

static const char schemas[] =
    "\"Key\":{\"type\":\"object\",\"required\":[\"id\",\"set\",\"consumer\",\"state\"],\"properties\":{"
    "\"id\":" TEXT ",\"set\":" TEXT ",\"consumer\":" TEXT ",\"state\":" KEY_STATE ",\"description\":" TEXT
    ",\"scopes\":" TEXTS ",\"tags\":" TEXTS ",\"limit\":" MAYBE ",\"pepper\":" TEXT ",\"created\":" DATE
    ",\"expires\":" DATE ",\"revoked\":" DATE ",\"superseded\":" DATE ",\"replaces\":" MAYBE
    ",\"last_used\":" DATE "}},"
    "\"MadeKey\":{\"allOf\":[{\"$ref\":\"#/components/schemas/Key\"},{\"type\":\"object\",\"required\":["
    "\"key\",\"digest\"],\"properties\":{\"key\":{\"type\":\"string\",\"description\":\"The secret: shown "
    "this once.\"},\"digest\":" TEXT "}}]},"
    "\"Keys\":{\"type\":\"object\",\"required\":[\"keys\",\"next\"],\"properties\":{\"keys\":{\"type\":"
    "\"array\",\"items\":{\"$ref\":\"#/components/schemas/Key\"}},\"next\":{\"type\":[\"string\",\"null\"],"
    "\"description\":\"`after` of the next page; null: this is the last one.\"}}},"
    "\"Imported\":{\"type\":\"object\",\"properties\":{\"imported\":{\"type\":\"integer\"}}},"
    "\"KeySets\":{\"type\":\"object\",\"properties\":{\"sets\":{\"type\":\"array\",\"items\":{\"type\":"
    "\"object\",\"properties\":{\"name\":" TEXT ",\"prefix\":" TEXT ",\"header\":" TEXT ",\"pepper\":" TEXT
    "}}}}}";

const struct admin_resource admin_keys = { "keys", operations, schemas };
