/* A name and a password, in Authorization (RFC 7617). */
#include "pipeline/budget.h"
#include "pipeline/method.h"

#include "auth/basic_credential.h"
#include "base/hash.h"
#include "base/secret.h"

/* A request that waits for a password to be verified. */
struct waiter {
    struct exchange *exchange; /* held */
    const struct basic_settings *set;
    const struct basic_user *user; /* NULL: nobody has that name */
    struct waiter *next;
};

/* A verification under way, in the memory of the exchange that began it. Who sends the same meanwhile waits for the same. */
struct basic_check {
    struct password_job job;
    struct basic_check *next;
    struct worker *worker;
    unsigned char digest[API_KEY_DIGEST_SIZE];
    struct waiter first;
    char text[]; /* the password */
};

/* What a request says, and who it is about. */
struct login {
    const struct basic_settings *set;
    const struct basic_user *user; /* NULL: nobody has that name */
    struct slice password;
    unsigned char digest[API_KEY_DIGEST_SIZE];
};

/* No two sets of a route have a user in common. */
static bool find_user(const struct auth_use *use, struct slice user, struct login *out)
{
    for (size_t i = 0; i < use->names.count; i++) {
        const struct basic_settings *set = use->sources[i].settings;
        if (set == NULL) {
            return false;
        }
        out->set = i == 0 ? set : out->set;
        out->user = basic_find_user(set, user);
        if (out->user != NULL) {
            out->set = set;
            return true;
        }
    }
    return out->set != NULL;
}

/* ---- what a password that was right proves ---- */

static enum proof admit(struct exchange *exchange, const struct basic_settings *set,
                        const struct basic_user *user, struct principal *ret_principal)
{
    if (user->revoked || user->expires <= exchange->started_real / NS_PER_S) {
        return proof_wrong(exchange, DENY_BASIC_ENDED,
                           arena_printf(&exchange->arena, "%.*s: %s", SLICE_ARG(user->name),
                                        user->revoked ? "revoked" : "expired"));
    }
    basic_principal(set, user, ret_principal);
    return PROOF_VALID;
}

/* Of a name that nobody has, nothing is said: it may be a password that got into the wrong field. */
static enum proof refuse(struct exchange *exchange, const struct basic_user *user)
{
    struct slice detail = user != NULL
                              ? arena_printf(&exchange->arena, "%.*s: wrong password", SLICE_ARG(user->name))
                              : SLICE("no such user");
    return proof_wrong(exchange, DENY_BASIC_WRONG, detail);
}

/* ---- verification ---- */

static enum proof conclude(const struct basic_check *check, const struct waiter *waiter,
                           struct principal *ret_principal)
{
    if (failed(check->job.error)) {
        return proof_wrong(waiter->exchange, DENY_PASSWORDS_BUSY, slice_from_string(check->job.error.what));
    }
    return check->job.matches && waiter->user != NULL
               ? admit(waiter->exchange, waiter->set, waiter->user, ret_principal)
               : refuse(waiter->exchange, waiter->user);
}

static void tell(const struct basic_check *check, const struct waiter *waiter)
{
    struct exchange *exchange = waiter->exchange;
    struct principal principal;
    if (exchange->state == EXCHANGE_WAITING) { /* else it was answered meanwhile, or its client is gone */
        enum proof proof = conclude(check, waiter, &principal);
        authenticate_resume(exchange, proof, proof == PROOF_VALID ? &principal : NULL);
    } else if (!failed(check->job.error) && check->job.matches && waiter->user != NULL) {
        budget_settle(exchange, DENY_NONE);
    }
    exchange_pending_done(exchange);
}

static void remove_check(struct basic_check *check)
{
    struct basic_check **at = &check->worker->basic_checks;
    while (*at != check) {
        at = &(*at)->next;
    }
    *at = check->next;
}

static void on_verified(struct net_task *task)
{
    struct basic_check *check = (struct basic_check *)task;
    struct worker *worker = check->worker;
    const struct waiter *first = &check->first, *next = NULL;
    remove_check(check);
    secret_wipe(check->text, check->job.password.len);
    metrics_add(worker->metrics, METRIC_PASSWORDS_HASHED, failed(check->job.error) ? 0 : 1);
    if (!failed(check->job.error) && check->job.matches && first->user != NULL) {
        metrics_add(worker->metrics, METRIC_BASIC_CACHE_MISSES, 1);
        basic_cache_put(&worker->basic_cache, check->digest, worker->loop.now + first->set->cache);
    }
    for (const struct waiter *waiter = first->next; waiter != NULL; waiter = next) {
        next = waiter->next;
        tell(check, waiter);
    }
    tell(check, first); /* the last: `check` is its memory */
}

static struct basic_check *find_check(const struct worker *worker, const struct login *login)
{
    for (struct basic_check *check = worker->basic_checks; check != NULL; check = check->next) {
        if (memcmp(check->digest, login->digest, sizeof check->digest) == 0) {
            return check;
        }
    }
    return NULL;
}

