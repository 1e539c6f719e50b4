/* A certificate authority and keys that live as long as a development set. Not for production: nothing is revoked, and the
 * CA's key is thrown away with the process. */
#ifndef SALLYPORT_CLI_DEV_PKI_H
#define SALLYPORT_CLI_DEV_PKI_H

#include "base/error.h"

#include <openssl/evp.h>

struct dev_pki;

/* Makes a CA (ECDSA P-256) and writes its certificate to DIRECTORY/ca.pem. */
struct error dev_pki_new(const char *directory, struct dev_pki **ret_pki) MUST_CHECK;
void dev_pki_free(struct dev_pki *pki);

/* A server certificate for localhost, 127.0.0.1 and ::1, as DIRECTORY/NAME.pem and DIRECTORY/NAME.key (mode 0600). */
struct error dev_pki_issue(struct dev_pki *pki, const char *directory, const char *name) MUST_CHECK;

#endif
