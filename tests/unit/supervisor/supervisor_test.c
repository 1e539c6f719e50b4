/* The supervisor, with a double of the gateway. */
#include "supervisor/gateway_double.h"
#include "supervisor/stage.h"
#include "unit.h"

static void from_start_to_stop(void **state)
{
    (void)state;
    start();
    assert_says(event("ready", 1), "\"generation\":1");
    const char *line = event("double_configured", 1);
    assert_int_equal(number_in(line, "fds"), FIXED_FDS + 2);
    assert_int_equal(number_in(line, "seals"), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
    assert_int_equal(number_in(line, "bequest"), 1);
    assert_int_equal(number_in(line, "before"), 0);
    assert_says(line, "\\\"workers\\\":2");
    assert_says(line, "{\\\"name\\\":\\\"public\\\",\\\"port\\\":");
    assert_says(line, "\\\"sockets\\\":2}");
    long pid = number_in(line, "pid");
    assert_int_equal(served_by(port_of("public")), pid);
    /* What is said of the configuration is said as lines of the log. */
    assert_says(event("configuration_warning", 1), "gateway.yaml:");
    assert_int_equal(stop(), 0);
    assert_true(was_said("\"event\":\"double_drain\""));
    assert_true(was_said("\"event\":\"stopped\""));
    assert_false(was_said("\"event\":\"gateway_exited\""));
}

static void errors_are_printed(void **state)
{
    (void)state;
    configure(PLAIN("public", "0"), "bogus: 1\n");
    start();
    assert_int_equal(ended(), 1);
    assert_true(was_said("gateway.yaml:5:1: error: "));
    assert_false(was_said("double_configured"));
}

static int listen_somewhere(struct sockaddr_in *ret_address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    *ret_address = address;
    return fd;
}

/* A socket of the service manager: nothing is bound, and a restart of the gateway keeps it. */
static void a_socket_is_handed_over(void **state)
{
    (void)state;
    struct sockaddr_in address;
    int fd = listen_somewhere(&address);
    char listeners[256];
    snprintf(listeners, sizeof listeners,
             "public: { address: 127.0.0.1, port: %d, exposure: internal, plaintext: allow }",
             ntohs(address.sin_port));
    configure(listeners, "");
    start_with(fd);
    close(fd);
    event("ready", 1);
    assert_int_equal(port_of("public"), ntohs(address.sin_port));
    assert_says(event("socket_unused", 1), "stray");
    long pid = number_in(event("double_configured", 1), "pid");
    assert_int_equal(number_in(event("double_configured", 1), "fds"), FIXED_FDS + 2);
    assert_int_equal(served_by(port_of("public")), pid);
    kill((pid_t)pid, SIGKILL);
    assert_true(served_by(port_of("public")) != pid);
    assert_int_equal(stop(), 0);
    assert_int_equal(served_by(ntohs(address.sin_port)), -1);
}

static void a_port_in_use_is_told(void **state)
{
    (void)state;
    struct sockaddr_in address;
    int fd = listen_somewhere(&address);
    char listeners[256], expected[128];
    snprintf(listeners, sizeof listeners,
             "public: { address: 127.0.0.1, port: %d, exposure: internal, plaintext: allow }",
             ntohs(address.sin_port));
    configure(listeners, "");
    start();
    assert_int_equal(ended(), 1);
    snprintf(expected, sizeof expected, "listener public: 127.0.0.1:%d is in use by another process",
             ntohs(address.sin_port));
    assert_says(event("start_failed", 1), expected);
    close(fd);
}

/* Three times over: at once, then later and later, and who connects meanwhile waits instead of being refused. */
static void a_gateway_that_dies_is_started_again(void **state)
{
    (void)state;
    start();
    event("ready", 1);
    long port = port_of("public"), pid = 0;
    for (int i = 1; i <= 3; i++) {
        pid = number_in(event("double_configured", i), "pid");
        event("ready", i);
        kill((pid_t)pid, SIGKILL);
        assert_says(event("gateway_exited", i), "\"signal\":9");
        assert_int_equal(number_in(event("gateway_restarting", i), "delay_ms"), i == 1 ? 0 : 25 << i);
        assert_true(served_by(port) != pid);
    }
    const char *line = event("double_configured", 4);
    assert_true(number_in(line, "pid") != pid);
    assert_says(line, "\\\"restarts\\\":3");
    assert_int_equal(stop(), 0);
}

static void one_that_never_worked_is_not(void **state)
{
    (void)state;
    static const char *const behaviours[] = { "crash", "refuse", "nonsense" };
    for (size_t i = 0; i < 3; i++) {
        write_file("behaviour", behaviours[i]);
        start();
        assert_int_equal(ended(), 1);
        assert_false(was_said("gateway_restarting"));
        assert_false(was_said("\"event\":\"ready\""));
        if (i == 1) {
            assert_says(event("start_refused", 1), "the double says no");
        }
        close(stage.errors);
        stage.size = 0;
    }
    stage.errors = -1;
}

static void reload_takes_up_what_is_new(void **state)
{
    (void)state;
    start();
    event("ready", 1);
    long port = port_of("public");
    long pid = number_in(event("double_configured", 1), "pid");
    configure(PLAIN("public", "0") ", " PLAIN("more", "0"),
              "instance: other\nlogs: { access: { file: \"off\" } }\n");
    kill(stage.supervisor, SIGHUP);
    assert_says(event("ready", 2), "\"generation\":2");
    const char *line = event("double_configured", 2);
    assert_int_equal(number_in(line, "fds"), FIXED_FDS + 4);
    assert_int_equal(number_in(line, "access"), 0);
    assert_int_equal(number_in(line, "bequest"), 0); /* it has its own since it started */
    assert_says(event("restart_needed", 1), "instance");
    long more = port_of("more");
    assert_int_equal(served_by(more), pid);
    assert_int_equal(served_by(port), pid);
    configure(PLAIN("public", "0"), "");
    kill(stage.supervisor, SIGHUP);
    event("ready", 3);
    assert_int_equal(number_in(event("double_configured", 3), "fds"), FIXED_FDS + 2);
    assert_int_equal(served_by(port), pid);
    assert_int_equal(stop(), 0);
}

static void a_bad_reload_changes_nothing(void **state)
{
    (void)state;
    start();
    event("ready", 1);
    long port = port_of("public");
    long pid = number_in(event("double_configured", 1), "pid");
    configure(PLAIN("public", "0") ", " PLAIN("more", "0"), "bogus: 1\nbugos: 2\n");
    kill(stage.supervisor, SIGHUP);
    const char *line = event("reload_refused", 1);
    assert_says(line, "gateway.yaml:5:1: error: ");
    assert_int_equal(number_in(line, "errors"), 2);
    assert_says(event("configuration_error", 2), "gateway.yaml:6:1: error: ");
    assert_says(event("double_told", 1), "gateway.yaml:5:1: error: ");
    assert_false(was_said("\"listener\":\"more\""));
    /* And one that the gateway refuses. */
    configure(PLAIN("public", "0") ", " PLAIN("more", "0"), "");
    write_file("behaviour", "refuse");
    kill(stage.supervisor, SIGHUP);
    assert_says(event("reload_refused", 2), "the double says no");
    assert_int_equal(served_by(port), pid);
    /* A log file that cannot be opened is named. */
    configure(PLAIN("public", "0"), "logs: { audit: { file: /nonexistent/audit.log } }\n");
    kill(stage.supervisor, SIGHUP);
    assert_says(event("reload_refused", 3), "/nonexistent/audit.log");
    /* What was mended is taken up. */
    configure(PLAIN("public", "0"), "");
    write_file("behaviour", "serve");
    kill(stage.supervisor, SIGHUP);
    event("ready", 2);
    assert_int_equal(served_by(port), pid);
    assert_int_equal(stop(), 0);
}

/* A configuration that kills the gateway: the one before it comes back. */
static void a_deadly_reload_is_undone(void **state)
{
    (void)state;
    start();
    event("ready", 1);
    long port = port_of("public");
    static const char *const behaviours[] = { "more is deadly", "more is confusing" };
    for (int i = 0; i < 2; i++) {
        configure(PLAIN("public", "0") ", " PLAIN("more", "0"), "");
        write_file("behaviour", behaviours[i]);
        kill(stage.supervisor, SIGHUP);
        assert_says(event("reload_refused", i + 1), "the gateway process ended");
        event("gateway_restarting", i + 1);
        event("ready", i + 2);
        assert_int_equal(number_in(event("double_configured", 2 * i + 3), "fds"), FIXED_FDS + 2);
        assert_true(served_by(port) > 0);
    }
    assert_int_equal(stop(), 0);
}

/* The gateway dies of the configuration in force: a mended one is taken up without waiting. */
static void a_dying_gateway_can_be_mended(void **state)
{
    (void)state;
    start();
    event("ready", 1);
    write_file("behaviour", "crash");
    kill((pid_t)number_in(event("double_configured", 1), "pid"), SIGKILL);
    event("gateway_restarting", 5); /* waiting for 1.6 seconds */
    configure(PLAIN("public", "0") ", " PLAIN("more", "0"), "");
    write_file("behaviour", "serve");
    int64_t before = clock_monotonic_ns();
    kill(stage.supervisor, SIGHUP);
    event("ready", 2);
    assert_true(clock_monotonic_ns() - before < 1200 * NS_PER_MS);
    assert_true(served_by(port_of("more")) > 0);
    assert_int_equal(stop(), 0);
}

static void logs_are_reopened(void **state)
{
    (void)state;
    char path[128], rotated[160];
    configure(PLAIN("public", "0"), "logs: { access: { file: access.log }, audit: { file: audit.log } }\n");
    start();
    event("ready", 1);
    snprintf(path, sizeof path, "%s/access.log", stage.dir);
    snprintf(rotated, sizeof rotated, "%s.1", path);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640 & ~022);
    assert_int_equal(rename(path, rotated), 0);
    kill(stage.supervisor, SIGUSR1);
    assert_int_equal(number_in(event("double_reopen", 1), "fds"), 2);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(stop(), 0);
}

