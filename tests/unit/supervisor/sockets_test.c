#include "unit.h"

#include "supervisor/sockets.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKERS 3

static char text[512];

static struct listener_settings listener(const char *name, const char *address, int port)
{
    struct listener_settings settings = { .name = slice_from_string(name), .port = port };
    assert_true(address_parse(slice_from_string(address), &settings.parsed_address));
    return settings;
}

static struct error open_listeners(struct sockets *sockets, struct listener_settings *listeners, size_t count)
{
    struct settings settings = { .listeners = listeners, .listener_count = count };
    sockets->workers = WORKERS;
    text[0] = '\0';
    return sockets_open(sockets, &settings, text, sizeof text);
}

static struct listening *named(const struct sockets *sockets, const char *name)
{
    struct listening *found = sockets->first;
    while (found != NULL && strcmp(found->name, name) != 0) {
        found = found->next;
    }
    return found;
}

static int connect_to(const struct address *address)
{
    struct sockaddr_storage storage;
    socklen_t size = address_to_sockaddr(address, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&storage, size) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Which of the sockets has a connection waiting; accepts it. */
static int accept_one(const struct listening *listening)
{
    struct pollfd sources[WORKERS];
    for (size_t i = 0; i < WORKERS; i++) {
        sources[i] = (struct pollfd){ .fd = listening->fds[i], .events = POLLIN };
    }
    assert_true(poll(sources, WORKERS, 5000) > 0);
    for (size_t i = 0; i < WORKERS; i++) {
        if (sources[i].revents != 0) {
            return accept(sources[i].fd, NULL, NULL);
        }
    }
    return -1;
}

static void any_free_port(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    struct listener_settings listeners[] = { listener("a", "127.0.0.1", 0), listener("b", "::1", 0),
                                             listener("c", "127.0.0.1", 0) };
    assert_ok(open_listeners(&sockets, listeners, 3));
    const struct listening *a = named(&sockets, "a"), *c = named(&sockets, "c");
    assert_int_equal(a->count, WORKERS);
    assert_true(a->address.port != 0 && a->address.port != c->address.port);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(fcntl(a->fds[i], F_GETFD), FD_CLOEXEC);
        assert_true(fcntl(a->fds[i], F_GETFL) & O_NONBLOCK);
    }
    int client = connect_to(&named(&sockets, "b")->address);
    assert_true(client >= 0);
    int served = accept_one(named(&sockets, "b"));
    assert_true(served >= 0);
    close(served);
    close(client);
    assert_string_equal(sockets.first->name, "a"); /* in the configuration's order */
    sockets_done(&sockets, false);
}

static void a_second_instance_is_refused(void **state)
{
    (void)state;
    struct sockets first = { .first = NULL }, second = { .first = NULL };
    struct listener_settings listeners[] = { listener("public", "127.0.0.1", 0) };
    assert_ok(open_listeners(&first, listeners, 1));
    int port = first.first->address.port;
    struct listener_settings others[] = { listener("free", "127.0.0.1", 0),
                                          listener("public", "127.0.0.1", port) };
    assert_fails(open_listeners(&second, others, 2), ERROR_SYSTEM);
    char expected[128];
    snprintf(expected, sizeof expected, "listener public: 127.0.0.1:%d is in use by another process", port);
    assert_string_equal(text, expected);
    assert_null(second.first); /* nothing is left half open */
    others[1] = listener("public", "0.0.0.0", port);
    assert_fails(open_listeners(&second, others, 2), ERROR_SYSTEM);
    sockets_done(&first, false);
    /* When the first is gone, the port is free. */
    others[1] = listener("public", "127.0.0.1", port);
    assert_ok(open_listeners(&second, others, 2));
    sockets_done(&second, false);
}

static void other_reasons_are_told(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    struct listener_settings foreign[] = { listener("far", "203.0.113.7", 0) };
    assert_fails(open_listeners(&sockets, foreign, 1), ERROR_SYSTEM);
    assert_string_equal(text, "listener far: 203.0.113.7:0 cannot be used: this machine has no such address");
    struct listener_settings six[] = { listener("far", "2001:db8::7", 0) };
    assert_fails(open_listeners(&sockets, six, 1), ERROR_SYSTEM);
    assert_true(strstr(text, "listener far: [2001:db8::7]:0 cannot be used: ") == text);
    assert_ok(open_listeners(&sockets, (struct listener_settings[]){ listener("a", "127.0.0.1", 0) }, 1));
    int port = sockets.first->address.port;
    sockets_done(&sockets, false);
    struct listener_settings twice[] = { listener("a", "127.0.0.1", port), listener("b", "127.0.0.1", port) };
    assert_fails(open_listeners(&sockets, twice, 2), ERROR_SYSTEM);
    assert_true(strstr(text, "another listener has the same address and port") != NULL);
    assert_null(sockets.first);
    sockets_done(&sockets, false);
}

