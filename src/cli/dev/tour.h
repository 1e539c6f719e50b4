/* The tour of a development set: real requests by curl, each shown with its answer and checked against what must come. */
#ifndef SALLYPORT_CLI_DEV_TOUR_H
#define SALLYPORT_CLI_DEV_TOUR_H

#include "base/error.h"

#include <openssl/evp.h>

struct dev_set {
    const char *directory; /* ca.pem, access.log and audit.log are here */
    unsigned int https_port, http_port, status_port, issuer_port;
    EVP_PKEY *key;      /* the issuer's */
    EVP_PKEY *stranger; /* a key that the issuer never published */
};

/* Waits until an honest request is answered; ERROR_STATE after 15 seconds. */
struct error dev_tour_wait(const struct dev_set *set) MUST_CHECK;

/* Prints everything on standard output. Returns the number of answers that were not the expected ones. */
int dev_tour_run(const struct dev_set *set);

#endif
