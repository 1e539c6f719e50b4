#include "unit.h"

#include "confined.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static struct confine_rules rules;

static struct outcome enforced(int (*thing)(void))
{
    return run_confined(&rules, CONFINEMENT_ENFORCE, thing);
}

/* ---- what ends the process ---- */

/* After each, the child would exit with 0. */
#define FORBIDDEN(name, call) \
    static int name##_(void)  \
    {                         \
        (void)(call);         \
        return 0;             \
    }

static char *const no_arguments[] = { NULL };
static struct sock_filter accept_all = { 0x06, 0, 0, 0xffffffff };
static struct sock_fprog program = { 1, &accept_all };
static char page[16384] __attribute__((aligned(4096)));

FORBIDDEN(execve, execve("/bin/true", no_arguments, no_arguments))
FORBIDDEN(execveat, syscall(SYS_execveat, 1, "", NULL, NULL, 0x1000))
FORBIDDEN(fork, fork())
FORBIDDEN(vfork, syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0))
FORBIDDEN(new_namespace, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0))
FORBIDDEN(ptrace, ptrace(PTRACE_ATTACH, getppid(), 0, 0))
FORBIDDEN(read_other_memory, syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0))
FORBIDDEN(bpf, syscall(SYS_bpf, 0, NULL, 0))
FORBIDDEN(unshare, unshare(CLONE_NEWUSER))
FORBIDDEN(mount, mount("none", "/nonexistent", "tmpfs", 0, NULL))
FORBIDDEN(kill_parent, kill(getppid(), 0))
FORBIDDEN(tgkill_parent, syscall(SYS_tgkill, getppid(), getppid(), 0))
FORBIDDEN(open_for_writing, open("/dev/null", O_WRONLY))
FORBIDDEN(open_for_both, open("/dev/null", O_RDWR))
FORBIDDEN(create, open("/nonexistent/file", O_RDONLY | O_CREAT, 0600))
FORBIDDEN(open_unnamed, open("/tmp", O_TMPFILE | O_RDWR, 0600))
FORBIDDEN(open_by_openat2, syscall(SYS_openat2, AT_FDCWD, "/etc/hosts", NULL, 0))
FORBIDDEN(unlink, unlink("/nonexistent/file"))
FORBIDDEN(chmod, syscall(SYS_fchmodat, AT_FDCWD, "/nonexistent/file", 0600))
FORBIDDEN(list, syscall(SYS_getdents64, 0, page, sizeof page))
FORBIDDEN(packet_socket, socket(AF_PACKET, SOCK_RAW, 0))
FORBIDDEN(raw_socket, socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))
FORBIDDEN(ping_socket, socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP))
FORBIDDEN(sctp_socket, socket(AF_INET, SOCK_STREAM, 132))
FORBIDDEN(crypto_socket, socket(AF_ALG, SOCK_SEQPACKET, 0))
FORBIDDEN(audit_netlink, socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT))
FORBIDDEN(bind_port, bind(0, (struct sockaddr *)page, sizeof(struct sockaddr_in)))
FORBIDDEN(listen_, listen(0, 1))
FORBIDDEN(attach_filter, setsockopt(0, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program))
FORBIDDEN(load_kernel_tls, setsockopt(0, IPPROTO_TCP, TCP_ULP, "tls", 3))
FORBIDDEN(executable_page, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
FORBIDDEN(make_executable, mprotect(page, 4096, PROT_READ | PROT_EXEC))
FORBIDDEN(become_dumpable, prctl(PR_SET_DUMPABLE, 1))
FORBIDDEN(another_filter, prctl(PR_SET_SECCOMP, 2, &program))
FORBIDDEN(set_limit, setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1, 1 }))
FORBIDDEN(own_handler, signal(SIGSYS, SIG_IGN))
FORBIDDEN(terminal_input, ioctl(0, TIOCSTI, "x"))
FORBIDDEN(lock_others, syscall(SYS_keyctl, 0, 0, 0, 0, 0))
FORBIDDEN(setuid_, syscall(SYS_setuid, 1))
FORBIDDEN(no_such_call, syscall(9999))