/* What stays configured is never closed: who waits in its queue is served after the reload. */
static void a_listener_that_stays_keeps_its_queue(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    struct listener_settings before[] = { listener("stays", "127.0.0.1", 0),
                                          listener("goes", "127.0.0.1", 0) };
    assert_ok(open_listeners(&sockets, before, 2));
    sockets_settle(&sockets, true);
    struct address stays = named(&sockets, "stays")->address, goes = named(&sockets, "goes")->address;
    int waiting = connect_to(&stays);
    struct listener_settings after[] = { listener("comes", "127.0.0.1", 0),
                                         listener("stays", "127.0.0.1", 0) };
    assert_ok(open_listeners(&sockets, after, 2));
    assert_true(named(&sockets, "comes")->fresh);
    assert_false(named(&sockets, "stays")->fresh);
    assert_false(named(&sockets, "goes")->is_wanted);
    int client = connect_to(&goes); /* until it is taken up, the old ones serve */
    assert_true(client >= 0);
    close(client);
    sockets_settle(&sockets, true);
    assert_null(named(&sockets, "goes"));
    assert_int_equal(connect_to(&goes), -1);
    int served = accept_one(named(&sockets, "stays"));
    assert_true(served >= 0);
    assert_int_equal(write(served, "x", 1), 1);
    char byte;
    assert_int_equal(read(waiting, &byte, 1), 1);
    close(served);
    close(waiting);
    sockets_done(&sockets, false);
}

static void a_refused_reload_changes_nothing(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    assert_ok(open_listeners(&sockets, (struct listener_settings[]){ listener("a", "127.0.0.1", 0) }, 1));
    sockets_settle(&sockets, true);
    struct address kept = sockets.first->address;
    assert_ok(open_listeners(&sockets, (struct listener_settings[]){ listener("b", "127.0.0.1", 0) }, 1));
    struct address fresh = named(&sockets, "b")->address;
    sockets_settle(&sockets, false);
    assert_null(named(&sockets, "b"));
    assert_int_equal(connect_to(&fresh), -1);
    assert_true(named(&sockets, "a")->is_wanted);
    int client = connect_to(&kept);
    assert_true(client >= 0);
    close(client);
    /* One that fails half-way, too. */
    struct listener_settings half[] = { listener("b", "127.0.0.1", 0), listener("far", "203.0.113.7", 0) };
    assert_fails(open_listeners(&sockets, half, 2), ERROR_SYSTEM);
    assert_null(named(&sockets, "b"));
    assert_true(named(&sockets, "a")->is_wanted);
    sockets_done(&sockets, false);
}

static void a_listener_may_be_renamed(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    assert_ok(open_listeners(&sockets, (struct listener_settings[]){ listener("a", "127.0.0.1", 0) }, 1));
    int port = sockets.first->address.port;
    sockets_done(&sockets, false);
    assert_ok(
        open_listeners(&sockets, (struct listener_settings[]){ listener("old", "127.0.0.1", port) }, 1));
    sockets_settle(&sockets, true);
    int fd = sockets.first->fds[0];
    struct listener_settings renamed[] = { listener("new", "127.0.0.1", port) };
    for (int taken_up = 0; taken_up < 2; taken_up++) {
        assert_ok(open_listeners(&sockets, renamed, 1));
        assert_string_equal(sockets.first->new_name, "new");
        assert_null(sockets.first->next);
        sockets_settle(&sockets, taken_up);
        assert_string_equal(sockets.first->name, taken_up ? "new" : "old");
        assert_null(sockets.first->new_name);
        assert_int_equal(sockets.first->fds[0], fd);
    }
    sockets_done(&sockets, false);
}

