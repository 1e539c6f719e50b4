/* Keys in a database: what is asked of it and what is changed in it. */
#include "store/postgres.h"

#include "base/buffer.h"
#include "base/encoding.h"

#include <inttypes.h>
#include <stdio.h>

#define KEY_COLUMNS                                                                                 \
    "k.number, k.sequence, k.id, encode(k.digest, 'hex'), k.pepper_id, k.consumer, k.description, " \
    "k.scopes, "                                                                                    \
    "k.tags, k.limit_count, k.limit_window, k.created, k.expires, k.revoked, k.superseded, k.replaces"
/* A gateway has no use for last uses: it makes them. */
#define LOOK_UP KEY_COLUMNS ", 0::bigint FROM keys k "
#define TELL    KEY_COLUMNS ", coalesce(u.used, 0) FROM keys k LEFT JOIN uses u ON u.number = k.number "

#define NUMBER_MAX 24 /* bytes of a number's text */

/* ---- reading ---- */

struct reading {
    key_store_visit *visit;
    void *context;
    bool any, is_damaged;
};

static bool read_digest(struct slice text, unsigned char out[KEY_RECORD_DIGEST])
{
    bool good = text.len == (size_t)KEY_RECORD_DIGEST * 2;
    for (size_t i = 0; good && i < KEY_RECORD_DIGEST; i++) {
        int high = hex_digit(text.ptr[2 * i]), low = hex_digit(text.ptr[2 * i + 1]);
        good = high >= 0 && low >= 0;
        out[i] = good ? (unsigned char)(high << 4 | low) : 0;
    }
    return good;
}

/* False: no row that this program wrote. */
static bool read_record(const PGresult *row, struct key_record *out)
{
    int column = 0;
    out->number = (uint64_t)postgres_number(row, column++);
    out->sequence = (uint64_t)postgres_number(row, column++);
    out->id = postgres_text(row, column++);
    if (!read_digest(postgres_text(row, column++), out->digest)) {
        return false;
    }
    out->pepper_id = postgres_text(row, column++);
    out->consumer = postgres_text(row, column++);
    out->description = postgres_text(row, column++);
    out->scopes = postgres_text(row, column++);
    out->tags = postgres_text(row, column++);
    out->limit_count = postgres_number(row, column++);
    out->limit_window = postgres_number(row, column++);
    out->created = postgres_number(row, column++);
    out->expires = postgres_number(row, column++);
    out->revoked = postgres_number(row, column++);
    out->superseded = postgres_number(row, column++);
    out->replaces = postgres_text(row, column++);
    out->used = postgres_number(row, column++);
    return true;
}

static bool visit_row(void *context, const PGresult *row)
{
    struct reading *reading = context;
    struct key_record record;
    if (!read_record(row, &record)) {
        reading->is_damaged = true;
        return false;
    }
    reading->any = true;
    return reading->visit(reading->context, &record);
}

static struct error visit_rows(struct key_store *store, const struct postgres_query *query,
                               key_store_visit *visit, void *context, bool *ret_any)
{
    struct reading reading = { .visit = visit, .context = context };
    TRY(postgres_run(postgres_store_of(store), query, visit_row, &reading, NULL));
    if (reading.is_damaged) {
        return FAIL(ERROR_STATE, POSTGRES_DAMAGED);
    }
    *ret_any = reading.any;
    return OK;
}

/* A text with a NUL behind it; "" where it has a NUL inside, which no text of ours has, or is longer than any. */
static const char *terminated(struct slice text, char out[KEY_RECORD_TEXT + 1])
{
    bool good = text.len <= KEY_RECORD_TEXT && (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL);
    size_t len = good ? text.len : 0;
    if (len > 0) {
        memcpy(out, text.ptr, len);
    }
    out[len] = '\0';
    return out;
}

