/* What an OpenAPI description becomes. */
#include "importing.h"

#define OPENAPI(rest)                                                                                     \
    "openapi: 3.1.0\ncomponents:\n"                                                                       \
    "  securitySchemes: { basic: { type: http, scheme: basic }, oauth: { type: oauth2 }, h: { type: "     \
    "apiKey, in: header, "                                                                                \
    "name: X-H }, q: { type: apiKey, in: query, name: k }, q2: { type: apiKey, in: query, name: other } " \
    "}\n" rest

static void test_openapi_security(void **state)
{
    (void)state;
    struct imported imported;
    open_import(&imported, import_openapi,
                OPENAPI("paths:\n"
                        "  /b: { get: { operationId: b, security: [{ basic: [] }] } }\n"
                        "  /both: { get: { operationId: both, security: [{ h: [] }, { q: [] }] } }\n"
                        "  /two: { get: { operationId: two, security: [{ q: [] }, { q2: [] }] } }\n"
                        "  /open: { get: { operationId: open, security: [{ oauth: [a] }, {}] } }\n"));
    assert_slice(at(&imported, "basic/basic/htpasswd")->text, "basic.htpasswd");
    assert_slice(at(&imported, "issuers/oauth/issuer")->text, "");
    assert_int_equal(at(&imported, "issuers/oauth/audiences")->count, 0);
    assert_slice(at(&imported, "routes/both/auth/key_from/header")->text, "X-H");
    assert_slice(at(&imported, "routes/both/auth/key_from/query")->text, "k");
    assert_slice(at(&imported, "routes/two/auth/jwt")->text, IMPORT_ASK_CALLERS);
    assert_slice(at(&imported, "routes/open/auth/jwt")->text, IMPORT_ASK_CALLERS);
    assert_true(is_noted(&imported, "API keys in two places") &&
                is_noted(&imported, "without any credential ({})"));
    close_import(&imported);
}

static void test_openapi_paths(void **state)
{
    (void)state;
    struct imported imported;
    open_import(
        &imported, import_openapi,
        OPENAPI("  pathItems: { x/y: { get: { operationId: referred, security: [] } }, loop: { $ref: "
                "'#/components/pathItems/loop' } }\n"
                "webhooks: { hook: { post: {} } }\n"
                "paths:\n"
                "  /x: { $ref: '#/components/pathItems/x~1y' }\n"
                "  /loop: { $ref: '#/components/pathItems/loop' }\n"
                "  /far: { $ref: 'other.yaml#/x' }\n"
                "  '/a/{id}': { get: { operationId: a, security: [] }, head: { operationId: ah } }\n"
                "  '/a/{name}': { get: { operationId: a2, security: [] }, put: { operationId: a3, security: "
                "[] } }\n"
                "  /own: { servers: [{ url: 'https://h' }], get: { operationId: own, security: [] } }\n"));
    assert_slice(at(&imported, "routes/referred/match/path")->items[0]->text, "/x");
    assert_slice(at(&imported, "routes/referred/auth")->text, "none");
    assert_null(at(&imported, "routes/ah"));
    assert_null(at(&imported, "routes/a2"));
    assert_non_null(at(&imported, "routes/a3"));
    assert_int_equal(at(&imported, "routes")->count, 4);
    static const char *const said[] = { "$ref of /loop", "$ref of /far",
                                        "GET /a/{name}, which takes the same requests",
                                        "HEAD /a/{id}: the route of GET", "servers of /own alone" };
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        assert_true(is_noted(&imported, said[i]));
    }
    assert_true(is_written(&imported, "left out: webhooks"));
    close_import(&imported);
}

static void test_openapi_public_by_its_word_alone(void **state)
{
    (void)state;
    struct imported imported;
    open_import(
        &imported, import_openapi,
        "openapi: 3.0.3\nsecurity: []\npaths:\n  /said: { get: { operationId: said, security: [] } }\n"
        "  /unsaid: { get: { operationId: unsaid } }\n  /empty: { get: { operationId: empty, security: [{}] "
        "} }\n");
    assert_slice(at(&imported, "routes/said/auth")->text, "none");
    assert_slice(at(&imported, "routes/unsaid/auth/jwt")->text, IMPORT_ASK_CALLERS);
    assert_slice(at(&imported, "routes/empty/auth/jwt")->text, IMPORT_ASK_CALLERS);
    close_import(&imported);
}

static void test_openapi_tells_of_other_servers(void **state)
{
    (void)state;
    struct imported imported;
    open_import(
        &imported, import_openapi,
        "openapi: 3.1.0\nservers: [{ url: 'https://{region}.example.com:{port}/v1', variables: { region: { "
        "default: eu, enum: [eu, us] }, port: { default: '443', enum: ['443'] } } }]\n"
        "paths: { /x: { get: { operationId: x, security: [] } } }\n");
    assert_slice(at(&imported, "routes/x/match/host")->items[0]->text, "eu.example.com");
    assert_true(is_noted(&imported, "the other values of {region} in a server's url: \"eu\" is written"));
    assert_false(is_noted(&imported, "{port}"));
    close_import(&imported);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openapi_security),
        cmocka_unit_test(test_openapi_paths),
        cmocka_unit_test(test_openapi_public_by_its_word_alone),
        cmocka_unit_test(test_openapi_tells_of_other_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