static void a_forbidden_call_ends_the_process_and_is_reported(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int (*thing)(void);
        int number; /* 0: not compared */
    } things[] = {
        { "execve", execve_, SYS_execve },
        { "execveat", execveat_, SYS_execveat },
        { "fork", fork_, SYS_clone },
        { "vfork", vfork_, SYS_clone },
        { "new namespace", new_namespace_, SYS_clone },
        { "ptrace", ptrace_, SYS_ptrace },
        { "read_other_memory", read_other_memory_, SYS_process_vm_readv },
        { "bpf", bpf_, SYS_bpf },
        { "unshare", unshare_, SYS_unshare },
        { "mount", mount_, SYS_mount },
        { "kill the parent", kill_parent_, SYS_kill },
        { "tgkill the parent", tgkill_parent_, SYS_tgkill },
        { "open for writing", open_for_writing_, SYS_openat },
        { "open for both", open_for_both_, SYS_openat },
        { "create", create_, SYS_openat },
        { "open unnamed", open_unnamed_, SYS_openat },
        { "openat2", open_by_openat2_, SYS_openat2 },
        { "unlink", unlink_, 0 },
        { "chmod", chmod_, SYS_fchmodat },
        { "list", list_, SYS_getdents64 },
        { "packet socket", packet_socket_, SYS_socket },
        { "raw socket", raw_socket_, SYS_socket },
        { "ping socket", ping_socket_, SYS_socket },
        { "SCTP socket", sctp_socket_, SYS_socket },
        { "crypto socket", crypto_socket_, SYS_socket },
        { "audit netlink", audit_netlink_, SYS_socket },
        { "bind a port", bind_port_, SYS_bind },
        { "listen", listen__, SYS_listen },
        { "attach a filter", attach_filter_, SYS_setsockopt },
        { "kernel TLS", load_kernel_tls_, SYS_setsockopt },
        { "executable page", executable_page_, SYS_mmap },
        { "make executable", make_executable_, SYS_mprotect },
        { "dumpable", become_dumpable_, SYS_prctl },
        { "another filter", another_filter_, SYS_prctl },
        { "setrlimit", set_limit_, 0 },
        { "terminal input", terminal_input_, SYS_ioctl },
        { "keyctl", lock_others_, SYS_keyctl },
        { "setuid", setuid__, SYS_setuid },
        { "no such call", no_such_call_, 9999 },
    };
    if (!have_seccomp()) {
        skip();
    }
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++) {
        struct outcome outcome = enforced(things[i].thing);
        if (!WIFSIGNALED(outcome.status) || WTERMSIG(outcome.status) != SIGSYS) {
            fail_msg("%s: status %x", things[i].name, (unsigned int)outcome.status);
        }
        if (outcome.reported < 0 || (things[i].number != 0 && outcome.reported != things[i].number)) {
            fail_msg("%s: reported %d, not %d", things[i].name, outcome.reported, things[i].number);
        }
    }
}

/* Code that got in would else live on behind a handler of its own. */
static void the_handler_of_violations_cannot_be_replaced(void **state)
{
    (void)state;
    if (!have_seccomp()) {
        skip();
    }
    struct outcome outcome = enforced(own_handler_);
    assert_true(WIFSIGNALED(outcome.status));
    assert_int_equal(WTERMSIG(outcome.status), SIGSYS);
}

static int block_and_mount(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    return mount_();
}

static void nor_blocked(void **state)
{
    (void)state;
    if (!have_seccomp()) {
        skip();
    }
    struct outcome outcome = enforced(block_and_mount);
    assert_true(WIFSIGNALED(outcome.status));
    assert_int_equal(WTERMSIG(outcome.status), SIGSYS);
}

static void *mount_in_thread(void *argument)
{
    (void)argument;
    (void)mount_();
    return NULL;
}

static int mount_on_a_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, mount_in_thread, NULL) != 0) {
        return 1;
    }
    pthread_join(thread, NULL);
    return 0;
}

static void threads_are_held_too(void **state)
{
    (void)state;
    if (!have_seccomp()) {
        skip();
    }
    struct outcome outcome = enforced(mount_on_a_thread);
    assert_true(WIFSIGNALED(outcome.status));
    assert_int_equal(WTERMSIG(outcome.status), SIGSYS);
    assert_int_equal(outcome.reported, SYS_mount);
}

/* ---- what is refused, and what is free ---- */

static int refusals(void)
{
    if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT) {
        return 1;
    }
    if (syscall(SYS_clone3, NULL, 0) >= 0 || errno != ENOSYS) {
        return 2;
    }
    return syscall(SYS_io_uring_setup, 1, page) < 0 && errno == ENOSYS ? 0 : 3;
}

static void what_libraries_try_is_refused_with_an_error(void **state)
{
    (void)state;
    if (!have_seccomp()) {
        skip();
    }
    assert_exits(enforced(refusals), 0);
}