static void the_end_is_waited_for(void **state)
{
    (void)state;
    configure(PLAIN("public", "0"), "shutdown: { deadline: 1s }\n");
    write_file("behaviour", "stubborn");
    start();
    event("ready", 1);
    long port = port_of("public");
    int64_t before = clock_monotonic_ns();
    kill(stage.supervisor, SIGTERM);
    event("double_drain", 1);
    assert_true(served_by(port) > 0); /* as long as the gateway accepts, it is served */
    assert_int_equal(ended(), 0);
    assert_true(clock_monotonic_ns() - before > 1 * NS_PER_S);
    assert_says(event("gateway_killed", 1), "in time");
    assert_int_equal(served_by(port), -1);
}

static void an_unclean_end_is_told(void **state)
{
    (void)state;
    write_file("behaviour", "unclean");
    start();
    event("ready", 1);
    kill(stage.supervisor, SIGINT);
    assert_int_equal(ended(), 1);
    assert_says(event("gateway_exited", 1), "\"status\":4");
}

/* ---- another program takes over: this one again ---- */

static void another_program_takes_over(void **state)
{
    (void)state;
    start();
    event("ready", 1);
    long port = port_of("public");
    const char *line = event("double_configured", 1);
    assert_says(line, "\\\"relieves\\\":false");
    long old = number_in(line, "pid");
    configure(PLAIN("public", "0") ", " PLAIN("more", "0"),
              "limit_keys: 131072\n"); /* its files are read anew */
    for (int i = 1; i <= 2; i++) {
        char text[512];
        char expected[64];
        char path[128];
        snprintf(path, sizeof path, "%s/gateway.yaml", stage.dir);
        struct config_options options = { .path = slice_from_string(path) };
        if (i == 1) {
            assert_true(supervisor_upgrade(&options, text, sizeof text));
            snprintf(expected, sizeof expected, "as process %d", (int)stage.supervisor);
            assert_says(text, expected);
        } else {
            kill(stage.supervisor, SIGUSR2);
        }
        assert_int_equal(number_in(event("upgraded", i), "upgrades"), i);
        line = event("double_configured", i + 1);
        assert_int_equal(number_in(line, "fds"), FIXED_FDS + 4);
        assert_says(line, "\\\"relieves\\\":true");
        assert_int_equal(number_in(line, "bequest"), 1);
        assert_int_equal(number_in(line, "before"), old);
        long new = number_in(line, "pid");
        assert_true(new != old);
        line = event("double_retire", i);
        assert_int_equal(number_in(line, "pid"), old);
        snprintf(expected, sizeof expected, "\"boot\":\"boot%ld\"", new);
        assert_says(line, expected);
        line = event("double_end", i);
        assert_int_equal(number_in(line, "pid"), new);
        assert_says(line, "how it ends");
        assert_int_equal(served_by(port), new); /* the same sockets */
        old = new;
    }
    assert_true(was_said("limits_forgotten")); /* the table's size changed */
    long more = port_of("more");
    /* And all goes on as before: reload, crash, stop. */
    kill(stage.supervisor, SIGHUP);
    event("ready", 4);
    kill((pid_t)old, SIGKILL);
    event("gateway_restarting", 1);
    event("ready", 5);
    assert_true(served_by(more) != old);
    assert_int_equal(number_in(event("double_configured", 5), "before"), 0); /* who died leaves nothing */
    assert_int_equal(stop(), 0);
    assert_false(was_said("gateway_killed"));
}

