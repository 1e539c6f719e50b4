/* A supervisor in a process and a folder of its own, and what it says. */
#ifndef SALLYPORT_TESTS_UNIT_SUPERVISOR_STAGE_H
#define SALLYPORT_TESTS_UNIT_SUPERVISOR_STAGE_H

#include "unit.h"

#include "supervisor/supervisor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct stage {
    char dir[64];
    pid_t supervisor;
    int errors; /* its standard error */
    char text[256 * 1024];
    size_t size;
};

static struct stage stage;

static inline void write_file(const char *name, const char *text)
{
    char path[128], fresh[160];
    snprintf(path, sizeof path, "%s/%s", stage.dir, name);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(fresh, 0644);
    assert_int_equal(rename(fresh, path), 0); /* never half a file */
}

static inline void configure(const char *listeners, const char *more)
{
    char text[4096];
    snprintf(text, sizeof text,
             "workers: 2\n"
             "listeners: { %s }\n"
             "upstreams: { u: { endpoints: [\"http://127.0.0.1:1\"] } }\n"
             "routes: { open: { match: { host: x.example, path: /** }, listeners: [public], upstream: u, "
             "auth: none } }\n"
             "%s",
             listeners, more);
    write_file("gateway.yaml", text);
}

#define PLAIN(name, port) \
    name ": { address: 127.0.0.1, port: " port ", exposure: internal, plaintext: allow }"

static inline int make_stage(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof stage);
    snprintf(stage.dir, sizeof stage.dir, "/tmp/sallyport-supervisor-XXXXXX");
    if (mkdtemp(stage.dir) == NULL || chmod(stage.dir, 0755) != 0) {
        return -1;
    }
    configure(PLAIN("public", "0"), "");
    write_file("behaviour", "serve");
    return 0;
}

/* As a service manager does: the socket as descriptor 3, if there is one. */
static inline void start_with(int socket)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    stage.supervisor = fork();
    if (stage.supervisor == 0) {
        char path[128];
        snprintf(path, sizeof path, "%s/gateway.yaml", stage.dir);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        if (socket >= 0) {
            char pid[16];
            snprintf(pid, sizeof pid, "%d", (int)getpid());
            setenv("LISTEN_PID", pid, 1);
            setenv("LISTEN_FDS", "2", 1);
            setenv("LISTEN_FDNAMES", "public:stray", 1);
            dup2(socket, 10);
            dup2(10, 3);
            dup2(10, 4);
        }
        struct supervisor_options options = { .config = { .path = slice_from_string(path) },
                                              .program = "/proc/self/exe",
                                              .path = "/proc/self/exe" };
        _exit(supervisor_run(&options));
    }
    close(ends[1]);
    stage.errors = ends[0];
}

static inline void start(void)
{
    start_with(-1);
}

/* One piece more of what it says; false at the end. Fails after half a minute. */
static inline bool read_more(void)
{
    struct pollfd source = { .fd = stage.errors, .events = POLLIN };
    if (poll(&source, 1, 30000) != 1) {
        fail_msg("nothing more was said after:\n%s", stage.text);
    }
    ssize_t got = read(stage.errors, stage.text + stage.size, sizeof stage.text - 1 - stage.size);
    assert_true(got >= 0);
    stage.size += (size_t)got;
    stage.text[stage.size] = '\0';
    return got > 0;
}

/* The n-th line (from 1) with this event, waited for. */
static inline const char *event(const char *name, int n)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"event\":\"%s\"", name);
    for (;;) {
        const char *at = stage.text;
        for (int i = 0; i < n && at != NULL; i++) {
            at = strstr(i > 0 ? at + 1 : at, wanted);
        }
        if (at != NULL && strchr(at, '\n') != NULL) {
            static char line[8192];
            snprintf(line, sizeof line, "%.*s", (int)(strchr(at, '\n') - at), at);
            return line;
        }
        if (!read_more()) {
            fail_msg("%s did not come %d times in:\n%s", name, n, stage.text);
        }
    }
}

static inline bool was_said(const char *part)
{
    return strstr(stage.text, part) != NULL;
}

static inline long number_in(const char *line, const char *name)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":", name);
    const char *at = strstr(line, wanted);
    if (at == NULL) {
        fail_msg("%s is not in %s", name, line);
        return -1;
    }
    return strtol(at + strlen(wanted), NULL, 10);
}

#define assert_says(line, part)                       \
    do {                                              \
        const char *line_ = (line);                   \
        if (strstr(line_, (part)) == NULL) {          \
            fail_msg("%s is not in %s", part, line_); \
        }                                             \
    } while (0)

/* To the end of its output; its exit status. */
static inline int ended(void)
{
    int status;
    while (read_more()) {
    }
    assert_int_equal(waitpid(stage.supervisor, &status, 0), stage.supervisor);
    stage.supervisor = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline int stop(void)
{
    kill(stage.supervisor, SIGTERM);
    return ended();
}

static inline int clear_stage(void **state)
{
    (void)state;
    if (stage.supervisor > 0) {
        kill(stage.supervisor, SIGKILL);
        waitpid(stage.supervisor, NULL, 0);
    }
    close(stage.errors);
    static const char *const names[] = { "gateway.yaml", "behaviour", "access.log", "access.log.1",
                                         "audit.log" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", stage.dir, names[i]);
        unlink(path);
    }
    rmdir(stage.dir);
    return 0;
}

/* Who serves the port, as it says itself; -1 where nobody listens. */
static inline long served_by(long port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char text[32] = "";
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    struct pollfd source = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&source, 1, 30000), 1);
    assert_true(read(fd, text, sizeof text - 1) >= 0);
    close(fd);
    return strtol(text, NULL, 10);
}

static inline long port_of(const char *listener)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"listener\":\"%s\"", listener);
    const char *at = strstr(stage.text, wanted);
    assert_non_null(at);
    return number_in(at, "port");
}

#endif
