/* A child process that confines itself, does one thing, and ends: what became of it. */
#ifndef SALLYPORT_TESTS_UNIT_CONFINE_CONFINED_H
#define SALLYPORT_TESTS_UNIT_CONFINE_CONFINED_H

#include "confine/confine.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SALLYPORT_CONFINEMENT
#define SALLYPORT_CONFINEMENT 0
#endif

struct outcome {
    int status;   /* of waitpid */
    int reported; /* the number of the forbidden call; -1: none was reported */
};

static int report_pipe = -1;

static inline void report_to_pipe(int number)
{
    ssize_t written = write(report_pipe, &number, sizeof number);
    (void)written;
}

/* `thing` returns what the child exits with. */
static inline struct outcome run_confined(const struct confine_rules *rules, enum confinement_mode mode,
                                          int (*thing)(void))
{
    int ends[2];
    struct outcome outcome = { .reported = -1 };
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct confined confined;
        report_pipe = ends[1];
        if (failed(confine_apply(rules, mode, report_to_pipe, &confined))) {
            _exit(100);
        }
        _exit(thing());
    }
    close(ends[1]);
    assert_int_equal(waitpid(child, &outcome.status, 0), child);
    if (read(ends[0], &outcome.reported, sizeof outcome.reported) != (ssize_t)sizeof outcome.reported) {
        outcome.reported = -1;
    }
    close(ends[0]);
    return outcome;
}

#define assert_exits(outcome_, code_)                                   \
    do {                                                                \
        struct outcome assert_outcome_ = (outcome_);                    \
        assert_int_equal(assert_outcome_.reported, -1);                 \
        assert_true(WIFEXITED(assert_outcome_.status));                 \
        assert_int_equal(WEXITSTATUS(assert_outcome_.status), (code_)); \
    } while (0)

/* Whether the kernel and this build have the thing; else says what is missing, for skip(). */
static inline bool have_seccomp(void)
{
    if (SALLYPORT_CONFINEMENT == 0) {
        printf("this build has no confinement\n");
        return false;
    }
    return true;
}

#endif
