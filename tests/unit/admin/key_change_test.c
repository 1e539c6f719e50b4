/* What may be asked for, about a key. What the store does is told by its own tests, the whole by tests/e2e/admin and api_keys. */
#include "admin/key_change.h"

#include "unit.h"

#define NOW 1000000

static struct api_pepper_settings pepper = { .name = SLICE_INIT("p1"),
                                             .secret = SLICE_INIT("0123456789abcdef0123456789abcdef") };
static const struct api_keys_settings set = { .name = SLICE_INIT("s"),
                                              .prefix = SLICE_INIT("test"),
                                              .peppers = { &pepper, 1 } };

static struct key_wish wish_of(const char *consumer)
{
    return (struct key_wish){ .consumer = slice_from_string(consumer) };
}

static void assert_wrong(const struct key_wish *wish, const char *member, const char *what)
{
    struct key_made made = { .key_len = 0 };
    struct key_fault fault = key_create(NULL, &set, wish, NOW, &made);
    assert_int_equal(fault.kind, KEY_FAULT_WISH);
    assert_true(member == NULL ? fault.member == NULL : strcmp(fault.member, member) == 0);
    assert_non_null(strstr(fault.what, what));
    assert_int_equal(made.key_len, 0);
}

static void a_key_is_made(void **state)
{
    (void)state;
    const struct slice scopes[] = { SLICE("read"), SLICE("write") };
    struct key_wish wish = wish_of("acme");
    struct key_made made = { .key_len = 0 };
    wish.scopes = scopes;
    wish.scope_count = 2;
    wish.has_expires = true;
    wish.expires = NOW + 10;
    assert_int_equal(key_create(NULL, &set, &wish, NOW, &made).kind, KEY_FAULT_NONE);
    assert_true(api_key_is_formed(slice_of(made.key, made.key_len), SLICE("test")));
    assert_slice(made.record.scopes, "read write");
    assert_slice(made.record.tags, "");
    assert_int_equal(made.record.expires, NOW + 10);
    assert_int_equal(made.record.created, NOW);
    assert_int_equal(made.record.id.len, KEY_ID_SIZE);
    assert_slice(made.record.pepper_id, "p1");
    wish.id = SLICE("chosen_1-X");
    assert_int_equal(key_create(NULL, &set, &wish, NOW, &made).kind, KEY_FAULT_NONE);
    assert_slice(made.record.id, "chosen_1-X");
    key_made_wipe(&made);
    assert_int_equal(made.key_len, 0);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const struct slice bad[] = { SLICE_INIT("a,b") };
    char line[KEY_RECORD_TEXT + 2], id[KEY_CHANGE_ID_MAX + 2];
    memset(line, 'x', sizeof line);
    memset(id, 'x', sizeof id);
    struct key_wish wish = { .consumer = SLICE_NONE };
    assert_wrong(&wish, "consumer", "is missing");
    wish = wish_of("a b");
    assert_wrong(&wish, "consumer", "is a name");
    wish = wish_of("a");
    wish.scopes = wish.tags = bad;
    wish.scope_count = 1;
    assert_wrong(&wish, NULL, "scopes and tags are names");
    wish.scope_count = 0;
    wish.tag_count = 1;
    assert_wrong(&wish, NULL, "scopes and tags are names");
    wish = wish_of("a");
    wish.description = slice_of(line, KEY_RECORD_TEXT + 1);
    assert_wrong(&wish, "description", "is one line");
    wish.description = SLICE("a\nb");
    assert_wrong(&wish, "description", "is one line");
    wish = wish_of("a");
    wish.has_expires = true;
    wish.expires = NOW;
    assert_wrong(&wish, "expires", "is not in the future");
    wish = wish_of("a");
    wish.id = slice_of(id, KEY_CHANGE_ID_MAX + 1);
    assert_wrong(&wish, "id", "is of 1 to 64");
    wish.id = SLICE("a/b");
    assert_wrong(&wish, "id", "is of 1 to 64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_made),
        cmocka_unit_test(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
