/* The table: every row is found, documented, and on the side of reading or of changing that its route stands for. */
#include "admin/internal.h"

#include "unit.h"

static void each_row_is_found_by_its_own_path(void **state)
{
    (void)state;
    for (const struct admin_resource *const *resource = admin_resources; *resource != NULL; resource++) {
        for (const struct admin_operation *row = (*resource)->operations; row->name != NULL; row++) {
            const struct admin_operation *found = NULL;
            struct slice id = SLICE_NONE, allow = SLICE_NONE;
            assert_int_equal(admin_find(row->method, slice_from_string(row->path), &found, &id, &allow),
                             ADMIN_FOUND);
            assert_ptr_equal(found, row);
            assert_int_equal(id.len > 0, strstr(row->path, "{id}") != NULL);
            assert_true(strlen(row->help) > 0 && strlen(row->schema) > 0 && row->status / 100 == 2);
        }
    }
}

/* admin.read takes GET, admin.write takes POST: a change behind GET would need the lesser right. */
static void what_changes_is_a_post(void **state)
{
    (void)state;
    for (const struct admin_resource *const *resource = admin_resources; *resource != NULL; resource++) {
        for (const struct admin_operation *row = (*resource)->operations; row->name != NULL; row++) {
            assert_int_equal(row->method, row->body != NULL ? METHOD_POST : METHOD_GET);
        }
    }
}

static void what_is_not_there_is_told(void **state)
{
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
        enum admin_found found;
        const char *allow;
    } cases[] = {
        { METHOD_GET, "/", ADMIN_NO_PATH, NULL },
        { METHOD_GET, "/v1", ADMIN_NO_PATH, NULL },
        { METHOD_GET, "/v1/keys/", ADMIN_NO_PATH, NULL },
        { METHOD_GET, "/v1/keys/a/b", ADMIN_NO_PATH, NULL },
        { METHOD_POST, "/v1/keys/a/revoke/b", ADMIN_NO_PATH, NULL },
        { METHOD_GET, "/v2/keys", ADMIN_NO_PATH, NULL },
        { METHOD_DELETE, "/v1/keys", ADMIN_NO_METHOD, "GET, HEAD, POST" },
        { METHOD_PUT, "/v1/keys/a", ADMIN_NO_METHOD, "GET, HEAD" },
        { METHOD_GET, "/v1/keys/a/revoke", ADMIN_NO_METHOD, "POST" },
        { METHOD_POST, "/v1/key-sets", ADMIN_NO_METHOD, "GET, HEAD" },
        { METHOD_PUT, "/v1/keys/import", ADMIN_NO_METHOD, "GET, HEAD, POST" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct admin_operation *found = NULL;
        struct slice id, allow = SLICE_NONE;
        assert_int_equal(admin_find(cases[i].method, slice_from_string(cases[i].path), &found, &id, &allow),
                         cases[i].found);
        assert_true(slice_equal(allow, slice_from_string(cases[i].allow)));
    }
}

static void head_is_a_look_and_an_id_may_be_a_word(void **state)
{
    (void)state;
    const struct admin_operation *found = NULL;
    struct slice id, allow;
    assert_int_equal(admin_find(METHOD_HEAD, SLICE("/v1/keys/import"), &found, &id, &allow), ADMIN_FOUND);
    assert_slice(admin_operation_name(found), "keys.show");
    assert_slice(id, "import");
    assert_int_equal(admin_find(METHOD_POST, SLICE("/v1/keys/import"), &found, &id, &allow), ADMIN_FOUND);
    assert_slice(admin_operation_name(found), "keys.import");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_found_by_its_own_path),
        cmocka_unit_test(what_changes_is_a_post),
        cmocka_unit_test(what_is_not_there_is_told),
        cmocka_unit_test(head_is_a_look_and_an_id_may_be_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
