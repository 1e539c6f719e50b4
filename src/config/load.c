#include "config/compose.h"
#include "config/internal.h"

#include "base/limits.h"

#include <stdlib.h>
#include <unistd.h>

static const struct conf_object *const layer_objects[] = { &defaults_object, &policy_object, &group_object,
                                                           &route_object, NULL };

static void move_lists(struct loader *loader)
{
    struct input_settings *input = &loader->places->input;
    struct settings *settings = loader->settings;
    *settings = input->settings;
    settings->listeners = input->listeners.items;
    settings->listener_count = input->listeners.count;
    settings->issuers = input->issuers.items;
    settings->issuer_count = input->issuers.count;
    settings->introspection = input->introspection.items;
    settings->introspection_count = input->introspection.count;
    settings->api_keys = input->api_keys.items;
    settings->api_keys_count = input->api_keys.count;
    settings->basic = input->basic.items;
    settings->basic_count = input->basic.count;
    settings->client_certificates = input->client_certificates.items;
    settings->client_certificate_count = input->client_certificates.count;
    settings->authorizers = input->authorizers.items;
    settings->authorizer_count = input->authorizers.count;
    settings->resources = input->resources.items;
    settings->resource_count = input->resources.count;
    settings->upstreams = input->upstreams.items;
    settings->upstream_count = input->upstreams.count;
}

static struct error name_instance(struct loader *loader)
{
    if (loader->settings->instance.len > 0) {
        return OK;
    }
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') {
        memcpy(host, "sallyport", sizeof "sallyport");
    }
    loader->settings->instance = arena_copy(loader->arena, slice_from_string(host));
    return loader->settings->instance.ptr != NULL ? OK : NO_MEMORY;
}

static struct error check_everything(struct loader *loader)
{
    TRY(expand_admin(loader));
    TRY(expand_discovery(loader));
    TRY(conf_read(&loader->reader, &config_object, loader->places->root, &loader->places->input));
    move_lists(loader);
    TRY(name_instance(loader));
    TRY(fill_discovery(loader));
    TRY(load_files(loader));
    TRY(load_routes(loader));
    TRY(check_error_pages(loader));
    TRY(check_listeners(loader));
    TRY(check_services(loader));
    TRY(fill_guards(loader));
    TRY(check_api_keys(loader));
    TRY(check_authorizers(loader));
    TRY(check_admin(loader));
    TRY(check_basic(loader));
    check_failure_budget(loader);
    TRY(check_confinement(loader));
    check_policies(loader);
    TRY(check_routes(loader));
    TRY(check_blocks(loader));
    TRY(check_resources(loader));
    check_segments(loader);
    return check_table(loader);
}

static struct error load(struct config *config, const struct config_options *options,
                         struct config_files *files)
{
    struct config_places *places = arena_calloc(&config->arena, 1, sizeof *places);
    if (places == NULL) {
        return NO_MEMORY;
    }
    config->places = places;
    diagnostics_init(&places->diagnostics, &config->arena);
    places_init(&places->fields, &config->arena);
    struct loader loader = {
        .config = config,
        .arena = &config->arena,
        .settings = &config->settings,
        .places = places,
        .diagnostics = &places->diagnostics,
        .files = files,
        .refuse_expired = options->refuse_expired,
        .reader = { .arena = &config->arena,
                    .diagnostics = &places->diagnostics,
                    .places = &places->fields,
                    .files = files,
                    .layers = layer_objects },
    };
    TRY(compose_load(options, files, &places->diagnostics, &places->root));
    if (places->root != NULL) {
        TRY(check_everything(&loader));
    }
    config->error_count = places->diagnostics.error_count;
    config->warning_count = places->diagnostics.warning_count;
    return places->diagnostics.out_of_memory ? NO_MEMORY : OK;
}

struct error config_load(const struct config_options *options, struct config_files *files,
                         struct config **ret_config)
{
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return NO_MEMORY;
    }
    arena_init(&config->arena, CONFIG_ARENA_MAX);
    struct error error = load(config, options, files);
    if (failed(error)) {
        config_free(config);
        return error;
    }
    *ret_config = config;
    return OK;
}

void config_free(struct config *config)
{
    if (config != NULL) {
        arena_done(&config->arena);
        free(config);
    }
}

void config_print_diagnostics(const struct config *config, struct buffer *out)
{
    diagnostics_print(&config->places->diagnostics, out);
}
