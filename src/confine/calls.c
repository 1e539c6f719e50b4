/* The filter of system calls. What stands in none of these tables ends the process.
 *
 * Calls without a condition cost little: the kernel keeps them in a bitmap. So a condition stands only on calls that are
 * not made for every request. */
#include "confine/internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if SALLYPORT_CONFINEMENT

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code of the signal; the C library does not name it yet */
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* ---- allowed, whatever the arguments ---- */

static const char *const allowed[] = {
    /* descriptors that are open, and memory that is one: queues see it twice in a row; executed it cannot be */
    "read",
    "readv",
    "pread64",
    "write",
    "writev",
    "pwrite64",
    "close",
    "lseek",
    "_llseek",
    "fsync",
    "fdatasync",
    "dup",
    "dup2",
    "dup3",
    "pipe2",
    "splice",
    "eventfd2",
    "memfd_create",
    "ftruncate",
    "ftruncate64",
    "fstat",
    "fstat64",
    /* of files only what /etc and the like tell: which of them, Landlock says */
    "newfstatat",
    "fstatat64",
    "stat",
    "lstat",
    "statx",
    "getcwd", /* a store of keys by a path that is relative */
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    /* waiting */
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "timerfd_create",
    "timerfd_settime",
    "nanosleep",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "restart_syscall",
    /* connections; which sockets there are is decided where they are made */
    "accept",
    "accept4",
    "connect",
    "getsockname",
    "getpeername",
    "getsockopt",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "shutdown",
    "sendfile",
    /* memory */
    "brk",
    "munmap",
    "mremap",
    "madvise",
    /* threads */
    "futex",
    "futex_time64",
    "set_robust_list",
    "rseq",
    "sched_yield",
    "sched_getaffinity",
    "getcpu",
    "exit",
    "exit_group",
    "gettid",
    "getpid",
    "membarrier",
    /* signals */
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigreturn",
    "sigaltstack",
    /* who, when, how much */
    "clock_gettime",
    "clock_gettime64",
    "clock_getres",
    "gettimeofday",
    "time",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getppid",
    "uname",
    "sysinfo",
    "getrusage",
    "getrandom",
};

/* ---- refused with an error: what libraries try, and do without ---- */

static const struct refused {
    const char *name;
    int error;
} refused[] = {
    { "clone3", ENOSYS },         /* its flags are behind a pointer; the C library falls back to clone */
    { "io_uring_setup", ENOSYS }, /* newer libuv asks for it; what goes through a ring no filter sees */
};

/* ---- allowed on a condition ---- */

#define ARG(number, value)                \
    {                                     \
        (number), SCMP_CMP_EQ, (value), 0 \
    }
#define BITS(number, mask, set)                     \
    {                                               \
        (number), SCMP_CMP_MASKED_EQ, (mask), (set) \
    }
#define CONDITIONS_MAX 3

struct rule {
    const char *name;
    unsigned int count;
    struct scmp_arg_cmp conditions[CONDITIONS_MAX];
    int error; /* 0: allowed */
};

#define TYPE_MASK   0xf /* without SOCK_CLOEXEC and SOCK_NONBLOCK */
#define OPEN_WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY))
#define NAMESPACES                                                                                \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)

#define SOCKET(family, type, protocol)                                                 \
    {                                                                                  \
        "socket", 3, { ARG(0, family), BITS(1, TYPE_MASK, type), ARG(2, protocol) }, 0 \
    }
#define OPTION(level, name)                                 \
    {                                                       \
        "setsockopt", 2, { ARG(1, level), ARG(2, name) }, 0 \
    }
#define FCNTL(command)                       \
    { "fcntl", 1, { ARG(1, command) }, 0 },  \
    {                                        \
        "fcntl64", 1, { ARG(1, command) }, 0 \
    }
#define IOCTL(request, error)                  \
    {                                          \
        "ioctl", 1, { ARG(1, request) }, error \
    }

