#include "supervisor/process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAME_MAX_LENGTH 64

/* What of the environment goes on: nothing that names a secret. */
static const char *const kept_variables[] = { "PATH",          "LANG",          "TZ",
                                              "SSL_CERT_FILE", "SSL_CERT_DIR",  "ASAN_OPTIONS",
                                              "LSAN_OPTIONS",  "UBSAN_OPTIONS", "TSAN_OPTIONS" };

#define KEPT_COUNT (sizeof kept_variables / sizeof kept_variables[0])

static struct error find_group(struct slice name, gid_t *ret_gid)
{
    char text[NAME_MAX_LENGTH];
    if (name.len == 0) {
        return OK;
    }
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(name));
    const struct group *entry = getgrnam(text);
    if (entry == NULL) {
        return FAIL(ERROR_VALUE, "`group` names no group of this machine");
    }
    *ret_gid = entry->gr_gid;
    return OK;
}

struct error process_find_user(struct slice user, struct slice group, struct process_user *ret_user)
{
    char text[NAME_MAX_LENGTH];
    bool is_root = geteuid() == 0;
    if (!is_root && user.len == 0) {
        *ret_user = (struct process_user){ .change = false };
        return OK;
    }
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(user.len > 0 ? user : SLICE("nobody")));
    const struct passwd *entry = getpwnam(text);
    if (entry == NULL) {
        return FAIL(ERROR_VALUE, "`user` names no user of this machine");
    }
    struct process_user found = { .change = is_root, .uid = entry->pw_uid, .gid = entry->pw_gid };
    if (!is_root && found.uid != geteuid()) {
        /* The default is for those who start as root; a name that was chosen must hold. */
        if (!slice_equal(user, SLICE("nobody"))) {
            return FAIL(ERROR_VALUE,
                        "`user` can only be another one where the supervisor is started as root");
        }
    }
    TRY(find_group(group, &found.gid));
    *ret_user = found;
    return OK;
}

/* Irreversible, and checked: a gateway that is still root must not run. */
static bool drop_privileges(const struct process_user *user)
{
    if (!user->change) {
        return true;
    }
    return setgroups(0, NULL) == 0 && setresgid(user->gid, user->gid, user->gid) == 0 &&
           setresuid(user->uid, user->uid, user->uid) == 0 && (user->uid == 0 || setuid(0) != 0);
}

__attribute__((noreturn)) static void become_gateway(int program, const struct process_user *user,
                                                     int channel, pid_t supervisor)
{
    char number[16];
    char *environment[KEPT_COUNT + 1];
    char values[KEPT_COUNT][512];
    size_t count = 0;
    for (size_t i = 0; i < KEPT_COUNT; i++) {
        const char *value = getenv(kept_variables[i]);
        if (value != NULL && snprintf(values[count], sizeof values[count], "%s=%s", kept_variables[i],
                                      value) < (int)sizeof values[count]) {
            environment[count] = values[count];
            count++;
        }
    }
    environment[count] = NULL;
    snprintf(number, sizeof number, "%d", channel);
    char *arguments[] = { (char *)"sallyport", (char *)"gateway", number, NULL };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (fcntl(channel, F_SETFD, 0) == 0 && drop_privileges(user) &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        /* The gateway must not outlive its supervisor; asked after the change of user, which would undo it. */
        prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == supervisor) {
        fexecve(program, arguments, environment);
    }
    _exit(126);
}

struct error process_start(const char *program, const struct process_user *user, int channel, pid_t *ret_pid)
{
    /* By descriptor: the unprivileged user need not reach the program's directory. */
    int fd = open(program, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return FAIL_ERRNO("the program's own file cannot be opened");
    }
    pid_t self = getpid();
    pid_t child = fork();
    if (child == 0) {
        become_gateway(fd, user, channel, self);
    }
    close(fd);
    if (child < 0) {
        return FAIL_ERRNO("the gateway process cannot be started");
    }
    *ret_pid = child;
    return OK;
}
