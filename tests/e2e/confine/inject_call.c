/* inject_call THREAD NUMBER: makes a thread that waits in a system call make another one first, with arguments of zero, as
 * code that got in would; then it goes on waiting, unless it dies of it. Needs the right to trace it. Prints what the call returned.
 * Exit status: 0 done, 1 not possible, 2 not now: the thread was not waiting, 77 not on this kind of machine. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#if defined(__x86_64__)

#define SYSCALL_INSTRUCTION 0x050f

/* To where the call has been made, or the filter has said no: then SIGSYS waits, and is delivered when we let go. */
static int make_call(pid_t thread, const struct user_regs_struct *before)
{
    struct user_regs_struct after;
    int status;
    for (int stop = 0; stop < 2; stop++) { /* before it, after it */
        if (ptrace(PTRACE_SYSCALL, thread, NULL, NULL) != 0 || waitpid(thread, &status, __WALL) != thread ||
            !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
            return 1;
        }
    }
    if (ptrace(PTRACE_GETREGS, thread, NULL, &after) != 0) {
        return 1;
    }
    printf("%ld\n", (long)after.rax);
    return ptrace(PTRACE_SETREGS, thread, NULL, before) == 0 ? 0 : 1;
}

static int inject(pid_t thread, long number)
{
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, thread, NULL, &registers) != 0) {
        return 1;
    }
    errno = 0;
    long code = ptrace(PTRACE_PEEKTEXT, thread, (void *)(registers.rip - 2), NULL);
    if (errno != 0 || (code & 0xffff) != SYSCALL_INSTRUCTION || (long)registers.orig_rax < 0) {
        return 2;
    }
    /* The call that it waits in is begun anew, by the same instruction. */
    struct user_regs_struct again = registers;
    again.rip -= 2;
    again.rax = registers.orig_rax;
    again.orig_rax = (unsigned long)-1;
    struct user_regs_struct other = again;
    other.rax = (unsigned long)number;
    other.rdi = other.rsi = other.rdx = other.r10 = other.r8 = other.r9 = 0;
    if (ptrace(PTRACE_SETREGS, thread, NULL, &other) != 0) {
        return 1;
    }
    return make_call(thread, &again);
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fprintf(stderr, "usage: inject_call THREAD NUMBER\n");
        return 1;
    }
    pid_t thread = (pid_t)strtol(arguments[1], NULL, 10);
    int status;
    if (ptrace(PTRACE_ATTACH, thread, NULL, NULL) != 0 || waitpid(thread, &status, __WALL) != thread) {
        fprintf(stderr, "inject_call: %s\n", strerror(errno));
        return 1;
    }
    int result = inject(thread, strtol(arguments[2], NULL, 10));
    ptrace(PTRACE_DETACH, thread, NULL, NULL);
    return result;
}

#else

int main(void)
{
    return 77;
}

#endif
