#include "auth/key_wanted.h"

#include "auth/discovery.h"
#include "base/clock.h"

#include <stdlib.h>

#define WANTED_ARENA    (8 * 1024 * 1024) /* CA and key of one issuer */
#define DEFAULT_REFRESH (300 * NS_PER_S)

void key_wanted_free(struct key_wanted *wanted)
{
    if (wanted == NULL) {
        return;
    }
    tls_client_settings_wipe(wanted->tls);
    arena_done(&wanted->arena);
    free(wanted);
}

static bool copy_text(struct key_wanted *wanted, struct slice *text)
{
    *text = arena_copy(&wanted->arena, *text);
    return text->ptr != NULL;
}

static bool copy_source(struct key_wanted *wanted, const struct issuer_settings *settings)
{
    if (!issuer_discovers_keys(settings)) {
        wanted->url = settings->jwks_url;
        bool copied = copy_text(wanted, &wanted->url);
        wanted->source = wanted->url;
        return copied;
    }
    wanted->discovers = true;
    wanted->url = discovery_url(&wanted->arena, settings->issuer);
    /* Not the URL: with and without a slash at its end, two issuers have one. */
    wanted->source = arena_printf(&wanted->arena, "discovery %.*s", SLICE_ARG(settings->issuer));
    return wanted->url.ptr != NULL && wanted->source.ptr != NULL;
}

struct key_wanted *key_wanted_new(const struct issuer_settings *settings)
{
    struct key_wanted *wanted = calloc(1, sizeof *wanted);
    if (wanted == NULL) {
        return NULL;
    }
    arena_init(&wanted->arena, WANTED_ARENA);
    wanted->name = settings->name;
    wanted->issuer = settings->issuer;
    wanted->refresh = settings->jwks_refresh > 0 ? settings->jwks_refresh : DEFAULT_REFRESH;
    wanted->unknown_kid_interval = settings->jwks_unknown_kid_interval;
    wanted->timeout = settings->jwks_timeout;
    wanted->stale = settings->jwks_stale;
    bool copied = copy_text(wanted, &wanted->name) && copy_text(wanted, &wanted->issuer) &&
                  copy_source(wanted, settings);
    if (copied && settings->jwks_tls != NULL) {
        wanted->tls = tls_client_settings_copy(settings->jwks_tls, &wanted->arena);
        copied = wanted->tls != NULL;
    }
    if (!copied) {
        key_wanted_free(wanted);
        return NULL;
    }
    return wanted;
}
