#include "supervisor/process.h"

#include "base/log.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME_MAX_LENGTH 64

/* A leak checker looks at its own process as a debugger does. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* ---- who ---- */

static struct error find_group(struct slice name, gid_t *ret_gid)
{
    char text[NAME_MAX_LENGTH];
    if (name.len == 0) {
        return OK;
    }
    if (snprintf(text, sizeof text, "%.*s", SLICE_ARG(name)) >= (int)sizeof text) {
        return FAIL(ERROR_VALUE, "`group` names no group of this machine");
    }
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
    /* The default is for those who start as root; a name that was chosen must hold. */
    if (!is_root && (user.len == 0 || slice_equal(user, SLICE("nobody")))) {
        *ret_user = (struct process_user){ .change = false };
        return OK;
    }
    struct slice name = user.len > 0 ? user : SLICE("nobody");
    const struct passwd *entry = NULL;
    if (snprintf(text, sizeof text, "%.*s", SLICE_ARG(name)) < (int)sizeof text) {
        entry = getpwnam(text);
    }
    if (entry == NULL) {
        return FAIL(ERROR_VALUE, "`user` names no user of this machine");
    }
    struct process_user found = { .change = is_root, .uid = entry->pw_uid, .gid = entry->pw_gid };
    if (!is_root && found.uid != geteuid()) {
        return FAIL(ERROR_VALUE, "`user` can only be another one where the supervisor is started as root");
    }
    TRY(find_group(group, &found.gid));
    *ret_user = found;
    return OK;
}

/* ---- the child ---- */

/* So that not even a program with capabilities of its own, were one executed, had any. It takes a capability itself: where
 * that is not there the set stays, and no_new_privs makes it worth nothing. */
static void drop_bounding_set(void)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
}

static const char *drop_capabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0, 0, 0 } };
    /* What a service manager gave the supervisor for its ports would pass through exec. */
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &header, none) == 0 ? NULL : "capabilities";
}

/* Irreversible, and checked: a gateway that is still root, or could be again, must not run. */
static const char *drop_privileges(const struct process_user *user)
{
    drop_bounding_set();
    if (user->change) {
        if (setgroups(0, NULL) != 0) {
            return "setgroups";
        }
        if (setresgid(user->gid, user->gid, user->gid) != 0) {
            return "setresgid";
        }
        if (setresuid(user->uid, user->uid, user->uid) != 0) {
            return "setresuid";
        }
        if (user->uid != 0 && setuid(0) == 0) {
            return "root was not given up";
        }
    }
    const char *problem = drop_capabilities();
    if (problem != NULL) {
        return problem;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? NULL : "no_new_privs";
}

/* Nothing that names a secret goes on. */
static char **make_environment(void)
{
    static const char *const kept[] = { "PATH",          "LANG",          "TZ",
                                        "SSL_CERT_FILE", "SSL_CERT_DIR",  "ASAN_OPTIONS",
                                        "LSAN_OPTIONS",  "UBSAN_OPTIONS", "TSAN_OPTIONS" };
    static char values[sizeof kept / sizeof kept[0]][1024];
    static char *environment[sizeof kept / sizeof kept[0] + 1];
    size_t count = 0;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *value = getenv(kept[i]);
        size_t room = sizeof values[count];
        if (value != NULL && snprintf(values[count], room, "%s=%s", kept[i], value) < (int)room) {
            environment[count] = values[count];
            count++;
        }
    }
    environment[count] = NULL;
    return environment;
}

/* What of ours or of our parent's is open goes no further, whoever forgot to mark it. */
static bool keep_only(int channel)
{
    return close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0 && fcntl(channel, F_SETFD, 0) == 0;
}

/* Returns why it could not. */
static const char *become_gateway(int program, const struct process_user *user, int channel, pid_t supervisor)
{
    char number[16];
    snprintf(number, sizeof number, "%d", channel);
    char *arguments[] = { (char *)(uintptr_t) "sallyport", (char *)(uintptr_t) "gateway", number, NULL };
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!keep_only(channel)) {
        return "descriptors";
    }
    const char *problem = drop_privileges(user);
    if (problem != NULL) {
        return problem;
    }
    /* The gateway must not outlive its supervisor; asked after the change of user, which would undo it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != supervisor) {
        return "the supervisor is gone";
    }
    fexecve(program, arguments, make_environment());
    return "exec";
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
        errno = 0;
        const char *what = become_gateway(fd, user, channel, self);
        const char *why = errno != 0 ? strerror(errno) : "";
        log_event(LOG_ERROR, "gateway_start_failed", LOG_STRING("step", what), LOG_STRING("reason", why));
        _exit(PROCESS_FAILED);
    }
    close(fd);
    if (child < 0) {
        return FAIL_ERRNO("the gateway process cannot be started");
    }
    *ret_pid = child;
    return OK;
}

/* ---- both ---- */

void process_prepare(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            /* The lowest free number is this one. */
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY);
        }
    }
    /* Executed by descriptor, we would be named by its number. */
    (void)prctl(PR_SET_NAME, "sallyport", 0, 0, 0);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (!SANITIZED) {
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
}