static const struct rule rules_of_arguments[] = {
    /* No code that was not there at the start. */
    { "mmap", 1, { BITS(2, PROT_EXEC, 0) }, 0 },
    { "mmap2", 1, { BITS(2, PROT_EXEC, 0) }, 0 },
    { "mprotect", 1, { BITS(2, PROT_EXEC, 0) }, 0 },
    /* Reading only. */
    { "open", 1, { BITS(1, OPEN_WRITES, O_RDONLY) }, 0 },
    { "openat", 1, { BITS(2, OPEN_WRITES, O_RDONLY) }, 0 },
    /* Threads, and no process. */
    { "clone", 1, { BITS(0, CLONE_VM | CLONE_THREAD | NAMESPACES, CLONE_VM | CLONE_THREAD) }, 0 },
    /* TCP to upstreams and key servers, UDP to name servers, and which addresses this machine has. */
    SOCKET(AF_INET, SOCK_STREAM, 0),
    SOCKET(AF_INET, SOCK_STREAM, IPPROTO_TCP),
    SOCKET(AF_INET6, SOCK_STREAM, 0),
    SOCKET(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
    SOCKET(AF_INET, SOCK_DGRAM, 0),
    SOCKET(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
    SOCKET(AF_INET6, SOCK_DGRAM, 0),
    SOCKET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
    SOCKET(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE),
    /* Only an address as long as a netlink one: an IP address is longer, and nothing listens here. */
    { "bind", 1, { ARG(2, sizeof(struct sockaddr_nl)) }, 0 },
    { "socketpair", 1, { ARG(0, AF_UNIX) }, 0 }, /* libcurl wakes itself with one */
    OPTION(SOL_SOCKET, SO_REUSEADDR),
    OPTION(SOL_SOCKET, SO_SNDBUF),
    OPTION(SOL_SOCKET, SO_RCVBUF),
    OPTION(SOL_SOCKET, SO_KEEPALIVE),
    OPTION(SOL_SOCKET, SO_LINGER),
    OPTION(SOL_SOCKET, SO_RCVLOWAT),
    OPTION(SOL_SOCKET, SO_RCVTIMEO),
    OPTION(SOL_SOCKET, SO_SNDTIMEO),
    OPTION(IPPROTO_TCP, TCP_NODELAY),
    OPTION(IPPROTO_TCP, TCP_CORK),
    OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
    OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
    OPTION(IPPROTO_TCP, TCP_KEEPCNT),
    OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT),
    OPTION(IPPROTO_TCP, TCP_QUICKACK),
    OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
    OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
    OPTION(IPPROTO_IP, IP_RECVERR), /* the C library's resolver */
    OPTION(IPPROTO_IP, IP_MTU_DISCOVER),
    OPTION(IPPROTO_IPV6, IPV6_RECVERR),
    OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
    FCNTL(F_GETFL),
    FCNTL(F_SETFL),
    FCNTL(F_GETFD),
    FCNTL(F_SETFD),
    FCNTL(F_DUPFD_CLOEXEC),
    FCNTL(F_SETLK), /* on a store of keys, which is open for reading only: so no lock for writing */
    FCNTL(F_GETLK),
    FCNTL(F_SETPIPE_SZ),
    FCNTL(F_GETPIPE_SZ),
    FCNTL(F_GET_SEALS),
    IOCTL(FIONBIO, 0),
    IOCTL(FIOCLEX, 0),
    IOCTL(FIONREAD, 0),
    IOCTL(TCGETS, ENOTTY), /* the C library asks whether standard output is a terminal */
    { "prctl", 1, { ARG(0, PR_SET_NAME) }, 0 },
    { "prctl", 1, { ARG(0, PR_SET_VMA) }, 0 }, /* names of memory, by newer C libraries */
    /* Limits are read, of this process. */
    { "getrlimit", 0, { { 0 } }, 0 },
    { "ugetrlimit", 0, { { 0 } }, 0 },
    { "prlimit64", 2, { ARG(0, 0), ARG(2, 0) }, 0 },
};

/* Only where the admin API changes stores of keys, or key sets are kept, and then anywhere: in which directories, Landlock says. What
 * SQLite does to a file and to its journal, and a file that takes another's place; changing owners is for root, which this process
 * is not. */
static const struct rule writing[] = {
    { "open", 1, { BITS(1, O_ACCMODE, O_RDWR) }, 0 },
    { "openat", 1, { BITS(2, O_ACCMODE, O_RDWR) }, 0 },
    { "unlink", 0, { { 0 } }, 0 },
    { "unlinkat", 0, { { 0 } }, 0 },
    { "rename", 0, { { 0 } }, 0 },
    { "renameat", 0, { { 0 } }, 0 },
    { "renameat2", 0, { { 0 } }, 0 },
    { "fchmod", 0, { { 0 } }, 0 },
    { "fchown", 0, { { 0 } }, 0 },
};

static const struct rule local_allowed = { "socket", 1, { ARG(0, AF_UNIX) }, 0 };
/* The C library asks nscd first, and does without. */
static const struct rule local_refused = { "socket", 1, { ARG(0, AF_UNIX) }, EAFNOSUPPORT };

/* Where ports are limited: data on the first packet would connect without the rule on ports being asked. */
#define FAST_OPEN(name, flags)                       \
    {                                                \
        name, 1, { BITS(flags, MSG_FASTOPEN, 0) }, 0 \
    }
static const struct rule no_fast_open[] = { FAST_OPEN("sendto", 3), FAST_OPEN("sendmsg", 2),
                                            FAST_OPEN("sendmmsg", 3) };

static bool is_send(const char *name)
{
    for (size_t i = 0; i < sizeof no_fast_open / sizeof no_fast_open[0]; i++) {
        if (strcmp(name, no_fast_open[i].name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- building it ---- */

/* What this kind of machine does not have needs no rule. */
static bool add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned int count,
                const struct scmp_arg_cmp *conditions)
{
    int number = seccomp_syscall_resolve_name(name);
    return number < 0 || seccomp_rule_add_array(filter, action, number, count, conditions) == 0;
}

static bool add_rule(scmp_filter_ctx filter, const struct rule *rule)
{
    uint32_t action = rule->error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO((uint32_t)rule->error);
    return add(filter, action, rule->name, rule->count, rule->conditions);
}

static bool add_rules(scmp_filter_ctx filter, const struct rule *rules, size_t count)
{
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        good = good && add_rule(filter, &rules[i]);
    }
    return good;
}

#define ADD_RULES(filter, rules) add_rules((filter), (rules), sizeof(rules) / sizeof((rules)[0]))

static bool add_tables(scmp_filter_ctx filter, const struct confine_rules *rules)
{
    bool limited = rules->ports != NULL;
    bool good = true;
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (!limited || !is_send(allowed[i])) {
            good = good && add(filter, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
        }
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        good = good && add(filter, SCMP_ACT_ERRNO((uint32_t)refused[i].error), refused[i].name, 0, NULL);
    }
    good = good && (rules->written_count == 0 || ADD_RULES(filter, writing));
    return good && ADD_RULES(filter, rules_of_arguments) && (!limited || ADD_RULES(filter, no_fast_open)) &&
           add_rule(filter, rules->local_sockets ? &local_allowed : &local_refused);
}

/* Signals to itself, and a handler of violations that stays: code that got in could else live on behind one of its own. */
static bool add_signals(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp to_itself[] = { ARG(0, (scmp_datum_t)getpid()) };
    const struct scmp_arg_cmp violation[] = { ARG(0, SIGSYS) };
    const struct scmp_arg_cmp others[] = { { 0, SCMP_CMP_NE, SIGSYS, 0 } };
    return add(filter, SCMP_ACT_ALLOW, "tgkill", 1, to_itself) &&
           add(filter, SCMP_ACT_KILL_PROCESS, "rt_sigaction", 1, violation) &&
           add(filter, SCMP_ACT_ALLOW, "rt_sigaction", 1, others);
}

static bool build(scmp_filter_ctx filter, const struct confine_rules *rules)
{
    return seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
           seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
           seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 && add_tables(filter, rules) &&
           add_signals(filter);
}

/* ---- a violation ---- */

static confine_report *the_report;

static void on_violation(int signal, siginfo_t *info, void *context)
{
    (void)context;
    the_report(info->si_code == SYS_SECCOMP ? info->si_syscall : -1);
    /* Ends the process by this very signal, so that its end tells why: the filter lets nobody ask for that. */
    syscall(SYS_rt_sigaction, signal, NULL, NULL, (size_t)8);
    _exit(128 + signal);
}

static struct error watch(confine_report *report)
{
    the_report = report;
    struct sigaction action = { .sa_sigaction = on_violation, .sa_flags = SA_SIGINFO };
    sigfillset(&action.sa_mask);
    return sigaction(SIGSYS, &action, NULL) == 0 ? OK : FAIL_ERRNO("SIGSYS");
}

struct error confine_calls(const struct confine_rules *rules, enum confinement_mode mode,
                           confine_report *report)
{
    TRY(watch(report));
    scmp_filter_ctx filter = seccomp_init(mode == CONFINEMENT_ENFORCE ? SCMP_ACT_TRAP : SCMP_ACT_LOG);
    if (filter == NULL) {
        return FAIL(ERROR_MEMORY, "seccomp");
    }
    int status = build(filter, rules) ? seccomp_load(filter) : -EINVAL;
    seccomp_release(filter);
    return status == 0 ? OK : FAIL_NUMBER(ERROR_SYSTEM, -status, "seccomp");
}

void confine_call_name(int number, char *out, size_t size)
{
    char *name = number >= 0 ? seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number) : NULL;
    snprintf(out, size, "%s", name != NULL ? name : "unknown");
    free(name);
}

#else

struct error confine_calls(const struct confine_rules *rules, enum confinement_mode mode,
                           confine_report *report)
{
    (void)rules;
    (void)mode;
    (void)report;
    return FAIL(ERROR_STATE, "this build has no confinement");
}

void confine_call_name(int number, char *out, size_t size)
{
    (void)number;
    snprintf(out, size, "unknown");
}

#endif
