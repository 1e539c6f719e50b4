/* Within the room: the two halves of confine_apply. */
#ifndef SALLYPORT_CONFINE_INTERNAL_H
#define SALLYPORT_CONFINE_INTERNAL_H

#include "confine/confine.h"

/* Each needs no_new_privs. ERROR_SYSTEM: the kernel does not have it, or does not let us. */
struct error confine_calls(const struct confine_rules *rules, enum confinement_mode mode,
                           confine_report *report) MUST_CHECK;
struct error confine_files(const struct confine_rules *rules, int *ret_abi) MUST_CHECK;

/* "hosts: files dns" and the like: each module's name, "" at the end of the list. Reads the file anew. */
#define NAME_SERVICES_MAX 8
#define NAME_SERVICE_MAX  32
void confine_name_services(const char *nsswitch, char names[NAME_SERVICES_MAX][NAME_SERVICE_MAX]);

#endif
