/* Tells the service manager how things stand (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names. */
#ifndef SALLYPORT_SUPERVISOR_NOTIFY_H
#define SALLYPORT_SUPERVISOR_NOTIFY_H

/* "READY=1", "STOPPING=1" or "STATUS=…". Does nothing where nobody wants to know; nobody waits for it. */
void notify_manager(const char *state);

#endif
