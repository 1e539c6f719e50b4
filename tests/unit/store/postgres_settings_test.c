/* What may be said about a database, and what is meant where nothing is said. */
#include "store/postgres_settings.h"

#include "store/postgres_place.h"
#include "unit.h"

static struct postgres_settings usual(void)
{
    return (struct postgres_settings){
        .host = SLICE("db.internal"),
        .database = SLICE("keys"),
        .user = SLICE("reader"),
        .schema = SLICE("sallyport"),
        .sslrootcert = SLICE("/ca.crt"),
        .connect_timeout = 2000000000,
        .statement_timeout = 2000000000,
    };
}

static void refuses(struct postgres_settings settings, const char *part)
{
    const char *problem = postgres_check_settings(&settings);
    if (problem == NULL || strstr(problem, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", problem != NULL ? problem : "", part);
    }
}

static struct postgres_settings with_url(const char *url)
{
    struct postgres_settings settings = usual();
    settings.host = settings.database = settings.user = SLICE_NONE;
    settings.url = slice_from_string(url);
    return settings;
}

static void assert_part(struct slice actual, const char *expected)
{
    if (!slice_equal(actual, slice_from_string(expected))) {
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(actual), expected);
    }
}

static void urls_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *database, *user;
        int64_t port;
    } good[] = {
        { "postgresql://u@db.internal:6000/keys", "db.internal", "keys", "u", 6000 },
        { "postgres://u@db/keys", "db", "keys", "u", 5432 },
        { "postgresql://u@[::1]:6000/keys", "::1", "keys", "u", 6000 },
        { "postgresql://u@[2001:db8::1]/keys", "2001:db8::1", "keys", "u", 5432 },
        { "postgresql://u@10.0.0.1/keys", "10.0.0.1", "keys", "u", 5432 },
        { "postgresql://a@b@db/keys", "db", "keys", "a@b", 5432 },
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct postgres_settings settings = with_url(good[i].url);
        const char *problem = postgres_check_settings(&settings);
        assert_null(problem);
        assert_part(settings.host, good[i].host);
        assert_part(settings.database, good[i].database);
        assert_part(settings.user, good[i].user);
        assert_int_equal(settings.port, good[i].port);
    }
    refuses(with_url("postgresql://u:secret@db/keys"), "a password does not stand in a URL");
    refuses(with_url("postgresql://u@db/keys?sslmode=disable"), "no parameters");
    refuses(with_url("postgresql://u@db/keys#x"), "no parameters");
    refuses(with_url("postgresql://%2Frun/keys"), "no \"%\"");
    refuses(with_url("http://u@db/keys"), "is written postgresql://");
    refuses(with_url("postgresql://u@db:0/keys"), "from 1 to 65535");
    refuses(with_url("postgresql://u@db:65536/keys"), "from 1 to 65535");
    refuses(with_url("postgresql://u@db:x/keys"), "from 1 to 65535");
    refuses(with_url("postgresql://u@[::1]6000/keys"), "text behind the address");
    refuses(with_url("postgresql://u@[::1/keys"), "no closing bracket");
    refuses(with_url("postgresql://db/keys"), "named by host, database and user");
    refuses(with_url("postgresql://u@db"), "named by host, database and user");
    refuses(with_url("postgresql://u@/keys"), "named by host, database and user");
    refuses(with_url("postgresql://u@a,b/keys"), "host is one name");
    refuses(with_url("postgresql://"), "named by host, database and user");
}

static void names_are_checked(void **state)
{
    (void)state;
    struct postgres_settings settings = usual();
    assert_null(postgres_check_settings(&settings));
    settings.password = slice_of("a\0b", 3);
    refuses(settings, "zero byte");
    settings = usual();
    static const char *const schemas[] = {
        "", "Upper", "1a", "pg_x", "a-b", "a\"b", "a b", "a12345678901234567890123456789012345678901"
    };
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        settings.schema = slice_from_string(schemas[i]);
        refuses(settings, "schema is");
    }
    settings = usual();
    settings.database = SLICE("a\nb");
    refuses(settings, "database and user are names");
}

