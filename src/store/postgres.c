#include "store/postgres.h"

#include "base/clock.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLICE_MS 100 /* how long nobody looks whether it is to stop */

/* libpq's words for "no such file": it must not look for one in a home directory. Nothing can stand there. */
#define NO_FILE "/dev/null/none"

/* ---- waiting ---- */

static struct error wait_for(struct postgres_store *store, short events, int64_t deadline)
{
    struct pollfd one = { .fd = PQsocket(store->connection), .events = events };
    for (;;) {
        int64_t left = (deadline - clock_monotonic_ns() + NS_PER_MS - 1) / NS_PER_MS;
        if (store->stop != NULL && atomic_load_explicit(store->stop, memory_order_relaxed)) {
            return FAIL(ERROR_STATE, "the key store is wanted no longer");
        }
        if (left <= 0) {
            return FAIL_NUMBER(ERROR_STATE, ETIMEDOUT, "the key store's database does not answer in time");
        }
        int ready = poll(&one, 1, left < SLICE_MS ? (int)left : SLICE_MS);
        if (ready > 0) {
            return OK;
        }
        if (ready < 0 && errno != EINTR) {
            return FAIL_ERRNO("the key store's database cannot be waited for");
        }
    }
}

static int64_t in_ms(const struct postgres_store *store, int ms)
{
    int64_t deadline = clock_monotonic_ns() + ms * NS_PER_MS;
    return deadline < store->deadline ? deadline : store->deadline;
}

/* What fails here leaves an answer behind that may come later. */
static struct error lost(struct postgres_store *store, struct error error)
{
    store->is_lost = store->is_lost || failed(error);
    return error;
}

static struct error flush(struct postgres_store *store, int64_t deadline)
{
    int left;
    while ((left = PQflush(store->connection)) > 0) {
        TRY(wait_for(store, POLLIN | POLLOUT, deadline));
        if (PQconsumeInput(store->connection) == 0) {
            return postgres_connection_error(store->connection);
        }
    }
    return left == 0 ? OK : postgres_connection_error(store->connection);
}

static struct error await(struct postgres_store *store, int64_t deadline)
{
    while (PQisBusy(store->connection) != 0) {
        TRY(wait_for(store, POLLIN, deadline));
        if (PQconsumeInput(store->connection) == 0) {
            return postgres_connection_error(store->connection);
        }
    }
    return OK;
}

/* ---- statements ---- */

struct run {
    postgres_row *row;
    void *context;
    bool more; /* rows are wanted */
    int64_t affected;
    struct error error; /* the first one */
};

static void take_result(struct postgres_store *store, struct run *run, PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
        run->more = run->more && run->row(run->context, result);
        break;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK: {
        const char *affected = PQcmdTuples(result);
        run->affected = strtoll(affected, NULL, 10);
        break;
    }
    case PGRES_FATAL_ERROR:
    default:
        if (!failed(run->error)) {
            run->error = PQstatus(store->connection) == CONNECTION_OK
                             ? postgres_result_error(result)
                             : postgres_connection_error(store->connection);
        }
        break;
    }
}

/* To the end of the answer, so that the next question finds the connection free. Each row has the whole time. */
static struct error take_answer(struct postgres_store *store, struct run *run)
{
    TRY(lost(store, flush(store, in_ms(store, store->answer_ms))));
    for (;;) {
        TRY(lost(store, await(store, in_ms(store, store->answer_ms))));
        PGresult *result = PQgetResult(store->connection);
        if (result == NULL) {
            break;
        }
        take_result(store, run, result);
        PQclear(result);
    }
    if (PQstatus(store->connection) != CONNECTION_OK) {
        store->is_lost = true;
    }
    return run->error;
}

struct error postgres_run(struct postgres_store *store, const struct postgres_query *query, postgres_row *row,
                          void *context, int64_t *ret_affected)
{
    struct run run = { .row = row, .context = context, .more = row != NULL };
    if (store->is_lost) {
        return FAIL(ERROR_PEER, "the connection to the key store's database was lost");
    }
    if (PQsendQueryParams(store->connection, query->sql, query->count, NULL, query->values, NULL, NULL, 0) ==
        0) {
        return lost(store, postgres_connection_error(store->connection));
    }
    PQsetSingleRowMode(store->connection);
    TRY(take_answer(store, &run));
    if (ret_affected != NULL) {
        *ret_affected = run.affected;
    }
    return OK;
}

struct error postgres_execute(struct postgres_store *store, const char *sql)
{
    struct run run = { .more = false };
    if (store->is_lost) {
        return FAIL(ERROR_PEER, "the connection to the key store's database was lost");
    }
    if (PQsendQuery(store->connection, sql) == 0) {
        return lost(store, postgres_connection_error(store->connection));
    }
    return take_answer(store, &run);
}

int64_t postgres_number(const PGresult *row, int column)
{
    return strtoll(PQgetvalue(row, 0, column), NULL, 10);
}

struct slice postgres_text(const PGresult *row, int column)
{
    return slice_of(PQgetvalue(row, 0, column), (size_t)PQgetlength(row, 0, column));
}

/* ---- connecting ---- */

/* libpq reads CAs from a file only. The gateway may read none but those of the system, and has the CAs in its configuration:
 * so they are a file in memory, for as long as it connects. */
static struct error make_root(const struct postgres_place *place, int *ret_fd)
{
    size_t size = strlen(place->root_pem);
    int fd = memfd_create("sallyport-key-store-ca", MFD_CLOEXEC);
    if (fd < 0) {
        return FAIL_ERRNO("the CAs of the key store's database");
    }
    if (write(fd, place->root_pem, size) != (ssize_t)size) {
        close(fd);
        return FAIL(ERROR_MEMORY, "no memory for the CAs of the key store's database");
    }
    *ret_fd = fd;
    return OK;
}

