#include "differing.h"

#define KEYED(keys) \
    BASE "api_keys: { partners: { peppers: { p: \"${file:pepper}\" }, keys: { " keys " } } }\n"
#define KEY(digit, rest) \
    "{ digest: " digit "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef, " rest " }"
#define ONE_KEY(rest) KEYED("k: " KEY("0", "pepper: p, consumer: jane, " rest))

static void api_keys_of_the_configuration(void **state)
{
    (void)state;
    assert_differs(
        KEYED("a: " KEY("0", "pepper: p, consumer: jane") ", b: " KEY("1", "pepper: p, consumer: joe")),
        KEYED("b: " KEY("1", "pepper: p, consumer: joe") ", c: " KEY(
            "2", "pepper: p, consumer: jim") ", d: " KEY("3", "pepper: p, consumer: jim, revoked: true")),
        "Gains access\n"
        "  API keys partners, key c: is accepted now, as jim\n"
        "\n"
        "Loses access\n"
        "  API keys partners, key a: is not accepted any more, as jane\n");
    assert_differs(ONE_KEY("scopes: [read], expires: 2030-01-31, limit: 10/1s"),
                   ONE_KEY("scopes: [write], expires: 2031-01-31, limit: 5/1s, tags: [vip]"),
                   "Gains access\n"
                   "  API keys partners, key k: the scope write is its own now\n"
                   "  API keys partners, key k: expires 2031-01-31, was 2030-01-31\n"
                   "\n"
                   "Loses access\n"
                   "  API keys partners, key k: the scope read is not its own any more\n"
                   "  API keys partners, key k: its consumer may make 5/1s requests, was 10/1s\n"
                   "\n"
                   "Other changes\n"
                   "  API keys partners, key k: tags is [vip], was not set\n");
    assert_differs(ONE_KEY("expires: 2030-01-31"), ONE_KEY("expires: 2030-01-31T00:00:00Z"),
                   "The same access.\n");
    assert_differs(ONE_KEY("revoked: true"), ONE_KEY("revoked: false"),
                   "Gains access\n  API keys partners, key k: is accepted now\n");
    assert_differs(ONE_KEY("revoked: false"), ONE_KEY("revoked: true"),
                   "Loses access\n  API keys partners, key k: is not accepted any more\n");
    assert_differs(ONE_KEY("description: x"),
                   KEYED("k: " KEY("f", "pepper: p, consumer: jane, description: x")),
                   "Other changes\n  API keys partners, key k: is another key now\n");
}

#define STORED(rest) BASE "api_keys: { partners: { " rest " } }\n"
#define PEPPERS      "peppers: { p: \"${file:pepper}\" }"

static void stores_of_api_keys(void **state)
{
    (void)state;
    assert_differs(
        STORED("store: /one, " PEPPERS),
        STORED("postgres: { host: /run/postgresql, database: keys, user: gateway }, prefix: other, stale: "
               "5m, " PEPPERS),
        "Gains access\n"
        "  API keys partners: keys that begin with other_ are accepted now\n"
        "  API keys partners: keys that the database keys of /run/postgresql, port 5432, schema sallyport "
        "holds "
        "are accepted now\n"
        "\n"
        "Loses access\n"
        "  API keys partners: keys that begin with sallyport_ are not accepted any more\n"
        "  API keys partners: keys that /one holds are not accepted any more\n"
        "  API keys partners: the time that keys are accepted without their store is 5m, was 1h\n");
    assert_differs(STORED("store: /one, " PEPPERS),
                   STORED("store: /one, pepper: q, peppers: { q: \"${file:pepper}\" }"),
                   "Gains access\n"
                   "  API keys partners: keys that were made with the pepper q are accepted now\n"
                   "\n"
                   "Loses access\n"
                   "  API keys partners: keys that were made with the pepper p are not accepted any more\n"
                   "\n"
                   "Other changes\n"
                   "  API keys partners: pepper is q, was not set\n");
    assert_differs(STORED("store: /one, " PEPPERS), STORED("store: /one, header: X-Key, " PEPPERS),
                   "Other changes\n  API keys partners: header is X-Key, was X-API-Key\n");
}

static struct config *load_with_pepper(struct loading *loading, const char *secret)
{
    loading_init(loading);
    loading_file(loading, "c.yaml",
                 SLICE(BASE "api_keys: { partners: { store: /one, peppers: { p: \"${env:PEPPER}\" } } }\n"));
    assert_ok(config_files_preset_environment(loading->files, SLICE("PEPPER"), slice_from_string(secret)));
    return loading_load(loading, NULL, 0);
}

/* It is told of, and not told. */
static void another_pepper_of_the_same_name(void **state)
{
    (void)state;
    struct loading old, new;
    struct buffer out;
    buffer_init(&out, 65536);
    assert_true(config_print_difference(load_with_pepper(&old, "hunter2-hunter2-hunter2-hunter2-1"),
                                        load_with_pepper(&new, "hunter2-hunter2-hunter2-hunter2-2"), &out));
    assert_slice(buffer_slice(&out), "Loses access\n  API keys partners: keys that were made with the pepper "
                                     "p are not accepted any more: its secret is another one\n");
    buffer_done(&out);
    loading_done(&old);
    loading_done(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(api_keys_of_the_configuration),
        cmocka_unit_test(stores_of_api_keys),
        cmocka_unit_test(another_pepper_of_the_same_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
