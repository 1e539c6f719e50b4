#include "store/postgres_place.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/secret.h"

#include <libpq-fe.h>
#include <stdlib.h>

static const char *const sslmodes[] = {
    [POSTGRES_SSL_VERIFY_FULL] = "verify-full",
    [POSTGRES_SSL_VERIFY_CA] = "verify-ca",
    [POSTGRES_SSL_REQUIRE] = "require",
    [POSTGRES_SSL_DISABLE] = "disable",
};

#define TEXTS     9
#define LABEL_MAX 1024

static void print_label(const struct postgres_settings *settings, struct buffer *out)
{
    bool bracketed = slice_find(settings->host, ':') >= 0;
    buffer_printf(out, "postgresql:%s%s%.*s%s:%u/%.*s#%.*s", postgres_is_socket(settings) ? "" : "//",
                  bracketed ? "[" : "", SLICE_ARG(settings->host), bracketed ? "]" : "",
                  (unsigned int)settings->port, SLICE_ARG(settings->database), SLICE_ARG(settings->schema));
}

static struct error make(const struct postgres_settings *settings, struct slice label,
                         struct postgres_place **ret_place)
{
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned int)settings->port);
    const struct slice texts[TEXTS] = {
        settings->host,
        slice_from_string(port),
        settings->database,
        settings->user,
        settings->password,
        settings->schema,
        slice_from_string(sslmodes[postgres_sslmode_of(settings)]),
        settings->root_pem,
        label,
    };
    size_t size = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        size += texts[i].len + 1;
    }
    struct postgres_place *place = calloc(1, sizeof *place + size);
    if (place == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a key store");
    }
    const char **const members[TEXTS] = { &place->host,    &place->port,     &place->database,
                                          &place->user,    &place->password, &place->schema,
                                          &place->sslmode, &place->root_pem, &place->label };
    char *at = (char *)(place + 1);
    for (size_t i = 0; i < TEXTS; i++) {
        *members[i] = at;
        if (texts[i].len > 0) {
            memcpy(at, texts[i].ptr, texts[i].len);
        }
        at += texts[i].len + 1;
    }
    place->connect_ms = (int)(settings->connect_timeout / NS_PER_MS);
    place->statement_ms = (int)(settings->statement_timeout / NS_PER_MS);
    place->size = size;
    *ret_place = place;
    return OK;
}

struct error postgres_place_new(const struct postgres_settings *settings, struct postgres_place **ret_place)
{
    struct buffer label;
    buffer_init(&label, LABEL_MAX);
    print_label(settings, &label);
    struct error error = make(settings, buffer_slice(&label), ret_place);
    buffer_done(&label);
    return error;
}

void postgres_place_free(struct postgres_place *place)
{
    if (place != NULL) {
        secret_wipe(place, sizeof *place + place->size);
        free(place);
    }
}

bool postgres_place_equal(const struct postgres_place *a, const struct postgres_place *b)
{
    return a->size == b->size && a->connect_ms == b->connect_ms && a->statement_ms == b->statement_ms &&
           secret_equal(slice_of((const char *)(a + 1), a->size), slice_of((const char *)(b + 1), b->size));
}

void postgres_forget_environment(void)
{
    static const char *const others[] = { "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGREQUIRESSL",
                                          "PGLOCALEDIR" };
    /* NOLINTBEGIN(concurrency-mt-unsafe): no other thread is there */
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        unsetenv(others[i]); /* first: the list of the others would be read from the service's file */
    }
    PQconninfoOption *options = PQconndefaults();
    for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
        if (option->envvar != NULL) {
            unsetenv(option->envvar);
        }
    }
    /* NOLINTEND(concurrency-mt-unsafe) */
    PQconninfoFree(options);
}