/* {"\\x0123…","\\x…"}: an array of bytea, as a literal. */
#define DIGEST_TEXT (sizeof "\"\\\\x\"," - 1 + (size_t)2 * KEY_RECORD_DIGEST)
static void print_digests(const unsigned char (*digests)[KEY_RECORD_DIGEST], size_t count,
                          char out[KEY_STORE_BATCH * DIGEST_TEXT + 4])
{
    char *at = out;
    *at++ = '{';
    for (size_t i = 0; i < count; i++) {
        memcpy(at, i == 0 ? "\"\\\\x" : ",\"\\\\x", i == 0 ? 4 : 5);
        at += i == 0 ? 4 : 5;
        hex_encode(digests[i], KEY_RECORD_DIGEST, at);
        at += (size_t)2 * KEY_RECORD_DIGEST;
        *at++ = '"';
    }
    *at++ = '}';
    *at = '\0';
}

static struct error find_any(struct key_store *store, const unsigned char (*digests)[KEY_RECORD_DIGEST],
                             size_t count, key_store_visit *visit, void *context, bool *ret_any)
{
    char array[KEY_STORE_BATCH * DIGEST_TEXT + 4];
    if (count > KEY_STORE_BATCH) {
        return FAIL(ERROR_LIMIT, "too many keys are looked up at once");
    }
    print_digests(digests, count, array);
    const char *const values[] = { array };
    const struct postgres_query query = {
        .sql = "SELECT " LOOK_UP "WHERE k.digest = ANY ($1::bytea[])",
        .values = values,
        .count = 1,
    };
    return visit_rows(store, &query, visit, context, ret_any);
}

static struct error postgres_find_any(struct key_store *store,
                                      const unsigned char (*digests)[KEY_RECORD_DIGEST], size_t count,
                                      key_store_visit *visit, void *context)
{
    bool any;
    return find_any(store, digests, count, visit, context, &any);
}

static struct error postgres_find(struct key_store *store, const unsigned char digest[KEY_RECORD_DIGEST],
                                  key_store_visit *visit, void *context, bool *ret_found)
{
    unsigned char one[1][KEY_RECORD_DIGEST];
    memcpy(one[0], digest, sizeof one[0]);
    return find_any(store, one, 1, visit, context, ret_found);
}

static struct error postgres_get(struct key_store *store, struct slice id, key_store_visit *visit,
                                 void *context, bool *ret_found)
{
    char text[KEY_RECORD_TEXT + 1];
    const char *const values[] = { terminated(id, text) };
    const struct postgres_query query = {
        .sql = "SELECT " TELL "WHERE k.id = $1",
        .values = values,
        .count = 1,
    };
    return visit_rows(store, &query, visit, context, ret_found);
}

static struct error postgres_list(struct key_store *store, struct slice consumer, key_store_visit *visit,
                                  void *context)
{
    char text[KEY_RECORD_TEXT + 1];
    bool any, all = slice_is_empty(consumer);
    const char *const values[] = { terminated(consumer, text) };
    const struct postgres_query query = {
        .sql = all ? "SELECT " TELL "ORDER BY k.number"
                   : "SELECT " TELL "WHERE k.consumer = $1 ORDER BY k.number",
        .values = values,
        .count = all ? 0 : 1,
    };
    return visit_rows(store, &query, visit, context, &any);
}

#define PAGE_ROWS 256 /* asked for at once: an answer is read to its end, whoever has had enough of it */

#define LIMIT_TO(rows) " LIMIT " #rows
#define PAGE_OF(rows)  LIMIT_TO(rows)

struct page {
    key_store_visit *visit;
    void *context;
    uint64_t last;
    int count;
    bool wants_more;
};

static bool visit_page(void *context, const struct key_record *record)
{
    struct page *page = context;
    page->last = record->number;
    page->count++;
    page->wants_more = page->visit(page->context, record);
    return page->wants_more;
}

