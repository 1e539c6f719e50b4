/* What stands in the schema, and how that of an older version becomes that of this one. */
#include "store/postgres.h"

#include <stdio.h>

/* One step per version: the schema of version N is what the first N made. Never changed once released; added to. While they run,
 * the store's schema is the first of the search path. `readable` of the store says how old a program may be that still reads
 * it: a step that older gateways cannot live with raises it, others leave it, so that gateways are upgraded one by one.
 *
 * Gateways read, and note uses by a function that runs with its owner's rights: they need no right to write anything. */
static const char *const steps[] = {
    "CREATE TABLE store ("
    "  one integer PRIMARY KEY CHECK (one = 1),"
    "  version integer NOT NULL,"
    "  readable integer NOT NULL,"
    "  sequence bigint NOT NULL,"
    "  identity text NOT NULL CHECK (length(identity) = 32));"
    "INSERT INTO store VALUES (1, 0, 1, 0, replace(gen_random_uuid()::text, '-', ''));"
    "CREATE TABLE keys ("
    "  digest bytea PRIMARY KEY CHECK (length(digest) = 32),"
    "  number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,"
    "  sequence bigint NOT NULL UNIQUE,"
    "  id text NOT NULL UNIQUE,"
    "  pepper_id text NOT NULL,"
    "  consumer text NOT NULL,"
    "  description text NOT NULL,"
    "  scopes text NOT NULL,"
    "  tags text NOT NULL,"
    "  limit_count bigint NOT NULL CHECK (limit_count >= 0),"
    "  limit_window bigint NOT NULL CHECK (limit_window >= 0),"
    "  created bigint NOT NULL,"
    "  expires bigint NOT NULL,"
    "  revoked bigint NOT NULL,"
    "  superseded bigint NOT NULL,"
    "  replaces text NOT NULL);"
    "CREATE INDEX keys_by_consumer ON keys (consumer, number);"
    "CREATE TABLE uses (number bigint PRIMARY KEY, used bigint NOT NULL) WITH (fillfactor = 70);"
    "CREATE FUNCTION note_uses(numbers bigint[], times bigint[]) RETURNS void LANGUAGE sql"
    "  SECURITY DEFINER SET search_path FROM CURRENT AS $$"
    "  INSERT INTO uses (number, used)"
    "  SELECT k.number, max(least(u.used, extract(epoch FROM now())::bigint))"
    "  FROM unnest(numbers, times) AS u (number, used) JOIN keys k ON k.number = u.number"
    "  GROUP BY k.number ORDER BY k.number"
    "  ON CONFLICT (number) DO UPDATE SET used = excluded.used WHERE uses.used < excluded.used $$;"
    "CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql"
    "  SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
    "  PERFORM pg_notify('sallyport_keys:' || TG_TABLE_SCHEMA, ''); RETURN NULL; END $$;"
    "CREATE TRIGGER tell_change AFTER UPDATE OF sequence ON store"
    "  FOR EACH ROW EXECUTE FUNCTION tell_change();",
};

#define VERSION ((int64_t)(sizeof steps / sizeof steps[0]))

#define SQL_MAX    256
#define NEWER      "the key store was written by a newer version of sallyport; use that one"
#define LOCK_CLASS "1397771091" /* "SPKS": of advisory locks; the second number is the schema's */

struct state {
    bool has_schema, has_store;
    int64_t version, readable;
};

static bool take_existence(void *context, const PGresult *row)
{
    struct state *state = context;
    state->has_schema = PQgetvalue(row, 0, 0)[0] == 't';
    state->has_store = PQgetvalue(row, 0, 1)[0] == 't';
    return false;
}

static bool take_version(void *context, const PGresult *row)
{
    struct state *state = context;
    state->version = postgres_number(row, 0);
    state->readable = postgres_number(row, 1);
    return false;
}

/* By the catalogue's tables: functions such as to_regclass answer from a cache that may not know yet what another process made. */
static struct error look(struct postgres_store *store, struct state *out)
{
    const char *const values[] = { store->place->schema };
    const struct postgres_query existence = {
        .sql = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1), "
               "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
               "WHERE n.nspname = $1 AND c.relname = 'store')",
        .values = values,
        .count = 1,
    };
    *out = (struct state){ .has_schema = false };
    TRY(postgres_run(store, &existence, take_existence, out, NULL));
    if (!out->has_store) {
        return OK;
    }
    const struct postgres_query version = { .sql = "SELECT version, readable FROM store" };
    return postgres_run(store, &version, take_version, out, NULL);
}

static struct error check(const struct state *state, enum key_store_access access)
{
    int64_t needed = access == KEY_STORE_READ ? state->readable : state->version;
    return needed > VERSION ? FAIL(ERROR_VALUE, NEWER) : OK;
}

static struct error take_steps(struct postgres_store *store, enum key_store_access access)
{
    char sql[SQL_MAX];
    struct state state;
    snprintf(sql, sizeof sql,
             "SELECT pg_catalog.pg_advisory_xact_lock(" LOCK_CLASS ", pg_catalog.hashtext('%s'))",
             store->place->schema);
    TRY(postgres_execute(store, sql));
    /* Looked at again under the lock: another process may have done it meanwhile. */
    TRY(look(store, &state));
    TRY(check(&state, access));
    if (!state.has_schema) {
        snprintf(sql, sizeof sql, "CREATE SCHEMA \"%s\"", store->place->schema);
        TRY(postgres_execute(store, sql));
    }
    if (state.version == VERSION) {
        return OK;
    }
    snprintf(sql, sizeof sql, "SET LOCAL search_path = \"%s\", pg_catalog, pg_temp", store->place->schema);
    TRY(postgres_execute(store, sql));
    for (int64_t i = state.version; i < VERSION; i++) {
        TRY(postgres_execute(store, steps[i]));
    }
    snprintf(sql, sizeof sql, "UPDATE store SET version = %d", (int)VERSION);
    return postgres_execute(store, sql);
}

static struct error bring_up(struct postgres_store *store, enum key_store_access access)
{
    TRY(postgres_execute(store, "BEGIN"));
    struct error error = take_steps(store, access);
    if (!failed(error)) {
        error = postgres_execute(store, "COMMIT");
    }
    if (failed(error) && !store->is_lost) {
        struct error undone = postgres_execute(store, "ROLLBACK");
        (void)undone;
    }
    return error;
}

struct error postgres_migrate(struct postgres_store *store, enum key_store_access access)
{
    struct state state;
    TRY(look(store, &state));
    TRY(check(&state, access));
    if (state.version >= VERSION) {
        return OK;
    }
    if (state.version == 0 && access != KEY_STORE_CREATE) {
        return FAIL(ERROR_VALUE, POSTGRES_NO_STORE);
    }
    if (access == KEY_STORE_READ) {
        return FAIL(ERROR_VALUE,
                    "the key store is of an older version: `sallyport keys list`, run by who may "
                    "write it, brings it up to date");
    }
    return bring_up(store, access);
}