/* Whatever the new program fails at, the old one goes on, and can do all that it could. */
static void a_program_that_fails_is_undone(void **state)
{
    (void)state;
    static const struct {
        const char *behaviour, *listeners, *more, *reason;
    } cases[] = {
        { "serve", PLAIN("public", "0"), "bogus: 1\n", "refuses the configuration" },
        { "serve", PLAIN("public", "0"), "user: nobody-of-this-name\n", "user" },
        { "serve", PLAIN("public", "0") ", " PLAIN("more", "0"),
          "logs: { audit: { file: /nonexistent/audit.log } }\n", "/nonexistent/audit.log" },
        { "crash", PLAIN("public", "0") ", " PLAIN("more", "0"), "", "gateway process ended" },
        { "refuse", PLAIN("public", "0"), "", "the double says no" },
        { "nonsense", PLAIN("public", "0"), "", "gateway process ended" },
    };
    start();
    event("ready", 1);
    long port = port_of("public");
    long pid = number_in(event("double_configured", 1), "pid");
    for (int i = 0; i < (int)(sizeof cases / sizeof cases[0]); i++) {
        configure(cases[i].listeners, cases[i].more);
        write_file("behaviour", cases[i].behaviour);
        kill(stage.supervisor, SIGUSR2);
        assert_says(event("upgrade_refused", i + 1), cases[i].reason);
        for (int k = 0; k < 20; k++) {
            assert_int_equal(served_by(port), pid); /* no socket is left that nobody serves */
        }
    }
    assert_false(was_said("\"event\":\"upgraded\""));
    assert_false(was_said("double_retire"));
    configure(PLAIN("public", "0") ", " PLAIN("more", "0"), "");
    write_file("behaviour", "serve");
    kill(stage.supervisor, SIGHUP);
    event("ready", 2);
    assert_int_equal(served_by(port_of("more")), pid);
    kill((pid_t)pid, SIGKILL);
    event("ready", 3);
    assert_true(served_by(port) != pid);
    kill(stage.supervisor, SIGUSR2);
    event("upgraded", 1);
    assert_int_equal(stop(), 0);
}

