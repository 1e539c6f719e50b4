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
                   "  API keys partners, key k: its limit is 5/1s, was 10/1s\n"
                   "\n"
                   "Other changes\n"
                   "  API keys partners, key k: tags is [vip], was not set\n");
    assert_differs(ONE_KEY("expires: 2030-01-31"), ONE_KEY("expires: 2030-01-31T00:00:00Z"),
                   "The same access.\n");
    assert_differs(ONE_KEY("revoked: true"), ONE_KEY("revoked: false"),
                   "Gains access\n  API keys partners, key k: is accepted now, as jane\n");
    assert_differs(ONE_KEY("revoked: false"), ONE_KEY("revoked: true"),
                   "Loses access\n  API keys partners, key k: is not accepted any more, as jane\n");
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

#define DIGEST                 "1af93b1e4ad2a3a5b9ac5a3dc5aa8c8fd5ae2ea9e9d8c5f0c3a7d5d1f8b5c1a0"
#define OTHER                  "2af93b1e4ad2a3a5b9ac5a3dc5aa8c8fd5ae2ea9e9d8c5f0c3a7d5d1f8b5c1a0"
#define HELD_KEY(digest, more) "k: { digest: " digest ", pepper: p, consumer: alice" more " }"
#define HELD(keys)                                                                                           \
    BASE "api_keys: { partners: { peppers: { p: { secret: \"${file:pepper}\" } }, keys: { " keys " } } }\n"  \
         "routes: { r: { match: { host: h.example, path: /r }, upstream: svc, auth: { api_key: partners }, " \
         "authorize: any_caller, " LIMITS " } }\n"
#define OF_KEY "  API keys partners, key k: "

static void tells_who_gets_and_who_loses_api_keys(void **state)
{
    (void)state;
    static const char held[] = HELD(HELD_KEY(DIGEST, ", scopes: [read], limit: 10/1s, expires: 2090-01-01"));
    assert_differs(held, held, "The same access.\n");
    assert_differs(HELD(HELD_KEY(DIGEST, "")),
                   HELD(HELD_KEY(DIGEST, "") ", "
                                             "l: { digest: " OTHER ", pepper: p, consumer: bob }"),
                   "Gains access\n  API keys partners, key l: is accepted now, as bob\n");
    assert_differs(HELD(HELD_KEY(DIGEST, "")), HELD(HELD_KEY(DIGEST, ", revoked: true")),
                   "Loses access\n" OF_KEY "is not accepted any more, as alice\n");
    assert_differs(HELD(HELD_KEY(DIGEST, ", revoked: true")), HELD(HELD_KEY(OTHER, "")),
                   "Gains access\n" OF_KEY "is accepted now, as alice\n");
    assert_differs(held, HELD(HELD_KEY(DIGEST, ", scopes: [write], limit: 20/1s")),
                   "Gains access\n" OF_KEY "the scope write is its own now\n" OF_KEY
                   "expires never, was 2090-01-01\n" OF_KEY "its limit is 20/1s, was 10/1s\n"
                   "\n"
                   "Loses access\n" OF_KEY "the scope read is not its own any more\n");
    assert_differs(held,
                   HELD("k: { digest: " OTHER ", pepper: p, consumer: bob, scopes: [read], limit: 10/1s, "
                        "expires: 2080-01-01 }"),
                   "Gains access\n" OF_KEY "who has it is bob now\n"
                   "\n"
                   "Loses access\n" OF_KEY "who has it is not alice any more\n" OF_KEY
                   "expires 2080-01-01, was 2090-01-01\n"
                   "\n"
                   "Other changes\n" OF_KEY "is another key now\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(api_keys_of_the_configuration),
        cmocka_unit_test(stores_of_api_keys),
        cmocka_unit_test(tells_who_gets_and_who_loses_api_keys),
        cmocka_unit_test(another_pepper_of_the_same_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
