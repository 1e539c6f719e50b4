/* The services of a development set, in a process of their own: the issuer (JWKS and tokens) and an upstream that tells what
 * it was sent. Loopback only. */
#ifndef SALLYPORT_CLI_DEV_SERVICES_H
#define SALLYPORT_CLI_DEV_SERVICES_H

#include "base/error.h"

#include <openssl/evp.h>

struct dev_services_options {
    int issuer_fd; /* listening sockets, non-blocking; taken */
    int upstream_fd;
    EVP_PKEY *key;
    const char *directory; /* with upstream.pem and upstream.key */
};

/* Runs until the process is killed; the exit status. */
int dev_services_run(const struct dev_services_options *options);

#endif
