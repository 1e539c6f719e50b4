/* Tells the service manager how things stand (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names. */
#ifndef SALLYPORT_SUPERVISOR_NOTIFY_H
#define SALLYPORT_SUPERVISOR_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>

/* "READY=1", "STOPPING=1" or "STATUS=…". Does nothing where nobody wants to know; nobody waits for it. */
void notify_manager(const char *state);

/* Is there a service manager that descriptors can be left to? */
bool notify_is_wanted(void);

/* Descriptors that the service manager is to keep, and to hand over under this name when it starts us again (FDSTORE=1);
 * and that it need not keep any longer. */
void notify_keep(const char *name, const int *fds, size_t count);
void notify_forget(const char *name);

#endif
