/* A signature that is verified off the loop: private to src/auth. Between job_take_request and jwt_finish nothing but
 * jwt_job_run may touch it. */
#ifndef SALLYPORT_AUTH_JOB_H
#define SALLYPORT_AUTH_JOB_H

#include "auth/jws.h"
#include "auth/jwt.h"
#include "base/limits.h"

/* Adds keys to try to `*job`, which is made where it is NULL. Keys beyond JWT_KEYS_TRIED_MAX in all are left out, and so do
 * not verify. DENY_NONE, TOKEN_SIGNATURE where the signature cannot be one, or INTERNAL without memory. */
enum deny_reason job_plan(struct jwt_job **job, struct jws_crypto *crypto, const struct jws *jws,
                          const struct jws_key *const *keys, size_t count);

/* Copies the request, all but the list of issuers. False without memory. */
bool job_take_request(struct jwt_job *job, const struct jwt_request *request, const unsigned char digest[32]);

const struct jwt_request *job_request(const struct jwt_job *job);
const unsigned char *job_digest(const struct jwt_job *job);

/* After jwt_job_run: did this key verify the signature? */
bool job_has_verified(const struct jwt_job *job, const struct jws_key *key);

void job_free(struct jwt_job *job);

#endif