static PGconn *begin(const struct postgres_place *place, const char *root)
{
    const struct {
        const char *name, *value;
    } parameters[] = {
        { "host", place->host },
        { "port", place->port },
        { "dbname", place->database },
        { "user", place->user },
        { "password", place->password },
        { "sslmode", place->sslmode },
        { "sslrootcert", root },
        /* Each of these would be looked for in the home directory of whoever this is. */
        { "sslcert", NO_FILE },
        { "sslkey", NO_FILE },
        { "sslcrl", NO_FILE },
        { "passfile", NO_FILE },
        { "gssencmode", "disable" },
        { "client_encoding", "UTF8" },
        { "application_name", "sallyport" },
        { "keepalives_idle", "10" },
        { "keepalives_interval", "5" },
        { "keepalives_count", "3" },
        { "tcp_user_timeout", "20000" },
    };
    const char *names[sizeof parameters / sizeof parameters[0] + 1] = { NULL };
    const char *values[sizeof parameters / sizeof parameters[0] + 1] = { NULL };
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        names[i] = parameters[i].name;
        values[i] = parameters[i].value;
    }
    return PQconnectStartParams(names, values, 0);
}

/* A notice would be printed. */
static void ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

static struct error poll_connection(struct postgres_store *store)
{
    int64_t deadline = in_ms(store, store->place->connect_ms);
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
        TRY(wait_for(store, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline));
        next = PQconnectPoll(store->connection);
        if (next == PGRES_POLLING_FAILED) {
            return postgres_connection_error(store->connection);
        }
    }
    return OK;
}

static struct error finish_connection(struct postgres_store *store)
{
    if (store->connection == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a connection to the key store's database");
    }
    /* The code without the text: the text may repeat what it was sent. */
    PQsetErrorVerbosity(store->connection, PQERRORS_SQLSTATE);
    PQsetNoticeReceiver(store->connection, ignore_notice, NULL);
    if (PQstatus(store->connection) == CONNECTION_BAD) {
        return postgres_connection_error(store->connection);
    }
    TRY(poll_connection(store));
    PQsetnonblocking(store->connection, 1);
    return OK;
}

static struct error connect_to(struct postgres_store *store)
{
    char path[64] = NO_FILE;
    int fd = -1;
    if (store->place->root_pem[0] != '\0') {
        TRY(make_root(store->place, &fd));
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    store->connection = begin(store->place, path);
    struct error error = finish_connection(store);
    if (fd >= 0) {
        close(fd);
    }
    return error;
}

/* How long a statement may take stands at the server too, and a little less, so that it says so where it can and none is left behind
 * at it. A long list of the commands may take its time. */
static struct error prepare(struct postgres_store *store, const struct key_store_options *options)
{
    char path[128], statement[16], lock[16];
    snprintf(path, sizeof path, "pg_catalog, \"%s\", pg_temp", store->place->schema);
    snprintf(statement, sizeof statement, "%d",
             options->answer_ms > 0 ? 0 : store->answer_ms - store->answer_ms / 10);
    snprintf(lock, sizeof lock, "%d", options->busy_ms);
    const char *const values[] = { path, statement, lock };
    const struct postgres_query query = {
        .sql = "SELECT set_config('search_path', $1, false), set_config('statement_timeout', $2, false), "
               "set_config('lock_timeout', $3, false), "
               "set_config('idle_in_transaction_session_timeout', '30000', false)",
        .values = values,
        .count = 3,
    };
    TRY(postgres_run(store, &query, NULL, NULL, NULL));
    return postgres_migrate(store, options->access);
}

/* Changes are told to who listens; one that may not (a standby) is left with looking. */
static struct error listen_to(struct postgres_store *store)
{
    char sql[128];
    snprintf(sql, sizeof sql, "LISTEN \"sallyport_keys:%s\"", store->place->schema);
    struct error error = postgres_execute(store, sql);
    return store->is_lost ? error : OK;
}

struct error postgres_open(const struct key_store_options *options, struct key_store **ret_store)
{
    struct postgres_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the key store");
    }
    store->place = options->place;
    store->answer_ms = options->answer_ms > 0 ? options->answer_ms : options->place->statement_ms;
    store->deadline = options->deadline > 0 ? options->deadline : INT64_MAX;
    store->stop = options->stop;
    struct error error = connect_to(store);
    error = failed(error) ? error : prepare(store, options);
    if (!failed(error) && options->access == KEY_STORE_READ) {
        error = listen_to(store);
    }
    if (failed(error)) {
        postgres_close(&store->base);
        return error;
    }
    *ret_store = &store->base;
    return OK;
}

void postgres_close(struct key_store *base)
{
    struct postgres_store *store = postgres_store_of(base);
    PQfinish(store->connection);
    free(store);
}

bool postgres_is_current(const struct key_store *base)
{
    const struct postgres_store *store = (const struct postgres_store *)base;
    return !store->is_lost && PQstatus(store->connection) == CONNECTION_OK;
}

int postgres_fd(const struct key_store *base)
{
    return PQsocket(((const struct postgres_store *)base)->connection);
}

struct error postgres_hear(struct key_store *base, bool *ret_changed)
{
    struct postgres_store *store = postgres_store_of(base);
    bool changed = false;
    if (PQconsumeInput(store->connection) == 0) {
        return lost(store, postgres_connection_error(store->connection));
    }
    for (PGnotify *notice; (notice = PQnotifies(store->connection)) != NULL;) {
        changed = true; /* it listens to one channel only */
        PQfreemem(notice);
    }
    if (PQstatus(store->connection) != CONNECTION_OK) {
        return lost(store, postgres_connection_error(store->connection));
    }
    *ret_changed = changed;
    return OK;
}
