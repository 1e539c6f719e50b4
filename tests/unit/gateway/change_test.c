#include "unit.h"

#include "gateway/control.h"
#include "shortage.h"

#include <fcntl.h>
#include <unistd.h>

/* A message with the two ends of a pipe, and one place that its sender left empty. */
struct fixture {
    int fds[3];
    struct channel_message message;
    struct control control;
};

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static struct change *receive(struct fixture *fixture)
{
    *fixture = (struct fixture){ .fds = { -1, -1, -1 } };
    assert_int_equal(pipe2(fixture->fds, O_CLOEXEC), 0);
    fixture->message = (struct channel_message){
        .kind = CHANNEL_CONFIGURE, .text = SLICE("{}"), .fds = fixture->fds, .fd_count = 3
    };
    struct change *change = calloc(1, sizeof *change);
    assert_non_null(change);
    arena_init(&change->arena, 4096);
    fixture->control.change = change;
    return change;
}

/* This message has too few of them to be taken up. */
static void descriptors_are_the_changes_until_it_goes(void **state)
{
    (void)state;
    struct fixture fixture;
    struct json *json = NULL;
    struct change *change = receive(&fixture);
    assert_fails(control_read_change(change, &fixture.message, &json), ERROR_PEER);
    assert_true(is_open(fixture.fds[0]) && is_open(fixture.fds[1]));
    control_free_change(&fixture.control, change);
    assert_false(is_open(fixture.fds[0]) || is_open(fixture.fds[1]));
    assert_null(fixture.control.change);
}

static void without_memory_for_them_they_are_closed(void **state)
{
    (void)state;
    struct fixture fixture;
    struct json *json = NULL;
    struct change *change = receive(&fixture);
    shortage_begin(0);
    struct error error = control_read_change(change, &fixture.message, &json);
    assert_true(shortage_end());
    assert_fails(error, ERROR_MEMORY);
    assert_false(is_open(fixture.fds[0]) || is_open(fixture.fds[1]));
    control_free_change(&fixture.control, change);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_are_the_changes_until_it_goes),
        cmocka_unit_test(without_memory_for_them_they_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
