#include "auth/job.h"

#include <stdlib.h>

struct attempt {
    struct jws_detached detached;
    unsigned char thumbprint[JWS_THUMBPRINT_SIZE];
    bool verified;
};

struct jwt_job {
    struct attempt attempts[JWT_KEYS_TRIED_MAX];
    size_t count;
    struct jwt_request request;
    unsigned char digest[32];
    unsigned char client_thumbprint[32], proof_key[32];
    char *token; /* own copy */
};

static bool is_planned(const struct jwt_job *job, const struct jws_key *key)
{
    for (size_t i = 0; i < job->count; i++) {
        if (memcmp(job->attempts[i].thumbprint, key->thumbprint, JWS_THUMBPRINT_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

static void add_attempt(struct jwt_job *job, struct jws_crypto *crypto, const struct jws *jws,
                        const struct jws_key *key)
{
    if (job->count == JWT_KEYS_TRIED_MAX || is_planned(job, key)) {
        return;
    }
    struct attempt *attempt = &job->attempts[job->count];
    if (jws_detach(crypto, key, jws->algorithm, jws->signing_input, jws->signature, &attempt->detached)) {
        memcpy(attempt->thumbprint, key->thumbprint, sizeof attempt->thumbprint);
        job->count++;
    }
}

enum deny_reason job_plan(struct jwt_job **job, struct jws_crypto *crypto, const struct jws *jws,
                          const struct jws_key *const *keys, size_t count)
{
    if (jws->signature.len != jws_algorithms[jws->algorithm].signature_size) {
        return DENY_TOKEN_SIGNATURE;
    }
    if (*job == NULL) {
        *job = calloc(1, sizeof **job);
        if (*job == NULL) {
            return DENY_INTERNAL;
        }
    }
    for (size_t i = 0; i < count; i++) {
        add_attempt(*job, crypto, jws, keys[i]);
    }
    return DENY_NONE;
}

bool job_take_request(struct jwt_job *job, const struct jwt_request *request, const unsigned char digest[32])
{
    job->token = malloc(request->token.len);
    if (job->token == NULL) {
        return false;
    }
    memcpy(job->token, request->token.ptr, request->token.len);
    memcpy(job->digest, digest, sizeof job->digest);
    job->request = *request;
    job->request.token.ptr = job->token;
    if (request->client_thumbprint != NULL) {
        memcpy(job->client_thumbprint, request->client_thumbprint, sizeof job->client_thumbprint);
        job->request.client_thumbprint = job->client_thumbprint;
    }
    if (request->proof_key != NULL) {
        memcpy(job->proof_key, request->proof_key, sizeof job->proof_key);
        job->request.proof_key = job->proof_key;
    }
    return true;
}

const struct jwt_request *job_request(const struct jwt_job *job)
{
    return &job->request;
}

const unsigned char *job_digest(const struct jwt_job *job)
{
    return job->digest;
}

void jwt_job_run(struct jwt_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        struct attempt *attempt = &job->attempts[i];
        attempt->verified = jws_detached_verify(&attempt->detached);
        if (attempt->verified) {
            return;
        }
    }
}

bool job_has_verified(const struct jwt_job *job, const struct jws_key *key)
{
    for (size_t i = 0; i < job->count; i++) {
        const struct attempt *attempt = &job->attempts[i];
        if (attempt->verified && memcmp(attempt->thumbprint, key->thumbprint, JWS_THUMBPRINT_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

void job_free(struct jwt_job *job)
{
    if (job == NULL) {
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        jws_detached_done(&job->attempts[i].detached);
    }
    free(job->token);
    free(job);
}