int main(int count, char **arguments)
{
    if (count == 3 && (strcmp(arguments[1], "run") == 0 || strcmp(arguments[1], "rehearse") == 0)) {
        struct supervisor_options options = { .config = { .path = slice_from_string(arguments[2]) },
                                              .program = "/proc/self/exe",
                                              .path = "/proc/self/exe" };
        return strcmp(arguments[1], "run") == 0 ? supervisor_run(&options) : supervisor_rehearse(&options);
    }
    if (count == 3 && strcmp(arguments[1], "gateway") == 0) {
        return run_double((int)strtol(arguments[2], NULL, 10));
    }
    umask(022);
#define STAGED(test) cmocka_unit_test_setup_teardown(test, make_stage, clear_stage)
    const struct CMUnitTest tests[] = {
        STAGED(from_start_to_stop),
        STAGED(errors_are_printed),
        STAGED(a_port_in_use_is_told),
        STAGED(a_socket_is_handed_over),
        STAGED(a_gateway_that_dies_is_started_again),
        STAGED(one_that_never_worked_is_not),
        STAGED(reload_takes_up_what_is_new),
        STAGED(a_bad_reload_changes_nothing),
        STAGED(a_deadly_reload_is_undone),
        STAGED(a_dying_gateway_can_be_mended),
        STAGED(logs_are_reopened),
        STAGED(the_end_is_waited_for),
        STAGED(an_unclean_end_is_told),
        STAGED(another_program_takes_over),
        STAGED(a_program_that_fails_is_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