static enum proof join(struct exchange *exchange, struct basic_check *check, const struct login *login)
{
    struct waiter *waiter = arena_alloc(&exchange->arena, sizeof *waiter);
    if (waiter == NULL) {
        return proof_wrong(exchange, DENY_INTERNAL, SLICE_NONE);
    }
    *waiter = (struct waiter){ exchange_hold(exchange), login->set, login->user, check->first.next };
    check->first.next = waiter;
    return PROOF_WAITING;
}

static uint64_t source_of(const struct exchange *exchange)
{
    struct address network = address_network(&exchange->client);
    return hash_bytes(network.bytes, sizeof network.bytes);
}

static struct basic_check *new_check(struct exchange *exchange, const struct login *login,
                                     const struct basic_user *verified)
{
    struct slice password = login->password;
    struct basic_check *check = arena_alloc(&exchange->arena, sizeof *check + password.len);
    if (check == NULL) {
        return NULL;
    }
    *check = (struct basic_check){
        .job = { .task = { .run = on_verified },
                 .loop = &exchange->worker->loop,
                 .hash = verified->hash,
                 .password = { check->text, password.len },
                 .source = source_of(exchange) },
        .worker = exchange->worker,
        .first = { exchange, login->set, login->user, NULL },
    };
    memcpy(check->digest, login->digest, sizeof check->digest);
    if (password.len > 0) {
        memcpy(check->text, password.ptr, password.len);
    }
    return check;
}

/* Who has no account is compared with somebody else's hash: the answer must not come sooner. */
static enum proof verify(struct exchange *exchange, const struct login *login, struct slice name)
{
    struct worker *worker = exchange->worker;
    struct basic_check *check = find_check(worker, login);
    if (check != NULL) {
        return join(exchange, check, login);
    }
    const struct basic_user *verified =
        login->user != NULL ? login->user : basic_find_decoy(login->set, name);
    if (verified == NULL) {
        return refuse(exchange, NULL); /* nobody is in there at all */
    }
    enum deny_reason reason = budget_verify_password(exchange, login->set->name, name);
    if (reason != DENY_NONE) {
        return proof_wrong(exchange, reason, SLICE_NONE);
    }
    check = new_check(exchange, login, verified);
    if (check == NULL) {
        return proof_wrong(exchange, DENY_INTERNAL, SLICE_NONE);
    }
    exchange_hold(exchange);
    if (!password_pool_submit(worker->passwords, &check->job)) {
        exchange_pending_done(exchange);
        secret_wipe(check->text, login->password.len);
        metrics_add(worker->metrics, METRIC_PASSWORDS_REFUSED, 1);
        return proof_wrong(exchange, DENY_PASSWORDS_BUSY, SLICE_NONE);
    }
    check->next = worker->basic_checks;
    worker->basic_checks = check;
    return PROOF_WAITING;
}

static enum proof prove_login(struct exchange *exchange, const struct auth_use *use,
                              const struct basic_credential *credential, struct slice text,
                              struct principal *ret_principal)
{
    struct worker *worker = exchange->worker;
    struct login login = { .password = credential->password };
    if (!find_user(use, credential->user, &login) ||
        !basic_cache_digest(&worker->basic_cache, login.user, text, login.digest)) {
        return proof_wrong(exchange, DENY_INTERNAL, SLICE_NONE);
    }
    if (login.user != NULL &&
        basic_cache_knows(&worker->basic_cache, login.digest, worker->loop.now, login.set->cache)) {
        metrics_add(worker->metrics, METRIC_BASIC_CACHE_HITS, 1);
        return admit(exchange, login.set, login.user, ret_principal);
    }
    return verify(exchange, &login, credential->user);
}

static enum proof prove(struct exchange *exchange, const struct auth_use *use,
                        struct principal *ret_principal)
{
    struct slice sent;
    enum deny_reason reason = basic_credential_find(&exchange->input.headers, &sent);
    if (reason != DENY_NONE) {
        return proof_wrong(exchange, reason, SLICE_NONE);
    }
    if (sent.ptr == NULL) {
        return PROOF_ABSENT;
    }
    char room[BASIC_DECODED_MAX];
    struct basic_credential credential;
    enum proof proof = PROOF_WRONG;
    if (basic_credential_decode(sent, room, &credential)) {
        struct slice text = slice_of(room, credential.user.len + 1 + credential.password.len);
        proof = prove_login(exchange, use, &credential, text, ret_principal);
    } else {
        proof = proof_wrong(exchange, DENY_CREDENTIAL_MALFORMED, SLICE("no name and password"));
    }
    secret_wipe(room, sizeof room);
    return proof;
}

static bool challenge(struct buffer *out, const struct exchange *exchange)
{
    return basic_challenge(out, exchange_policy(exchange)->auth->realm);
}

const struct method method_basic = {
    .prove = prove,
    .challenge = challenge,
};
