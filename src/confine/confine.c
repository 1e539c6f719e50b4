#include "confine/confine.h"

#include "confine/internal.h"

#include <sys/prctl.h>
#include <sys/stat.h>

/* Sanitizers, coverage and fuzzers do at run time what the filter forbids: such builds have no confinement. */
#ifndef SALLYPORT_CONFINEMENT
#define SALLYPORT_CONFINEMENT 0
#endif

/* seccomp reaches every thread; Landlock the one that asks, and those that it starts. */
static bool other_threads(void)
{
    struct stat facts;
    return stat("/proc/self/task", &facts) == 0 && facts.st_nlink > 3; /* itself, its parent, one thread */
}

struct error confine_apply(const struct confine_rules *rules, enum confinement_mode mode,
                           confine_report *report, struct confined *ret_confined)
{
    struct confined confined = { .seccomp = "off" };
    if (mode == CONFINEMENT_OFF) {
        *ret_confined = confined;
        return OK;
    }
    if (!SALLYPORT_CONFINEMENT) {
        confined.seccomp = "absent";
        confined.lacking = "this build has no confinement";
        *ret_confined = confined;
        return OK;
    }
    if (other_threads()) {
        return FAIL(ERROR_STATE, "confinement comes before threads");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return FAIL_ERRNO("no_new_privs");
    }
    /* Landlock has no mode that only reports. */
    if (mode == CONFINEMENT_ENFORCE && failed(confine_files(rules, &confined.landlock_abi))) {
        confined.lacking = "this kernel has no Landlock, or it is not switched on";
    }
    confined.seccomp = mode == CONFINEMENT_ENFORCE ? "enforce" : "report";
    if (failed(confine_calls(rules, mode, report))) {
        confined.seccomp = "absent";
        confined.lacking = confined.lacking == NULL ? "this kernel takes no seccomp filter"
                                                    : "this kernel takes neither seccomp filter nor Landlock";
    }
    *ret_confined = confined;
    return OK;
}
