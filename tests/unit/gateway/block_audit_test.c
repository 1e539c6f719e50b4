/* Lines wait for room, and none is lost without being counted. */
#include "gateway/block_audit.h"

#include "unit.h"

static char the_lines[8192];
static size_t the_room;

static bool write_line(void *context, struct slice event, struct slice detail)
{
    (void)context;
    if (the_room == 0) {
        return false;
    }
    the_room--;
    size_t at = strlen(the_lines);
    snprintf(the_lines + at, sizeof the_lines - at, "%.*s %.*s\n", SLICE_ARG(event), SLICE_ARG(detail));
    return true;
}

static int setup(void **state)
{
    (void)state;
    the_lines[0] = '\0';
    the_room = 1000;
    return 0;
}

static const struct block_record the_record = {
    .number = 12,
    .kind = SLICE_INIT("sub"),
    .issuer = SLICE_INIT("https://idp"),
    .value = SLICE_INIT("alice"),
    .reason = SLICE_INIT("leaked"),
    .by = SLICE_INIT("olga"),
    .expires = 1800000000,
};

static void says_who_what_and_why(void **state)
{
    (void)state;
    struct block_audit audit = { 0 };
    struct block_audit_batch batch = { .lines = { .count = 0 } };
    struct block_record removed = the_record;
    removed.removed = 1700000000;
    removed.removed_by = SLICE("piet");
    removed.removal_reason = SLICE("");
    removed.expires = 0;
    assert_true(block_audit_take(&batch, &the_record));
    assert_true(block_audit_take(&batch, &removed));
    block_audit_add_batch(&audit, &batch);
    assert_int_equal(batch.lines.count, 0);
    block_audit_flush(&audit, write_line, NULL);
    assert_string_equal(
        the_lines,
        "block_added 12: sub alice of https://idp, until 2027-01-15T08:00:00.000Z, by olga: leaked\n"
        "block_removed 12: sub alice of https://idp, until ever, by piet\n");
    block_audit_done(&audit);
}

static void waits_for_room(void **state)
{
    (void)state;
    struct block_audit audit = { 0 };
    block_audit_add(&audit, SLICE("a"), SLICE("1"));
    block_audit_add(&audit, SLICE("a"), SLICE("2"));
    the_room = 1;
    block_audit_flush(&audit, write_line, NULL);
    assert_string_equal(the_lines, "a 1\n");
    block_audit_add(&audit, SLICE("a"), SLICE("3"));
    the_room = 1000;
    block_audit_flush(&audit, write_line, NULL);
    assert_string_equal(the_lines, "a 1\na 2\na 3\n");
    block_audit_flush(&audit, write_line, NULL);
    assert_string_equal(the_lines, "a 1\na 2\na 3\n");
    block_audit_done(&audit);
}

static void counts_what_is_too_much(void **state)
{
    (void)state;
    struct block_audit audit = { 0 };
    for (size_t i = 0; i < BLOCK_AUDIT_MAX + 7; i++) {
        block_audit_add(&audit, SLICE("a"), SLICE("x"));
    }
    assert_int_equal(audit.count, BLOCK_AUDIT_MAX);
    the_room = BLOCK_AUDIT_MAX;
    block_audit_flush(&audit, write_line, NULL);
    the_lines[0] = '\0';
    block_audit_flush(&audit, write_line, NULL);
    assert_string_equal(the_lines, "");
    the_room = 1;
    block_audit_flush(&audit, write_line, NULL);
    assert_string_equal(the_lines, "blocks_changed 7 more\n");
    block_audit_done(&audit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(says_who_what_and_why, setup),
        cmocka_unit_test_setup(waits_for_room, setup),
        cmocka_unit_test_setup(counts_what_is_too_much, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
