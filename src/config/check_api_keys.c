/* Sets of API keys: reads the files of keys, and checks what their tables cannot say. */
#include "base/limits.h"
#include "base/map.h"
#include "config/internal.h"
#include "config/yaml.h"

static struct error new_source(struct loader *loader, struct slice path, struct conf_source **ret_source)
{
    struct conf_source *source = arena_calloc(loader->arena, 1, sizeof *source);
    if (source == NULL) {
        return NO_MEMORY;
    }
    source->path = arena_copy(loader->arena, path);
    source->directory = slice_part(source->path, 0, (size_t)(slice_find_last(source->path, '/') + 1));
    source->order = CONFIG_FILES_MAX; /* behind all of the configuration itself */
    *ret_source = source;
    return source->path.ptr != NULL ? OK : NO_MEMORY;
}

struct error loader_read_root(struct loader *loader, const struct slice *path, const struct conf_node *owner,
                              struct conf_node **ret_root)
{
    struct conf_source *source;
    *ret_root = NULL;
    TRY(new_source(loader, *path, &source));
    struct slice text;
    bool read = false;
    TRY(load_read(loader, path, owner, CONFIG_FILE_MAX, &text, &read));
    return read ? yaml_parse(text, source, loader->diagnostics, ret_root) : OK;
}

static struct error read_keys(struct loader *loader, const struct slice *path, const struct conf_node *owner,
                              struct conf_list *out)
{
    struct conf_node *root;
    struct api_key_file_settings file = { 0 };
    TRY(loader_read_root(loader, path, owner, &root));
    if (root != NULL) {
        TRY(conf_read(&loader->reader, &api_key_file_object, root, &file));
    }
    *out = file.keys;
    return OK;
}

/* A digest is made with one pepper and stands for one key. */
static struct error check_unique(struct loader *loader, struct map *seen,
                                 const struct api_key_entry_settings *entry, const struct conf_node *node)
{
    struct slice digest = slice_of((const char *)entry->record.digest, KEY_RECORD_DIGEST);
    const struct api_key_entry_settings *other = map_get(seen, digest);
    if (other != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "has the digest of \"%.*s\"",
                         SLICE_ARG(other->name));
        return OK;
    }
    return map_put(seen, digest, (void *)(uintptr_t)entry) ? OK : NO_MEMORY;
}

const char *config_own_limit_problem(struct conf_rate limit)
{
    struct limit_settings made;
    return limit.count != 0 ? limit_make_own(limit, &made) : NULL;
}

static struct error check_entries(struct loader *loader, const struct api_keys_settings *settings,
                                  const struct conf_list *keys, struct map *seen)
{
    struct api_key_entry_settings *entries = keys->items;
    for (size_t i = 0; i < keys->count; i++) {
        const struct conf_node *node = loader_object(loader, &entries[i]);
        const char *problem = api_key_entry_check(settings, &entries[i], loader->arena);
        problem = problem == NULL ? config_own_limit_problem(entries[i].limit) : problem;
        if (problem == NULL) {
            TRY(check_unique(loader, seen, &entries[i], node));
        } else if (entries[i].digest.len > 0 && entries[i].pepper.len > 0 && entries[i].consumer.len > 0) {
            /* what is missing has been told by the reader */
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
        }
    }
    return OK;
}

static struct error check_keys(struct loader *loader, const struct api_keys_settings *settings,
                               const struct conf_list *keys)
{
    struct map seen;
    map_init(&seen);
    struct error error = check_entries(loader, settings, keys, &seen);
    map_done(&seen);
    return error;
}

static bool any_pepper_is_missing(const struct api_keys_settings *settings)
{
    const struct api_pepper_settings *peppers = settings->peppers.items;
    for (size_t i = 0; i < settings->peppers.count; i++) {
        if (peppers[i].secret.len == 0) {
            return true;
        }
    }
    return settings->peppers.count == 0;
}

/* TLS that proves less than it could is for this machine, or for who says so and hears what it means. */
static void warn_of_sslmode(struct loader *loader, const struct postgres_settings *postgres,
                            const struct conf_node *node)
{
    enum postgres_sslmode mode = postgres_sslmode_of(postgres);
    if (mode == POSTGRES_SSL_VERIFY_FULL || postgres_is_local(postgres)) {
        return;
    }
    warn(loader, &postgres->sslmode, node,
         mode == POSTGRES_SSL_DISABLE
             ? "without TLS whoever is on the way to the database reads the digests of keys and makes up keys"
         : mode == POSTGRES_SSL_REQUIRE
             ? "whoever answers in the database's place is believed, and makes up keys: verify-full is better"
             : "any host with a certificate of sslrootcert is taken for the database: verify-full is better");
}

static struct error check_postgres(struct loader *loader, struct postgres_settings *postgres)
{
    const struct conf_node *node = loader_object(loader, postgres);
    const char *problem = postgres_check_settings(postgres);
    if (problem != NULL) {
        tell(loader, postgres->url.len > 0 ? &postgres->url : &postgres->host, node, "%s", problem);
        return OK;
    }
    warn_of_sslmode(loader, postgres, node);
    if (slice_is_empty(postgres->sslrootcert)) {
        return OK;
    }
    size_t before = loader->diagnostics->error_count;
    TRY(load_contents(loader, &postgres->sslrootcert, node, &postgres->root_pem));
    config_files_watch(loader->files, postgres->sslrootcert);
    problem = postgres_check_root(postgres);
    if (problem != NULL && loader->diagnostics->error_count == before) {
        tell(loader, &postgres->sslrootcert, node, "%.*s: %s", SLICE_ARG(postgres->sslrootcert), problem);
    }
    return OK;
}

static struct error check_set(struct loader *loader, struct api_keys_settings *settings)
{
    const struct conf_node *node = loader_object(loader, settings);
    /* A pepper that is missing has been told by the reader. */
    const char *problem = any_pepper_is_missing(settings) ? NULL : api_keys_check_settings(settings);
    if (problem != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
        return OK;
    }
    if (settings->postgres != NULL) {
        TRY(check_postgres(loader, settings->postgres));
    }
    if (!slice_is_empty(settings->file)) {
        TRY(read_keys(loader, &settings->file, node, &settings->keys));
        config_files_watch(loader->files, settings->file);
    }
    return check_keys(loader, settings, &settings->keys);
}

struct error check_api_keys(struct loader *loader)
{
    for (size_t i = 0; i < loader->settings->api_keys_count; i++) {
        TRY(check_set(loader, &loader->settings->api_keys[i]));
    }
    return OK;
}

struct error config_read_api_keys(struct config *config, struct config_files *files,
                                  const struct api_keys_settings *settings, struct slice path,
                                  struct conf_list *ret_keys)
{
    struct diagnostics *diagnostics = &config->places->diagnostics;
    struct loader loader = {
        .config = config,
        .arena = &config->arena,
        .settings = &config->settings,
        .places = config->places,
        .diagnostics = diagnostics,
        .files = files,
        .reader = { .arena = &config->arena,
                    .diagnostics = diagnostics,
                    .places = &config->places->fields,
                    .files = files },
    };
    TRY(read_keys(&loader, &path, config->places->root, ret_keys));
    TRY(check_keys(&loader, settings, ret_keys));
    config->error_count = diagnostics->error_count;
    return diagnostics->out_of_memory ? NO_MEMORY : OK;
}