static struct error postgres_list_after(struct key_store *store, struct slice consumer, uint64_t after,
                                        key_store_visit *visit, void *context)
{
    char text[KEY_RECORD_TEXT + 1], number[NUMBER_MAX];
    bool any, all = slice_is_empty(consumer);
    struct page page = { .visit = visit, .context = context, .last = after, .wants_more = true };
    const char *const values[] = { number, terminated(consumer, text) };
    const struct postgres_query query = {
        .sql = all ? "SELECT " TELL "WHERE k.number > $1::bigint ORDER BY k.number" PAGE_OF(PAGE_ROWS)
                   : "SELECT " TELL
                     "WHERE k.number > $1::bigint AND k.consumer = $2 ORDER BY k.number" PAGE_OF(PAGE_ROWS),
        .values = values,
        .count = all ? 1 : 2,
    };
    while (page.wants_more && page.last <= INT64_MAX) {
        page.wants_more = false;
        page.count = 0;
        snprintf(number, sizeof number, "%" PRIu64, page.last);
        TRY(visit_rows(store, &query, visit_page, &page, &any));
        page.wants_more = page.wants_more && page.count == PAGE_ROWS;
    }
    return OK;
}

struct looking {
    struct key_store_state *out;
    bool good;
};

static bool take_state(void *context, const PGresult *row)
{
    struct looking *looking = context;
    struct slice identity = postgres_text(row, 0);
    looking->good = identity.len == sizeof looking->out->identity;
    if (looking->good) {
        memcpy(looking->out->identity, identity.ptr, identity.len);
        looking->out->sequence = (uint64_t)postgres_number(row, 1);
    }
    return false;
}

static struct error postgres_look(struct key_store *store, struct key_store_state *out)
{
    struct looking looking = { .out = out };
    const struct postgres_query query = { .sql = "SELECT identity, sequence FROM store" };
    TRY(postgres_run(postgres_store_of(store), &query, take_state, &looking, NULL));
    return looking.good ? OK : FAIL(ERROR_STATE, POSTGRES_DAMAGED);
}

/* No more than a caller has a use for: beyond API_KEY_CHANGES_MAX, which is less, everything is forgotten. */
static struct error postgres_changes(struct key_store *store, uint64_t sequence, key_store_visit *visit,
                                     void *context)
{
    char text[NUMBER_MAX];
    bool any;
    snprintf(text, sizeof text, "%" PRIu64, sequence);
    const char *const values[] = { text };
    const struct postgres_query query = {
        .sql = "SELECT " LOOK_UP "WHERE k.sequence > $1::bigint ORDER BY k.sequence LIMIT 10000",
        .values = values,
        .count = 1,
    };
    return visit_rows(store, &query, visit, context, &any);
}

/* ---- writing ---- */

static struct error end_transaction(struct postgres_store *store, struct error error)
{
    if (!failed(error)) {
        error = postgres_execute(store, "COMMIT");
        if (failed(error) && store->is_lost) {
            return FAIL(ERROR_STATE, "the connection to the key store's database was lost at the end: "
                                     "`sallyport keys list` tells whether the change was made");
        }
    }
    if (failed(error) && !store->is_lost) {
        struct error undone = postgres_execute(store, "ROLLBACK");
        (void)undone;
    }
    return error;
}

static bool take_number(void *context, const PGresult *row)
{
    *(int64_t *)context = postgres_number(row, 0);
    return false;
}

/* The first of `count` sequence numbers. Whoever has one keeps all others out to the end of the transaction: so they become visible in
 * their order. */
static struct error take_sequences(struct postgres_store *store, size_t count, uint64_t *ret_first)
{
    char text[NUMBER_MAX];
    int64_t last = 0;
    snprintf(text, sizeof text, "%zu", count);
    const char *const values[] = { text };
    const struct postgres_query query = {
        .sql = "UPDATE store SET sequence = sequence + $1::bigint RETURNING sequence",
        .values = values,
        .count = 1,
    };
    TRY(postgres_run(store, &query, take_number, &last, NULL));
    if (last < (int64_t)count) {
        return FAIL(ERROR_STATE, POSTGRES_DAMAGED);
    }
    *ret_first = (uint64_t)last - count + 1;
    return OK;
}

