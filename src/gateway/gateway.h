/* The unprivileged process that serves: the control thread (this one) and the workers. */
#ifndef SALLYPORT_GATEWAY_GATEWAY_H
#define SALLYPORT_GATEWAY_GATEWAY_H

/* Takes its configurations from the supervisor over `channel_fd` until told to drain or the supervisor is gone; the
 * process's exit status. */
int gateway_run(int channel_fd);

#endif
