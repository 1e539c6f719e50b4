#include "unit.h"

#include "base/log.h"

#include <unistd.h>

#define ROOM 8192

/* The line that an event with this text becomes, from "level" on. */
static struct slice logged(struct slice text, char out[ROOM])
{
    int ends[2], standard_error = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    log_event(LOG_ERROR, "event", LOG_TEXT("text", text), LOG_NUMBER("number", -7));
    assert_int_equal(dup2(standard_error, STDERR_FILENO), STDERR_FILENO);
    ssize_t size = read(ends[0], out, ROOM); /* one write(2), and less than a pipe holds */
    close(ends[0]);
    close(ends[1]);
    close(standard_error);
    assert_true(size > 0);
    struct slice line = slice_of(out, (size_t)size);
    ssize_t level = slice_find(line, ',');
    assert_true(level > 0);
    return slice_from(line, (size_t)level);
}

#define HEAD ",\"level\":\"error\",\"event\":\"event\",\"text\":\""
#define TAIL "\",\"number\":-7}\n"

static void text_keeps_its_characters(void **state)
{
    (void)state;
    char out[ROOM];
    assert_slice(logged(SLICE("plain"), out), HEAD "plain" TAIL);
    assert_slice(logged(SLICE("\"{ \xe2\x80\xa6 }\" caf\xc3\xa9"), out),
                 HEAD "\\\"{ \xe2\x80\xa6 }\\\" caf\xc3\xa9" TAIL);
}

static void what_acts_is_escaped(void **state)
{
    (void)state;
    char out[ROOM];
    assert_slice(logged(SLICE("a\n{\x1b[2J\xc2\x9b\xe2\x80\xa8\xe2\x80\xae"), out),
                 HEAD "a\\u000a{\\u001b[2J\\u009b\\u2028\\u202e" TAIL);
    assert_slice(logged(SLICE("\xe2\x80 \xff"), out), HEAD "\\ufffd\\ufffd \\ufffd" TAIL);
}

static void a_long_text_is_cut_and_the_line_still_json(void **state)
{
    (void)state;
    static char text[6000];
    char out[ROOM];
    for (size_t size = 3900; size < sizeof text; size++) {
        memset(text, 'a', size);
        struct slice line = logged(slice_of(text, size), out);
        bool whole = slice_ends_with(line, SLICE("a" TAIL));
        assert_true(line.len < 4096);
        assert_true(whole || slice_ends_with(line, SLICE("a\"}\n")) ||
                    slice_ends_with(line, SLICE("\xe2\x80\xa6\"}\n")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_keeps_its_characters),
        cmocka_unit_test(what_acts_is_escaped),
        cmocka_unit_test(a_long_text_is_cut_and_the_line_still_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
