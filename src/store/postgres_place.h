/* A database that holds keys, as a store keeps it: a copy of the settings that outlives them. Constant once made: any thread. */
#ifndef SALLYPORT_STORE_POSTGRES_PLACE_H
#define SALLYPORT_STORE_POSTGRES_PLACE_H

#include "base/error.h"
#include "store/postgres_settings.h"

/* NUL-terminated, never NULL; empty where there is none. */
struct postgres_place {
    const char *host, *port, *database, *user, *password, *schema, *sslmode, *root_pem;
    const char *label; /* what logs call it: no secret in it */
    int connect_ms, statement_ms;
    size_t size; /* of the texts behind it */
};

/* `settings` were checked. */
struct error postgres_place_new(const struct postgres_settings *settings,
                                struct postgres_place **ret_place) MUST_CHECK;
/* Wipes the password. */
void postgres_place_free(struct postgres_place *place);

/* The same place with the same rights? */
bool postgres_place_equal(const struct postgres_place *a, const struct postgres_place *b);

/* Forgets what libpq would read from the environment (PGHOSTADDR, PGSERVICE and their kin): what is said in the configuration counts,
 * and nothing else. Before other threads are there. Gateways have no such environment. */
void postgres_forget_environment(void);

#endif