/* From one address to all of them, on the same port: the probe must not take ourselves for another process. */
static void a_listener_may_widen(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    assert_ok(open_listeners(&sockets, (struct listener_settings[]){ listener("a", "127.0.0.1", 0) }, 1));
    sockets_settle(&sockets, true);
    int port = sockets.first->address.port;
    assert_ok(open_listeners(&sockets, (struct listener_settings[]){ listener("a", "0.0.0.0", port) }, 1));
    sockets_settle(&sockets, true);
    assert_null(sockets.first->next);
    assert_ok(open_listeners(&sockets, (struct listener_settings[]){ listener("a", "127.0.0.1", port) }, 1));
    sockets_settle(&sockets, true);
    struct address loopback = sockets.first->address;
    int client = connect_to(&loopback);
    assert_true(client >= 0);
    close(client);
    sockets_done(&sockets, false);
}

/* ---- sockets that were handed over ---- */

static int hand_over(struct sockets *sockets, const char *name, const char *address, bool listening,
                     struct address *ret_bound)
{
    struct address at;
    struct sockaddr_storage storage;
    assert_true(address_parse(slice_from_string(address), &at));
    socklen_t size = address_to_sockaddr(&at, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&storage, size), 0);
    if (listening) {
        assert_int_equal(listen(fd, 16), 0);
    }
    size = sizeof storage;
    getsockname(fd, (struct sockaddr *)&storage, &size);
    assert_true(address_from_sockaddr((struct sockaddr *)&storage, ret_bound));
    sockets->inherited.sockets[sockets->inherited.count++] = (struct inherited_socket){ strdup(name), fd };
    return fd;
}

static void an_inherited_socket_is_the_listeners(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    struct address given;
    int fd = hand_over(&sockets, "public", "127.0.0.1", true, &given);
    int waiting = connect_to(&given); /* before anybody of ours was there */
    struct listener_settings listeners[] = { listener("public", "127.0.0.1", given.port),
                                             listener("other", "127.0.0.1", 0) };
    assert_ok(open_listeners(&sockets, listeners, 2));
    const struct listening *public = named(&sockets, "public");
    assert_int_equal(public->count, WORKERS);
    assert_int_equal(public->fds[0], fd);
    assert_int_equal(public->address.port, given.port);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_true(fcntl(public->fds[i], F_GETFL) & O_NONBLOCK);
        assert_int_equal(fcntl(public->fds[i], F_GETFD), FD_CLOEXEC);
    }
    int served = accept_one(public);
    assert_true(served >= 0);
    close(served);
    close(waiting);
    /* It stays over reloads. */
    sockets_settle(&sockets, true);
    assert_ok(open_listeners(&sockets, listeners, 2));
    assert_int_equal(named(&sockets, "public")->fds[0], fd);
    sockets_done(&sockets, false);
}

static void any_address_is_any_address(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    struct address given;
    hand_over(&sockets, "public", "::", true, &given); /* what systemd makes of a bare port: both families */
    assert_ok(open_listeners(&sockets,
                             (struct listener_settings[]){ listener("public", "0.0.0.0", given.port) }, 1));
    struct address loopback;
    assert_true(address_parse(SLICE("127.0.0.1"), &loopback));
    loopback.port = given.port;
    int client = connect_to(&loopback);
    assert_true(client >= 0);
    close(client);
    sockets_done(&sockets, false);
}