static void tls_is_verified_but_here(void **state)
{
    (void)state;
    static const struct {
        const char *host, *root;
        int said;
        enum postgres_sslmode meant;
        const char *problem;
    } cases[] = {
        { "db", "/ca.crt", POSTGRES_SSL_UNSAID, POSTGRES_SSL_VERIFY_FULL, NULL },
        { "db", "", POSTGRES_SSL_UNSAID, POSTGRES_SSL_VERIFY_FULL, "sslrootcert is missing" },
        { "db", "", POSTGRES_SSL_REQUIRE, POSTGRES_SSL_REQUIRE, NULL },
        { "db", "/ca.crt", POSTGRES_SSL_REQUIRE, POSTGRES_SSL_REQUIRE, "not looked at" },
        { "db", "", POSTGRES_SSL_VERIFY_CA, POSTGRES_SSL_VERIFY_CA, "sslrootcert is missing" },
        { "db", "", POSTGRES_SSL_DISABLE, POSTGRES_SSL_DISABLE, NULL },
        { "localhost", "", POSTGRES_SSL_UNSAID, POSTGRES_SSL_DISABLE, NULL },
        { "127.0.0.1", "", POSTGRES_SSL_UNSAID, POSTGRES_SSL_DISABLE, NULL },
        { "127.9.9.9", "", POSTGRES_SSL_UNSAID, POSTGRES_SSL_DISABLE, NULL },
        { "::1", "", POSTGRES_SSL_UNSAID, POSTGRES_SSL_DISABLE, NULL },
        { "127.0.0.1", "/ca.crt", POSTGRES_SSL_UNSAID, POSTGRES_SSL_VERIFY_FULL, NULL },
        { "127.0.0.1.evil.example", "", POSTGRES_SSL_UNSAID, POSTGRES_SSL_VERIFY_FULL,
          "sslrootcert is missing" },
        { "128.0.0.1", "", POSTGRES_SSL_UNSAID, POSTGRES_SSL_VERIFY_FULL, "sslrootcert is missing" },
        { "/run/postgresql", "", POSTGRES_SSL_UNSAID, POSTGRES_SSL_DISABLE, NULL },
        { "/run/postgresql", "/ca.crt", POSTGRES_SSL_UNSAID, POSTGRES_SSL_DISABLE,
          "no TLS on a Unix socket" },
        { "/run/postgresql", "", POSTGRES_SSL_VERIFY_FULL, POSTGRES_SSL_VERIFY_FULL,
          "no TLS on a Unix socket" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct postgres_settings settings = usual();
        settings.host = slice_from_string(cases[i].host);
        settings.sslrootcert = slice_from_string(cases[i].root);
        settings.sslmode = cases[i].said;
        assert_int_equal(postgres_sslmode_of(&settings), cases[i].meant);
        if (cases[i].problem != NULL) {
            refuses(settings, cases[i].problem);
        } else {
            assert_null(postgres_check_settings(&settings));
        }
    }
}

static void a_root_is_a_certificate(void **state)
{
    (void)state;
    struct postgres_settings settings = usual();
    settings.root_pem = SLICE("garbage");
    assert_non_null(postgres_check_root(&settings));
    settings.root_pem = SLICE("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_non_null(postgres_check_root(&settings));
}

static void a_place_is_a_copy_without_secrets_in_its_name(void **state)
{
    (void)state;
    struct postgres_settings settings = usual();
    struct postgres_place *one, *same, *other;
    settings.password = SLICE("secret");
    assert_null(postgres_check_settings(&settings));
    assert_ok(postgres_place_new(&settings, &one));
    assert_ok(postgres_place_new(&settings, &same));
    settings.password = SLICE("Secret");
    assert_ok(postgres_place_new(&settings, &other));
    assert_string_equal(one->label, "postgresql://db.internal:5432/keys#sallyport");
    assert_string_equal(one->password, "secret");
    assert_string_equal(one->sslmode, "verify-full");
    assert_string_equal(one->root_pem, "");
    assert_true(postgres_place_equal(one, same));
    assert_false(postgres_place_equal(one, other));
    assert_string_equal(one->label, other->label);
    postgres_place_free(other);
    settings.password = SLICE("secret");
    settings.statement_timeout += 1000000;
    assert_ok(postgres_place_new(&settings, &other));
    assert_false(postgres_place_equal(one, other));
    postgres_place_free(other);
    settings.host = SLICE("::1");
    assert_ok(postgres_place_new(&settings, &other));
    assert_string_equal(other->label, "postgresql://[::1]:5432/keys#sallyport");
    postgres_place_free(one);
    postgres_place_free(same);
    postgres_place_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(tls_is_verified_but_here),
        cmocka_unit_test(a_root_is_a_certificate),
        cmocka_unit_test(a_place_is_a_copy_without_secrets_in_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