static int local_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 0 : 1;
}

static void local_sockets_are_for_machines_that_look_names_up_so(void **state)
{
    (void)state;
    static struct confine_rules local;
    if (!have_seccomp()) {
        skip();
    }
    local = rules;
    local.local_sockets = true;
    assert_exits(run_confined(&local, CONFINEMENT_ENFORCE, local_socket), 0);
    assert_exits(enforced(local_socket), 1);
}

static void *nothing(void *argument)
{
    return argument;
}

static int honest_work(void)
{
    pthread_t thread;
    int pair[2];
    struct sockaddr_in nowhere = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
        return 1;
    }
    (void)connect(fd, (struct sockaddr *)&nowhere, sizeof nowhere);
    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0) {
        return 2;
    }
    pthread_setname_np(pthread_self(), "honest");
    void *large = malloc((size_t)8 << 20);
    if (large == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        return 3;
    }
    free(large);
    int hosts = open("/etc/hosts", O_RDONLY | O_CLOEXEC);
    struct rlimit limit;
    return hosts >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0 && raise(SIGURG) == 0 ? 0 : 4;
}

static int look_up(void)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *list = NULL;
    int status = getaddrinfo("localhost", "443", &hints, &list);
    if (status == 0) {
        freeaddrinfo(list);
    }
    return status == 0 ? 0 : 1;
}

static int abort_itself(void)
{
    abort();
}

static void what_the_gateway_does_is_free(void **state)
{
    (void)state;
    if (!have_seccomp()) {
        skip();
    }
    assert_exits(enforced(honest_work), 0);
    assert_exits(enforced(look_up), 0);
    struct outcome outcome = enforced(abort_itself);
    assert_true(WIFSIGNALED(outcome.status));
    assert_int_equal(WTERMSIG(outcome.status), SIGABRT);
    assert_int_equal(outcome.reported, -1);
}

/* ---- ports, modes ---- */

static int fast_open(void)
{
    (void)sendto(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_FASTOPEN, NULL, 0);
    return 0;
}

static int plain_send(void)
{
    (void)sendto(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_NOSIGNAL, NULL, 0);
    return 0;
}

static void limited_ports_are_not_passed_by_fast_open(void **state)
{
    (void)state;
    static struct confine_rules limited;
    static const struct port_range ports[] = { { 443, 443 } };
    if (!have_seccomp()) {
        skip();
    }
    limited = rules;
    limited.ports = ports;
    limited.port_count = 1;
    struct outcome outcome = run_confined(&limited, CONFINEMENT_ENFORCE, fast_open);
    assert_true(WIFSIGNALED(outcome.status));
    assert_int_equal(outcome.reported, SYS_sendto);
    assert_exits(run_confined(&limited, CONFINEMENT_ENFORCE, plain_send), 0);
    assert_exits(enforced(fast_open), 0);
}

static void report_lets_the_call_be_made_and_off_does_nothing(void **state)
{
    (void)state;
    assert_exits(run_confined(&rules, CONFINEMENT_REPORT, mount_), 0);
    assert_exits(run_confined(&rules, CONFINEMENT_OFF, mount_), 0);
}

static void calls_have_names(void **state)
{
    (void)state;
    char name[32];
    confine_call_name(-1, name, sizeof name);
    assert_string_equal(name, "unknown");
    if (!have_seccomp()) {
        skip();
    }
    confine_call_name(SYS_mount, name, sizeof name);
    assert_string_equal(name, "mount");
    confine_call_name(9999, name, sizeof name);
    assert_string_equal(name, "unknown");
}

static int set_up(void **state)
{
    (void)state;
    static const struct confinement_settings settings = { .mode = CONFINEMENT_ENFORCE };
    confine_rules_derive(&settings, &rules);
    rules.local_sockets = false;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forbidden_call_ends_the_process_and_is_reported),
        cmocka_unit_test(the_handler_of_violations_cannot_be_replaced),
        cmocka_unit_test(nor_blocked),
        cmocka_unit_test(threads_are_held_too),
        cmocka_unit_test(what_libraries_try_is_refused_with_an_error),
        cmocka_unit_test(local_sockets_are_for_machines_that_look_names_up_so),
        cmocka_unit_test(what_the_gateway_does_is_free),
        cmocka_unit_test(limited_ports_are_not_passed_by_fast_open),
        cmocka_unit_test(report_lets_the_call_be_made_and_off_does_nothing),
        cmocka_unit_test(calls_have_names),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