static void an_inherited_socket_must_fit(void **state)
{
    (void)state;
    static const struct {
        const char *address, *configured, *text;
        bool listens;
        int port; /* added to the given one; -1: any */
    } cases[] = {
        { "0.0.0.0", "127.0.0.1", "another address or port", true, 0 },
        { "127.0.0.1", "0.0.0.0", "another address or port", true, 0 },
        { "127.0.0.1", "127.0.0.1", "another address or port", true, 1 },
        { "127.0.0.1", "127.0.0.1", "does not listen", false, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sockets sockets = { .first = NULL };
        struct address given;
        int fd = hand_over(&sockets, "public", cases[i].address, cases[i].listens, &given);
        struct listener_settings one[] = { listener("public", cases[i].configured,
                                                    given.port + cases[i].port) };
        assert_fails(open_listeners(&sockets, one, 1), ERROR_SYSTEM);
        assert_non_null(strstr(text, cases[i].text));
        assert_null(sockets.first);
        assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
        sockets_done(&sockets, false);
    }
}

static int bind_beside(const struct address *address)
{
    struct sockaddr_storage storage;
    socklen_t size = address_to_sockaddr(address, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&storage, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static size_t different_sockets(const struct listening *listening)
{
    size_t different = 0;
    for (size_t i = 0; i < listening->count; i++) {
        struct stat one, other;
        bool seen = false;
        fstat(listening->fds[i], &one);
        for (size_t k = 0; k < i; k++) {
            fstat(listening->fds[k], &other);
            seen |= one.st_ino == other.st_ino;
        }
        different += !seen;
    }
    return different;
}

/* None is closed: each may have connections in its queue. */
static void more_sockets_than_workers(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    struct address at = { .port = 0 };
    assert_true(address_parse(SLICE("127.0.0.1"), &at));
    for (int i = 0; i < WORKERS + 2; i++) {
        int fd = bind_beside(&at);
        struct sockaddr_storage storage;
        socklen_t size = sizeof storage;
        getsockname(fd, (struct sockaddr *)&storage, &size);
        assert_true(address_from_sockaddr((struct sockaddr *)&storage, &at));
        sockets.inherited.sockets[sockets.inherited.count++] =
            (struct inherited_socket){ strdup("public"), fd };
    }
    assert_ok(open_listeners(&sockets,
                             (struct listener_settings[]){ listener("public", "127.0.0.1", at.port) }, 1));
    assert_int_equal(sockets.first->count, WORKERS + 2);
    assert_int_equal(sockets.first->stored, WORKERS + 2);
    sockets_done(&sockets, false);
}

/* Where the kernel lets us, each worker gets a queue of its own; and it is told which of them are ours to keep. */
static void a_shareable_socket_is_joined(void **state)
{
    (void)state;
    struct sockets sockets = { .first = NULL };
    struct address given;
    hand_over(&sockets, "public", "127.0.0.1", true, &given);
    struct listener_settings one[] = { listener("public", "127.0.0.1", given.port) };
    assert_ok(open_listeners(&sockets, one, 1));
    assert_int_equal(different_sockets(sockets.first), 1); /* it was bound for itself alone */
    sockets_done(&sockets, false);

    sockets = (struct sockets){ .first = NULL };
    int fd = bind_beside(&given);
    sockets.inherited.sockets[sockets.inherited.count++] = (struct inherited_socket){ strdup("public"), fd };
    assert_ok(open_listeners(&sockets, one, 1));
    assert_int_equal(different_sockets(sockets.first), WORKERS);
    assert_int_equal(sockets.first->stored, 1);
    assert_int_equal(sockets.first->fds[0], fd);
    sockets_done(&sockets, false);
}

/* The program before had fewer workers; where the new one is given up, what it opened beside is closed again. */
static void what_was_taken_over_is_filled_up(void **state)
{
    (void)state;
    for (int taken_up = 0; taken_up < 2; taken_up++) {
        struct sockets sockets = { .first = NULL };
        struct address at;
        assert_true(address_parse(SLICE("127.0.0.1"), &at));
        at.port = 0;
        int fds[1] = { bind_beside(&at) };
        struct sockets_given given = { .name = SLICE("public"), .wanted = at, .fds = fds, .count = 1 };
        assert_true(sockets_add(&sockets, &given));
        struct listener_settings one[] = { listener("public", "127.0.0.1", 0) };
        assert_ok(open_listeners(&sockets, one, 1));
        assert_int_equal(different_sockets(sockets.first), WORKERS);
        assert_false(sockets.first->fresh);
        sockets_settle(&sockets, taken_up);
        assert_int_equal(sockets.first->count, taken_up ? WORKERS : 1);
        sockets_settle(&sockets, false); /* a later reload that is refused */
        assert_int_equal(sockets.first->count, taken_up ? WORKERS : 1);
        assert_int_equal(sockets.first->fds[0], fds[0]);
        sockets_done(&sockets, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_free_port),
        cmocka_unit_test(a_second_instance_is_refused),
        cmocka_unit_test(other_reasons_are_told),
        cmocka_unit_test(a_listener_that_stays_keeps_its_queue),
        cmocka_unit_test(a_refused_reload_changes_nothing),
        cmocka_unit_test(a_listener_may_be_renamed),
        cmocka_unit_test(a_listener_may_widen),
        cmocka_unit_test(an_inherited_socket_is_the_listeners),
        cmocka_unit_test(any_address_is_any_address),
        cmocka_unit_test(an_inherited_socket_must_fit),
        cmocka_unit_test(more_sockets_than_workers),
        cmocka_unit_test(a_shareable_socket_is_joined),
        cmocka_unit_test(what_was_taken_over_is_filled_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