#define ADD_TEXTS   7
#define ADD_NUMBERS 7

static struct error add_one(struct postgres_store *store, const struct key_record *record, uint64_t sequence)
{
    char texts[ADD_TEXTS][KEY_RECORD_TEXT + 1], numbers[ADD_NUMBERS][NUMBER_MAX];
    char digest[2 * KEY_RECORD_DIGEST + 1] = { 0 };
    const struct slice all_texts[ADD_TEXTS] = { record->id,          record->pepper_id, record->consumer,
                                                record->description, record->scopes,    record->tags,
                                                record->replaces };
    const int64_t all_numbers[ADD_NUMBERS] = { (int64_t)sequence, record->limit_count, record->limit_window,
                                               record->created,   record->expires,     record->revoked,
                                               record->superseded };
    const char *values[1 + ADD_TEXTS + ADD_NUMBERS] = { digest };
    hex_encode(record->digest, sizeof record->digest, digest);
    for (size_t i = 0; i < ADD_TEXTS; i++) {
        values[1 + i] = terminated(all_texts[i], texts[i]);
    }
    for (size_t i = 0; i < ADD_NUMBERS; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%" PRId64, all_numbers[i]);
        values[1 + ADD_TEXTS + i] = numbers[i];
    }
    const struct postgres_query query = {
        .sql = "INSERT INTO keys (digest, id, pepper_id, consumer, description, scopes, tags, replaces, "
               "sequence, limit_count, limit_window, created, expires, revoked, superseded) "
               "VALUES (decode($1, 'hex'), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        .values = values,
        .count = 1 + ADD_TEXTS + ADD_NUMBERS,
    };
    return postgres_run(store, &query, NULL, NULL, NULL);
}

static struct error add_all(struct postgres_store *store, const struct key_record *records, size_t count)
{
    uint64_t first = 0;
    TRY(take_sequences(store, count, &first));
    for (size_t i = 0; i < count; i++) {
        TRY(add_one(store, &records[i], first + i));
    }
    return OK;
}

static struct error postgres_add(struct key_store *base, const struct key_record *records, size_t count)
{
    struct postgres_store *store = postgres_store_of(base);
    TRY(postgres_execute(store, "BEGIN"));
    return end_transaction(store, add_all(store, records, count));
}

#define REVOKE                                                                                         \
    "UPDATE keys SET sequence = $1::bigint, revoked = CASE WHEN revoked > 0 THEN revoked ELSE $3 END " \
    "WHERE id = $2"
#define EXPIRE "UPDATE keys SET sequence = $1::bigint, expires = $3::bigint WHERE id = $2"
#define SUPERSEDE                                                                                            \
    "UPDATE keys SET sequence = $1::bigint, superseded = $3::bigint, "                                       \
    "expires = CASE WHEN expires > 0 AND expires < $4 THEN expires ELSE $4 END WHERE id = $2 AND revoked = " \
    "0"

/* Changes one key: $1 is its next sequence number, $2 its id, $3 and $4 what the statement wants. */
static struct error change_one(struct postgres_store *store, const char *sql, int count, struct slice id,
                               int64_t first, int64_t second)
{
    uint64_t sequence = 0;
    int64_t changed = 0;
    char name[KEY_RECORD_TEXT + 1], numbers[3][NUMBER_MAX];
    TRY(take_sequences(store, 1, &sequence));
    snprintf(numbers[0], NUMBER_MAX, "%" PRIu64, sequence);
    snprintf(numbers[1], NUMBER_MAX, "%" PRId64, first);
    snprintf(numbers[2], NUMBER_MAX, "%" PRId64, second);
    const char *const values[] = { numbers[0], terminated(id, name), numbers[1], numbers[2] };
    const struct postgres_query query = { .sql = sql, .values = values, .count = count };
    TRY(postgres_run(store, &query, NULL, NULL, &changed));
    return changed == 1 ? OK : FAIL(ERROR_VALUE, "there is no such key");
}

