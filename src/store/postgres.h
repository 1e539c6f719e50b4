/* A key store in a database of PostgreSQL. Private to src/store.
 *
 * Everything that waits has a deadline, since a server that hangs keeps its connections open: statements are sent and awaited
 * without blocking. A connection that missed one is done with. libpq is told all it wants to know, so that it looks neither
 * into the environment nor into a home directory; no text of it or of the server goes any further, for a password might
 * stand in it: what failed is told by its SQLSTATE.
 *
 * Statements are not prepared, so that a pooler may stand between; names are found in pg_catalog first, then in the
 * store's schema. */
#ifndef SALLYPORT_STORE_POSTGRES_H
#define SALLYPORT_STORE_POSTGRES_H

#include "store/key_store_kind.h"
#include "store/postgres_place.h"

#include <libpq-fe.h>

struct postgres_store {
    struct key_store base;
    const struct postgres_place *place;
    PGconn *connection;
    int answer_ms;
    int64_t deadline; /* monotonic ns, of everything; INT64_MAX: none */
    const atomic_bool *stop;
    bool is_lost; /* the connection: nobody knows any more what comes on it */
};

static inline struct postgres_store *postgres_store_of(struct key_store *store)
{
    return (struct postgres_store *)store;
}

struct error postgres_open(const struct key_store_options *options, struct key_store **ret_store) MUST_CHECK;
void postgres_close(struct key_store *store);
bool postgres_is_current(const struct key_store *store);
int postgres_fd(const struct key_store *store);
struct error postgres_hear(struct key_store *store, bool *ret_changed) MUST_CHECK;

/* Values are texts, $1 first. */
struct postgres_query {
    const char *sql;
    const char *const *values;
    int count;
};

/* Each row, as it comes. False: enough. */
typedef bool postgres_row(void *context, const PGresult *row);

/* Runs one statement; `row` NULL: its rows are not wanted. `*ret_affected` (may be NULL): how many rows it touched. */
struct error postgres_run(struct postgres_store *store, const struct postgres_query *query, postgres_row *row,
                          void *context, int64_t *ret_affected) MUST_CHECK;
/* Several statements with nothing to fill in. */
struct error postgres_execute(struct postgres_store *store, const char *sql) MUST_CHECK;

/* ---- postgres_schema.c ---- */

/* Checks whose schema it is, and brings it up to date where it may be written. */
struct error postgres_migrate(struct postgres_store *store, enum key_store_access access) MUST_CHECK;

/* ---- postgres_errors.c ---- */

/* What a result that is an error means for a person. */
struct error postgres_result_error(const PGresult *result);
/* Why there is no connection, or none any more. */
struct error postgres_connection_error(const PGconn *connection);

#define POSTGRES_DAMAGED  "the key store is damaged: restore it from a backup"
#define POSTGRES_NO_STORE "there is no key store here: `sallyport keys create` makes it"

int64_t postgres_number(const PGresult *row, int column);
struct slice postgres_text(const PGresult *row, int column);

#endif
