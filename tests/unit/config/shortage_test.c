/* Memory that runs out while a configuration is read: it is refused, never taken up in part. */
#include "unit.h"

#include "config/config.h"
#include "config/snapshot.h"
#include "shortage.h"

static const char text[] =
    "instance: one\n"
    "logs: { access: { file: a.log }, audit: { file: b.log } }\n"
    "listeners:\n"
    "  plain: { address: 127.0.0.1, port: 80, exposure: internal, plaintext: allow, trusted_proxies: "
    "[10.0.0.0/8],\n"
    "    forwarded: x_forwarded, limits: [{ limit: 5/1s, by: address }], timeouts: { head: 1s } }\n"
    "issuers: { m: { issuer: 'https://i', audiences: [a], algorithms: [HS256], secret: '${env:KEY}' } }\n"
    "upstreams: { u: { endpoints: ['http://10.0.0.1:80', 'http://name.example:80'], balance: least_requests "
    "} }\n"
    "defaults: { listeners: [plain], timeout: 4s }\n"
    "policies: { p: { limits: [{ rate: 2/1s, burst: 2, by: 'header:X-Client' }], audit: all } }\n"
    "groups:\n"
    "  g:\n"
    "    match: { host: a.example, path: /g }\n"
    "    use: [p]\n"
    "    upstream: u\n"
    "    auth: { jwt: m }\n"
    "    authorize: { scopes: { any: [x, y] }, claims: [{ claim: t, path_variable: v }, { claim: n, "
    "at_least: 1.5 }], "
    "deny: [{ header: X-R, one_of: [a, b] }] }\n"
    "    routes: { r: { match: { methods: [GET], path: '/{v}/**' }, relay: { headers: { X-User: claims.sub } "
    "} } }\n"
    "routes:\n"
    "  open: { match: { host: [a.example, b.example], path: /o/** }, upstream: u, auth: none, body: 1KiB,\n"
    "    cors: { origins: ['https://x.example'], methods: [GET] }, path_allows: [encoded_slash] }\n";

/* True: it was taken up, whole. */
static bool take_up(void)
{
    struct config_files *files = NULL;
    struct config *config = NULL;
    struct snapshot *snapshot = NULL;
    const struct config_options options = { .path = SLICE("c.yaml") };
    if (failed(config_files_new_memory(&files))) {
        return false;
    }
    bool good = !failed(config_files_preset(files, SLICE("c.yaml"), slice_from_string(text))) &&
                !failed(config_files_preset_environment(files, SLICE("KEY"),
                                                        SLICE("0123456789abcdef0123456789abcdef"))) &&
                !failed(config_load(&options, files, &config));
    config_files_free(files);
    if (!good) {
        return false;
    }
    if (config->error_count > 0 || failed(snapshot_new(config, &snapshot))) {
        config_free(config);
        return false;
    }
    bool whole = config->settings.route_count == 2 && config->settings.listener_count == 1 &&
                 config->settings.issuer_count == 1 && snapshot->identity_headers.count == 1;
    snapshot_unref(snapshot);
    assert_true(whole);
    return true;
}

static void a_configuration_is_taken_up_whole_or_not(void **state)
{
    (void)state;
    bool met = true;
    for (long after = 0; met; after++) {
        shortage_begin(after);
        bool taken = take_up();
        met = shortage_end();
        assert_true(met || taken);
        assert_true(after < 5000);
    }
    assert_true(take_up());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configuration_is_taken_up_whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
