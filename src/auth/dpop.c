#include "auth/dpop.h"

#include <stdlib.h>

#include "auth/dpop_verifier.h"

struct dpop_job {
    struct jws_detached detached;
    bool verified;
};

struct error dpop_verifier_new(const unsigned char *secret, struct dpop_verifier **ret_verifier)
{
    struct dpop_verifier *verifier = calloc(1, sizeof *verifier);
    if (verifier == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a verifier of proofs");
    }
    verifier->nonces.secret = secret;
    arena_init(&verifier->scratch, DPOP_TREE_MAX);
    struct error error = jws_crypto_init(&verifier->crypto);
    if (failed(error)) {
        dpop_verifier_free(verifier);
        return error;
    }
    *ret_verifier = verifier;
    return OK;
}

void dpop_verifier_free(struct dpop_verifier *verifier)
{
    if (verifier == NULL) {
        return;
    }
    dpop_keys_done(&verifier->keys);
    arena_done(&verifier->scratch);
    jws_crypto_done(&verifier->crypto);
    free(verifier);
}

static enum dpop_outcome denied(enum deny_reason reason, enum deny_reason *ret_reason)
{
    *ret_reason = reason;
    return DPOP_DENIED;
}

static enum dpop_outcome plan(struct dpop_verifier *verifier, const struct jws_key *key,
                              const struct jws *jws, enum deny_reason *ret_reason, struct dpop_job **ret_job)
{
    struct dpop_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return denied(DENY_INTERNAL, ret_reason);
    }
    if (!jws_detach(&verifier->crypto, key, jws->algorithm, jws->signing_input, jws->signature,
                    &job->detached)) {
        free(job);
        return denied(DENY_DPOP_SIGNATURE, ret_reason);
    }
    *ret_job = job;
    return DPOP_SLOW;
}

static enum dpop_outcome look(struct dpop_verifier *verifier, const struct jws_key *key,
                              const struct jws *jws, enum deny_reason *ret_reason, struct dpop_job **ret_job)
{
    if (!jws_key_fits(key, jws->algorithm)) {
        return denied(DENY_DPOP_KEY, ret_reason);
    }
    if (jws_algorithms[jws->algorithm].is_slow) {
        return plan(verifier, key, jws, ret_reason, ret_job);
    }
    return jws_verify(&verifier->crypto, key, jws->algorithm, jws->signing_input, jws->signature)
               ? DPOP_VALID
               : denied(DENY_DPOP_SIGNATURE, ret_reason);
}

/* The text is taken apart again: what was made of it at first went with the next proof that was read. */
enum dpop_outcome dpop_verify(struct dpop_verifier *verifier, const struct dpop_proof *proof,
                              enum deny_reason *ret_reason, struct dpop_job **ret_job)
{
    struct jws jws;
    arena_reset(&verifier->scratch);
    if (jws_parse(proof->text, &verifier->scratch, &jws) != DENY_NONE) {
        return denied(DENY_INTERNAL, ret_reason);
    }
    struct jws_key *key = dpop_keys_find(&verifier->keys, proof->key);
    bool known = key != NULL;
    if (!known) {
        key = dpop_read_key(verifier, &jws, proof->key, ret_reason);
    }
    if (key == NULL) {
        return DPOP_DENIED;
    }
    enum dpop_outcome outcome = look(verifier, key, &jws, ret_reason, ret_job);
    if (!known && outcome == DPOP_VALID) {
        dpop_keys_put(&verifier->keys, key);
    } else if (!known) {
        jws_key_free(key);
    }
    return outcome;
}

void dpop_job_run(struct dpop_job *job)
{
    job->verified = jws_detached_verify(&job->detached);
}

enum deny_reason dpop_job_finish(struct dpop_job *job)
{
    enum deny_reason reason = job->verified ? DENY_NONE : DENY_DPOP_SIGNATURE;
    jws_detached_done(&job->detached);
    free(job);
    return reason;
}

struct slice dpop_nonce(struct dpop_verifier *verifier, const struct dpop_settings *settings, int64_t now)
{
    return dpop_nonces_at(&verifier->nonces, settings->nonce_lifetime, now)
               ? dpop_nonce_current(&verifier->nonces)
               : SLICE_NONE;
}

struct slice dpop_algs(const struct dpop_settings *settings, char out[DPOP_ALGS_MAX])
{
    static const struct slice names[JWT_ALGORITHM_COUNT] = {
#define ALGORITHM_NAME(id, text) [JWT_##id] = SLICE_INIT(text),
        JWT_ALGORITHMS(ALGORITHM_NAME)
#undef ALGORITHM_NAME
    };
    size_t used = 0;
    for (int i = 0; i < JWT_ALGORITHM_COUNT; i++) {
        if (((settings->algorithms >> i) & 1) == 0 || used + 1 + names[i].len > DPOP_ALGS_MAX) {
            continue;
        }
        if (used > 0) {
            out[used++] = ' ';
        }
        memcpy(out + used, names[i].ptr, names[i].len);
        used += names[i].len;
    }
    return slice_of(out, used);
}