static struct error change(struct key_store *base, const char *sql, struct slice id, int64_t when)
{
    struct postgres_store *store = postgres_store_of(base);
    TRY(postgres_execute(store, "BEGIN"));
    return end_transaction(store, change_one(store, sql, 3, id, when, 0));
}

static struct error rotate(struct postgres_store *store, struct slice id, int64_t now, int64_t expires,
                           const struct key_record *successor)
{
    struct error error = change_one(store, SUPERSEDE, 4, id, now, expires);
    if (error.kind == ERROR_VALUE && strcmp(error.what, "there is no such key") == 0) {
        error.what = "there is no such key, or it is revoked";
    }
    TRY(error);
    return add_all(store, successor, 1);
}

static struct error postgres_rotate(struct key_store *base, struct slice id, int64_t now, int64_t expires,
                                    const struct key_record *successor)
{
    struct postgres_store *store = postgres_store_of(base);
    TRY(postgres_execute(store, "BEGIN"));
    return end_transaction(store, rotate(store, id, now, expires, successor));
}

static struct error postgres_revoke(struct key_store *store, struct slice id, int64_t when)
{
    return change(store, REVOKE, id, when);
}

static struct error postgres_expire(struct key_store *store, struct slice id, int64_t when)
{
    return change(store, EXPIRE, id, when);
}

/* ---- last uses ---- */

static bool print_uses(const struct key_use *uses, size_t count, struct buffer *numbers, struct buffer *times)
{
    bool good = buffer_append_char(numbers, '{') && buffer_append_char(times, '{');
    for (size_t i = 0; good && i < count; i++) {
        const char *comma = i > 0 ? "," : "";
        good = buffer_printf(numbers, "%s%" PRIu64, comma, uses[i].number) &&
               buffer_printf(times, "%s%" PRId64, comma, uses[i].when);
    }
    return good && buffer_append(numbers, slice_of("}", 2)) && buffer_append(times, slice_of("}", 2));
}

static struct error postgres_note_uses(struct key_store *store, const struct key_use *uses, size_t count)
{
    struct buffer numbers, times;
    buffer_init(&numbers, (size_t)KEY_STORE_USES * NUMBER_MAX);
    buffer_init(&times, (size_t)KEY_STORE_USES * NUMBER_MAX);
    struct error error = FAIL(ERROR_MEMORY, "no memory for uses of keys");
    if (count <= KEY_STORE_USES && print_uses(uses, count, &numbers, &times)) {
        const char *const values[] = { buffer_slice(&numbers).ptr, buffer_slice(&times).ptr };
        const struct postgres_query query = {
            .sql = "SELECT note_uses($1::bigint[], $2::bigint[])",
            .values = values,
            .count = 2,
        };
        error = postgres_run(postgres_store_of(store), &query, NULL, NULL, NULL);
    }
    buffer_done(&numbers);
    buffer_done(&times);
    return error;
}

const struct key_store_kind postgres_key_store = {
    .name = "postgres",
    .open = postgres_open,
    .close = postgres_close,
    .is_current = postgres_is_current,
    .find = postgres_find,
    .get = postgres_get,
    .list = postgres_list,
    .list_after = postgres_list_after,
    .look = postgres_look,
    .changes = postgres_changes,
    .add = postgres_add,
    .rotate = postgres_rotate,
    .revoke = postgres_revoke,
    .expire = postgres_expire,
    .find_any = postgres_find_any,
    .note_uses = postgres_note_uses,
    .fd = postgres_fd,
    .hear = postgres_hear,
};
