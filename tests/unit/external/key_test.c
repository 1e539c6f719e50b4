/* T21: what is not the same has not the same key. */
#include "asking.h"

#include <stdarg.h>

struct keys {
    struct asking asking;
    unsigned char first[EXTERNAL_KEY_SIZE];
};

static void make(struct asking *asking, unsigned char *out)
{
    assert_int_equal(asking_look(asking), DENY_NONE);
    assert_true(external_key_of(&asking->settings, &asking->request, &asking->found, out));
}

static void by(struct keys *keys, const char *first, ...)
{
    va_list list;
    size_t count = 0;
    asking_init(&keys->asking);
    va_start(list, first);
    for (const char *part = first; part != NULL; part = va_arg(list, const char *)) {
        keys->asking.by[count++] = slice_from_string(part);
    }
    va_end(list);
    keys->asking.cache.by = (struct conf_strings){ keys->asking.by, count };
    keys->asking.settings.cache = &keys->asking.cache;
    assert_ok(authorizer_prepare(&keys->asking.settings, &keys->asking.arena));
    make(&keys->asking, keys->first);
}

static bool same(struct keys *keys)
{
    unsigned char key[EXTERNAL_KEY_SIZE];
    make(&keys->asking, key);
    return memcmp(key, keys->first, sizeof key) == 0;
}

static void test_parts_that_are_named(void **state)
{
    (void)state;
    struct keys keys;
    by(&keys, "credential", "method", "host", "path", "query", "address", NULL);
    struct external_request *request = &keys.asking.request;
    const struct external_request was = *request;
    assert_true(same(&keys));
#define DIFFERS(change)            \
    do {                           \
        change;                    \
        assert_false(same(&keys)); \
        *request = was;            \
    } while (0)
    DIFFERS(request->method = SLICE("GET"));
    DIFFERS(request->host = SLICE("api.example.org"));
    DIFFERS(request->port = 0);
    DIFFERS(request->is_tls = false);
    DIFFERS(request->path = SLICE("/b"));
    DIFFERS(request->query = SLICE(""));
    DIFFERS(request->query = SLICE("x"));
    DIFFERS(request->client.bytes[15] ^= 1);
    DIFFERS((request->path = SLICE("/a?"), request->query = SLICE_NONE));
#undef DIFFERS
    request->request_id = SLICE("id-2");
    request->client.port = 99;
    assert_true(same(&keys));
    arena_done(&keys.asking.arena);
}

static void test_parts_that_are_not(void **state)
{
    (void)state;
    struct keys keys;
    by(&keys, "credential", NULL);
    keys.asking.request.method = SLICE("GET");
    keys.asking.request.path = SLICE("/b");
    keys.asking.request.host = SLICE("other");
    fields_add(&keys.asking.fields, "X-Tenant", "1");
    assert_true(same(&keys));
    arena_done(&keys.asking.arena);
}

static void test_credentials(void **state)
{
    (void)state;
    struct keys keys;
    by(&keys, "credential", NULL);
    struct principal *principal = &keys.asking.principal;
    *principal =
        (struct principal){ .kind = PRINCIPAL_JWT, .issuer_name = SLICE("a"), .subject = SLICE("b") };
    assert_false(same(&keys));
    make(&keys.asking, keys.first);
    principal->issuer_name = SLICE("ab");
    principal->subject = SLICE("");
    assert_false(same(&keys));
    *principal = (struct principal){ .kind = PRINCIPAL_ANONYMOUS };
    make(&keys.asking, keys.first);
    fields_add(&keys.asking.fields, "Cookie", "");
    assert_false(same(&keys));
    make(&keys.asking, keys.first);
    keys.asking.fields.list.count = 0;
    fields_add(&keys.asking.fields, "Authorization", "");
    assert_false(same(&keys));
    /* Sent as nothing, it is nothing: the authorizer does not see it. */
    keys.asking.fields.list.count = 0;
    keys.asking.settings.request_headers.count = 0;
    make(&keys.asking, keys.first);
    fields_add(&keys.asking.fields, "Cookie", "a=1");
    assert_true(same(&keys));
    arena_done(&keys.asking.arena);
}

/* T38: the same subject, and something else that it is told of it. */
static void test_what_is_told_of_the_caller(void **state)
{
    (void)state;
    struct keys keys;
    static const struct slice read[] = { SLICE_INIT("read") }, write[] = { SLICE_INIT("write") };
    by(&keys, "credential", NULL);
    keys.asking.pairs[0] = (struct conf_pair){ SLICE("X-Scopes"), SLICE("scopes") };
    keys.asking.principal =
        (struct principal){ .kind = PRINCIPAL_JWT, .subject = SLICE("b"), .scopes = read, .scope_count = 1 };
    make(&keys.asking, keys.first);
    keys.asking.principal.scopes = write;
    assert_false(same(&keys));
    arena_done(&keys.asking.arena);
}

static void test_headers(void **state)
{
    (void)state;
    struct keys keys;
    by(&keys, "credential", "header:X-Tenant", NULL);
    fields_add(&keys.asking.fields, "x-tenant", "");
    assert_false(same(&keys));
    make(&keys.asking, keys.first);
    fields_add(&keys.asking.fields, "X-Tenant", "");
    assert_false(same(&keys));
    arena_done(&keys.asking.arena);
}

static void test_without_a_cache(void **state)
{
    (void)state;
    struct asking asking;
    unsigned char key[EXTERNAL_KEY_SIZE];
    asking_init(&asking);
    assert_int_equal(asking_look(&asking), DENY_NONE);
    assert_false(external_key_of(&asking.settings, &asking.request, &asking.found, key));
    asking.settings.cache = &asking.cache; /* that names nothing */
    assert_false(external_key_of(&asking.settings, &asking.request, &asking.found, key));
    arena_done(&asking.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_that_are_named),
        cmocka_unit_test(test_parts_that_are_not),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_what_is_told_of_the_caller),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_without_a_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
