#include "messages.h"
#include "relay/names.h"

static unsigned int classes(const char *name)
{
    struct slice text = slice_from_string(name);
    return name_classes(header_id_of(text), text);
}

static void test_classes(void **state)
{
    (void)state;
    static const char *const dropped[] = {
        "Connection",
        "keep-alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings",
        "Content-Length",
        "Host",
        "Expect",
        "Authorization",
        "Proxy-Authorization",
        "Proxy-Authenticate",
        "DPoP",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
        "X-Forwarded-Prefix",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-User",
        "X-Forwarded-Ssl",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-Host",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "Client-Cert",
        "Client-Cert-Chain",
        "X-SSL-Client-Verify",
        "SSL-Client-Cert",
        "Proxy",
        "X-Request-Id",
        "traceparent",
        "x-forwarded",
        "X-FORWARDED-FOR",
    };
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++) {
        if ((classes(dropped[i]) & NAME_DROPPED_FROM_REQUEST) == 0) {
            fail_msg("%s passes", dropped[i]);
        }
    }
    static const char *const passing[] = {
        "Accept",  "Cookie",          "Content-Type", "Content-Encoding",    "User-Agent",      "Origin",
        "Referer", "Range",           "X-User",       "If-None-Match",       "Cache-Control",   "tracestate",
        "Via",     "Forwarded2",      "X-Forward",    "Authorization-Extra", "Proxy-Something", "X-Real-IP2",
        "Hostx",   "Accept-Language",
    };
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        if ((classes(passing[i]) & NAME_DROPPED_FROM_REQUEST) != 0) {
            fail_msg("%s is dropped", passing[i]);
        }
    }
}

/* T13: what a server that maps names to variables takes for the same. */
static void test_spellings(void **state)
{
    (void)state;
    static const char *const spellings[] = {
        "X_Forwarded_For", "x-forwarded_for",  "X.Forwarded.For",        "X_REAL_IP",
        "Client_Cert",     "x_forwarded_user", "X~HTTP~Method~Override", "Transfer_Encoding",
        "Content_Length",  "X_Original_Host",  "authorization",
    };
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if ((classes(spellings[i]) & NAME_DROPPED_FROM_REQUEST) == 0) {
            fail_msg("%s passes", spellings[i]);
        }
    }
    assert_true(name_same(SLICE("X-User-Id"), SLICE("x_USER.id")));
    assert_true(name_same(SLICE("X-User-Id"), SLICE("X-User-Id")));
    assert_false(name_same(SLICE("X-User-Id"), SLICE("X-User-Ids")));
    assert_false(name_same(SLICE("X-User-Id"), SLICE("XUserId")));
    assert_false(name_same(SLICE("X-User-1"), SLICE("X-User-2")));
    assert_true(name_same(SLICE(""), SLICE("")));
    char longer[200];
    memset(longer, '_', sizeof longer);
    assert_int_equal(name_classes(HEADER_OTHER, slice_of(longer, sizeof longer)), 0);
}

static void test_among(void **state)
{
    (void)state;
    struct slice items[] = { SLICE_INIT("X-User"), SLICE_INIT("X-Tenant") };
    struct conf_strings names = { items, 2 };
    assert_true(name_is_among(SLICE("x_tenant"), &names));
    assert_false(name_is_among(SLICE("X-Tenants"), &names));
    assert_false(name_is_among(SLICE("X-User"), NULL));
}

static void test_connection_names(void **state)
{
    (void)state;
    struct fields fields;
    fields_init(&fields);
    fields_add(&fields, "Connection", "close, X-A ,,x-b");
    fields_add(&fields, "X-A", "X-D");
    fields_add(&fields, "CONNECTION", "X-C");
    struct connection_names names;
    assert_true(connection_names_of(&fields.list, &names));
    assert_int_equal(names.count, 4);
    assert_true(connection_names_hold(&names, SLICE("x-a")));
    assert_true(connection_names_hold(&names, SLICE("X-B")));
    assert_true(connection_names_hold(&names, SLICE("X-C")));
    assert_false(connection_names_hold(&names, SLICE("X-D")));
}

static void test_connection_names_are_limited(void **state)
{
    (void)state;
    struct fields fields;
    fields_init(&fields);
    char value[4 * CONNECTION_NAMES_MAX + 8] = "";
    for (int i = 0; i < CONNECTION_NAMES_MAX; i++) {
        memcpy(value + 2 * (size_t)i, "a,", 3);
    }
    fields_add(&fields, "Connection", value);
    struct connection_names names;
    assert_true(connection_names_of(&fields.list, &names));
    assert_int_equal(names.count, CONNECTION_NAMES_MAX);
    fields_add(&fields, "Connection", "b");
    assert_false(connection_names_of(&fields.list, &names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_among),
        cmocka_unit_test(test_connection_names),
        cmocka_unit_test(test_connection_names_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
