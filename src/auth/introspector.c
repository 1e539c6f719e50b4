#include "auth/introspector.h"

#include "auth/denials.h"
#include "base/digest_cache.h"
#include "base/limits.h"
#include "base/map.h"

#include <stdlib.h>

/* One of the configuration's endpoints. */
struct endpoint {
    struct endpoint *next;
    uint64_t id; /* never used again: what another one said counts for no later one */
    bool is_set; /* since the last sweep */
    struct slice name;
    unsigned char identity[TOKEN_DIGEST_SIZE]; /* of the settings that what is kept depends on */
    const struct introspection_settings *settings;
    char text[];
};

/* A question that is under way. */
struct flight {
    struct flight *next;
    uint64_t endpoint_id;
    unsigned char digest[TOKEN_DIGEST_SIZE];
    struct introspection_wait *first, **last;
};

struct introspector {
    struct jws_crypto crypto;
    struct digest_cache active; /* tokens, by the SHA-256 of the whole and the id of the endpoint */
    struct denials inactive;
    struct arena scratch; /* of the answer that is read */
    struct map by_name;   /* struct endpoint */
    struct endpoint *endpoints;
    struct flight *flights;
    size_t flight_count, wait_count;
    uint64_t last_id;
    introspector_ask *ask;
    void *context;
};

struct error introspector_new(size_t cache_entries, introspector_ask *ask, void *context,
                              struct introspector **ret_introspector)
{
    struct introspector *introspector = calloc(1, sizeof *introspector);
    if (introspector == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for introspected tokens");
    }
    arena_init(&introspector->scratch, JWT_TREE_MAX);
    map_init(&introspector->by_name);
    introspector->ask = ask;
    introspector->context = context;
    struct error error = jws_crypto_init(&introspector->crypto);
    if (!failed(error) && (!digest_cache_init(&introspector->active, cache_entries, token_release) ||
                           !denials_init(&introspector->inactive))) {
        error = FAIL(ERROR_MEMORY, "no memory for introspected tokens");
    }
    if (failed(error)) {
        introspector_free(introspector);
        return error;
    }
    *ret_introspector = introspector;
    return OK;
}

void introspector_free(struct introspector *introspector)
{
    if (introspector == NULL) {
        return;
    }
    for (struct flight *flight = introspector->flights, *next; flight != NULL; flight = next) {
        next = flight->next;
        free(flight);
    }
    for (struct endpoint *endpoint = introspector->endpoints, *next; endpoint != NULL; endpoint = next) {
        next = endpoint->next;
        free(endpoint);
    }
    digest_cache_done(&introspector->active);
    denials_done(&introspector->inactive);
    map_done(&introspector->by_name);
    arena_done(&introspector->scratch);
    jws_crypto_done(&introspector->crypto);
    free(introspector);
}

/* ---- endpoints ---- */

static void forget(struct introspector *introspector, uint64_t endpoint_id)
{
    digest_cache_sweep(&introspector->active, endpoint_id, NULL, NULL);
    denials_forget(&introspector->inactive, endpoint_id);
}

/* Whom is asked, as whom, and what is made of the answer once: all else is looked at anew for every request. */
static bool identify(struct introspector *introspector, const struct introspection_settings *settings,
                     unsigned char out[TOKEN_DIGEST_SIZE])
{
    const struct slice parts[] = { settings->endpoint, settings->client_id, settings->roles_claim,
                                   settings->issuer };
    EVP_MD_CTX *context = introspector->crypto.digest[JWS_SHA256];
    bool good = EVP_DigestInit_ex2(context, introspector->crypto.md[JWS_SHA256], NULL) == 1;
    for (size_t i = 0; good && i < sizeof parts / sizeof *parts; i++) {
        good = EVP_DigestUpdate(context, &parts[i].len, sizeof parts[i].len) == 1 &&
               EVP_DigestUpdate(context, parts[i].ptr, parts[i].len) == 1;
    }
    return good && EVP_DigestFinal_ex(context, out, NULL) == 1;
}

static struct endpoint *new_endpoint(struct introspector *introspector, struct slice name)
{
    struct endpoint *endpoint = calloc(1, sizeof *endpoint + name.len);
    if (endpoint == NULL) {
        return NULL;
    }
    memcpy(endpoint->text, name.ptr, name.len);
    endpoint->name = slice_of(endpoint->text, name.len);
    if (!map_put(&introspector->by_name, endpoint->name, endpoint)) {
        free(endpoint);
        return NULL;
    }
    endpoint->next = introspector->endpoints;
    introspector->endpoints = endpoint;
    return endpoint;
}

struct error introspector_set(struct introspector *introspector,
                              const struct introspection_settings *settings)
{
    unsigned char identity[TOKEN_DIGEST_SIZE];
    struct endpoint *endpoint = map_get(&introspector->by_name, settings->name);
    if (!identify(introspector, settings, identity)) {
        return FAIL(ERROR_CRYPTO, "cannot compute a digest");
    }
    if (endpoint == NULL) {
        endpoint = new_endpoint(introspector, settings->name);
    }
    if (endpoint == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for an introspection endpoint");
    }
    if (endpoint->id == 0 || memcmp(endpoint->identity, identity, sizeof identity) != 0) {
        forget(introspector, endpoint->id);
        endpoint->id = ++introspector->last_id;
        memcpy(endpoint->identity, identity, sizeof identity);
    } else if (settings->cache_inactive != endpoint->settings->cache_inactive) {
        denials_forget(&introspector->inactive, endpoint->id);
    }
    endpoint->settings = settings;
    endpoint->is_set = true;
    return OK;
}

void introspector_sweep(struct introspector *introspector)
{
    for (struct endpoint **link = &introspector->endpoints; *link != NULL;) {
        struct endpoint *endpoint = *link;
        if (endpoint->is_set) {
            endpoint->is_set = false;
            link = &endpoint->next;
            continue;
        }
        *link = endpoint->next;
        map_remove(&introspector->by_name, endpoint->name);
        forget(introspector, endpoint->id);
        free(endpoint);
    }
}

static const struct endpoint *endpoint_by_id(const struct introspector *introspector, uint64_t id)
{
    const struct endpoint *endpoint = introspector->endpoints;
    while (endpoint != NULL && endpoint->id != id) {
        endpoint = endpoint->next;
    }
    return endpoint;
}

/* ---- asking ---- */

static enum introspection_outcome deny(struct introspection_detail *detail, enum deny_reason reason)
{
    detail->reason = reason;
    return INTROSPECTION_DENIED;
}

static struct flight **find_flight(struct introspector *introspector, uint64_t endpoint_id,
                                   const unsigned char *digest)
{
    struct flight **link = &introspector->flights;
    while (*link != NULL &&
           ((*link)->endpoint_id != endpoint_id || memcmp((*link)->digest, digest, TOKEN_DIGEST_SIZE) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

static void add_wait(struct introspector *introspector, struct flight *flight,
                     struct introspection_wait *wait)
{
    wait->next = NULL;
    *flight->last = wait;
    flight->last = &wait->next;
    introspector->wait_count++;
}

static bool send_question(struct introspector *introspector, const struct endpoint *endpoint,
                          const struct introspection_request *request, const unsigned char *digest,
                          bool is_known)
{
    struct introspection_question *question = introspection_question_new(endpoint->name, request->token);
    if (question == NULL) {
        return false;
    }
    question->endpoint_id = endpoint->id;
    question->is_known = is_known;
    question->born = request->now_ns;
    memcpy(question->digest, digest, sizeof question->digest);
    if (!introspector->ask(introspector->context, question)) {
        introspection_question_free(question);
        return false;
    }
    return true;
}

static enum introspection_outcome
start_flight(struct introspector *introspector, const struct endpoint *endpoint,
             const struct introspection_request *request, const unsigned char *digest, bool is_known,
             struct introspection_detail *detail, struct introspection_wait *wait)
{
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) {
        return deny(detail, DENY_INTERNAL);
    }
    flight->endpoint_id = endpoint->id;
    flight->last = &flight->first;
    memcpy(flight->digest, digest, sizeof flight->digest);
    if (!send_question(introspector, endpoint, request, digest, is_known)) {
        free(flight);
        return deny(detail, DENY_INTROSPECTION_UNAVAILABLE);
    }
    flight->next = introspector->flights;
    introspector->flights = flight;
    introspector->flight_count++;
    add_wait(introspector, flight, wait);
    return INTROSPECTION_WAITING;
}

/* One question for each token: the others wait for its answer, too. */
static enum introspection_outcome ask(struct introspector *introspector, const struct endpoint *endpoint,
                                      const struct introspection_request *request,
                                      const unsigned char *digest, bool is_known,
                                      struct introspection_detail *detail, struct introspection_wait *wait)
{
    if (introspector->wait_count >= INTROSPECTION_WAITS_MAX) {
        return deny(detail, DENY_INTROSPECTION_BUSY);
    }
    struct flight *flight = *find_flight(introspector, endpoint->id, digest);
    if (flight != NULL) {
        add_wait(introspector, flight, wait);
        return INTROSPECTION_WAITING;
    }
    if (introspector->flight_count >= INTROSPECTION_QUESTIONS_MAX) {
        return deny(detail, DENY_INTROSPECTION_BUSY);
    }
    return start_flight(introspector, endpoint, request, digest, is_known, detail, wait);
}

enum introspection_outcome introspector_check(struct introspector *introspector,
                                              const struct introspection_request *request,
                                              struct jwt_token **ret_token,
                                              struct introspection_detail *ret_detail,
                                              struct introspection_wait *wait)
{
    unsigned char digest[TOKEN_DIGEST_SIZE];
    const struct endpoint *endpoint = map_get(&introspector->by_name, request->settings->name);
    *ret_detail = (struct introspection_detail){ .reason = DENY_NONE };
    if (request->token.len > JWT_TEXT_MAX) {
        return deny(ret_detail, DENY_TOKEN_TOO_LARGE);
    }
    if (endpoint == NULL || !token_digest(request->token, digest)) {
        return deny(ret_detail, DENY_INTERNAL);
    }
    const struct digest_cache_entry *entry = digest_cache_find(&introspector->active, digest, endpoint->id);
    struct jwt_token *token = entry != NULL ? entry->value : NULL;
    if (token != NULL && request->now_ns < token->believed_until) {
        ret_detail->cached = true;
        enum deny_reason reason = introspection_check(&token->claims, request->settings, &request->moment);
        if (reason != DENY_NONE) {
            return deny(ret_detail, reason);
        }
        *ret_token = token_ref(token);
        return INTROSPECTION_VALID;
    }
    enum deny_reason known = denials_find(&introspector->inactive, digest, endpoint->id, request->now_ns);
    if (known != DENY_NONE) {
        ret_detail->cached = true;
        return deny(ret_detail, known);
    }
    /* What was active a moment ago is no guess. */
    enum deny_reason gate = token != NULL ? DENY_NONE : verification_gate_pass(&request->gate);
    return gate != DENY_NONE ? deny(ret_detail, gate)
                             : ask(introspector, endpoint, request, digest, token != NULL, ret_detail, wait);
}

/* ---- answers ---- */

/* All who wait get it; the flight is over. */
static void land(struct introspector *introspector, struct flight **link, struct jwt_token *token,
                 const struct introspection_detail *detail)
{
    struct flight *flight = *link;
    *link = flight->next;
    introspector->flight_count--;
    for (struct introspection_wait *wait = flight->first, *next; wait != NULL; wait = next) {
        next = wait->next;
        introspector->wait_count--;
        wait->done(wait, token != NULL ? token_ref(token) : NULL, detail);
    }
    free(flight);
}

static int64_t until(const struct jwt_token *token, const struct introspection_settings *settings,
                     int64_t asked_at, int64_t now)
{
    int64_t life = settings->cache;
    if (token->claims.has_expires && token->claims.expires - now < life / NS_PER_S + 1) {
        int64_t left = (token->claims.expires - now) * NS_PER_S;
        life = left < life ? left : life;
    }
    return asked_at + (life > 0 ? life : 0);
}

/* One that is over by its exp, and that the endpoint calls active all the same, will never be good: that is known, too. */
static void keep(struct introspector *introspector, const struct endpoint *endpoint,
                 const struct introspection_question *question, int64_t now, struct jwt_token *token)
{
    const struct introspection_settings *settings = endpoint->settings;
    const struct claims *claims = &token->claims;
    if (claims->has_expires && now >= claims->expires + settings->clock_skew / NS_PER_S) {
        denials_put(&introspector->inactive, question->digest, endpoint->id,
                    question->asked_at + settings->cache_inactive, DENY_TOKEN_EXPIRED);
        return;
    }
    token->believed_until = until(token, settings, question->asked_at, now);
    if (token->size <= JWT_CACHED_MAX) {
        digest_cache_put(&introspector->active, question->digest, endpoint->id, token_ref(token));
    }
}

/* A token of what the endpoint said, kept for the next time. NULL: detail->reason. */
static struct jwt_token *take_answer(struct introspector *introspector, const struct endpoint *endpoint,
                                     const struct introspection_question *question, int64_t now,
                                     struct introspection_detail *detail)
{
    const struct introspection_settings *settings = endpoint->settings;
    struct json *payload = NULL;
    arena_reset(&introspector->scratch);
    detail->reason = introspection_answer_read(question->body, &introspector->scratch, &payload);
    if (detail->reason == DENY_NONE &&
        claims_roles(payload, settings->roles_claim, NULL, 0) > JWT_SCOPES_MAX) {
        detail->reason = DENY_INTROSPECTION_ANSWER;
    }
    if (detail->reason == DENY_TOKEN_INACTIVE) {
        denials_put(&introspector->inactive, question->digest, endpoint->id,
                    question->asked_at + settings->cache_inactive, DENY_TOKEN_INACTIVE);
    }
    if (detail->reason != DENY_NONE) {
        return NULL;
    }
    char issuer[128];
    int size = snprintf(issuer, sizeof issuer, "introspection:%.*s", SLICE_ARG(endpoint->name));
    const struct token_source source = {
        .name = endpoint->name,
        .issuer = slice_of(issuer, (size_t)size < sizeof issuer ? (size_t)size : sizeof issuer - 1),
        .roles_claim = settings->roles_claim,
    };
    struct jwt_token *token = token_new(&introspector->crypto, payload, &source);
    if (token == NULL) {
        detail->reason = DENY_INTERNAL;
        return NULL;
    }
    keep(introspector, endpoint, question, now, token);
    return token;
}

/* While the endpoint cannot be asked, one that was active is believed for longer: held, or NULL. */
static struct jwt_token *find_stale(struct introspector *introspector, const struct endpoint *endpoint,
                                    const struct introspection_question *question, int64_t now_ns)
{
    const struct digest_cache_entry *entry =
        digest_cache_find(&introspector->active, question->digest, endpoint->id);
    struct jwt_token *token = entry != NULL ? entry->value : NULL;
    bool good = token != NULL && endpoint->settings->stale > 0 &&
                now_ns < token->believed_until + endpoint->settings->stale;
    return good ? token_ref(token) : NULL;
}

/* What was active and is not any more goes at once. */
static void drop(struct introspector *introspector, const struct endpoint *endpoint,
                 const unsigned char *digest)
{
    struct digest_cache_entry *entry = digest_cache_find(&introspector->active, digest, endpoint->id);
    if (entry != NULL) {
        digest_cache_remove(&introspector->active, entry);
    }
}

static struct jwt_token *conclude(struct introspector *introspector,
                                  const struct introspection_question *question, int64_t now, int64_t now_ns,
                                  struct introspection_detail *detail)
{
    const struct endpoint *endpoint = endpoint_by_id(introspector, question->endpoint_id);
    struct jwt_token *token = NULL;
    if (endpoint == NULL) { /* the endpoint is another one by now: its answers are not this one's */
        detail->reason = DENY_INTROSPECTION_UNAVAILABLE;
        return NULL;
    }
    detail->reason = question->reason;
    if (detail->reason == DENY_NONE) {
        token = take_answer(introspector, endpoint, question, now, detail);
    }
    if (detail->reason == DENY_TOKEN_INACTIVE) {
        drop(introspector, endpoint, question->digest);
    } else if (detail->reason != DENY_NONE) {
        token = find_stale(introspector, endpoint, question, now_ns);
        detail->stale = token != NULL;
    }
    return token;
}

void introspector_answer(struct introspector *introspector, struct introspection_question *question,
                         int64_t now, int64_t now_ns)
{
    struct introspection_detail detail = { .reason = DENY_NONE };
    struct jwt_token *token = conclude(introspector, question, now, now_ns, &detail);
    struct flight **link = find_flight(introspector, question->endpoint_id, question->digest);
    if (*link != NULL) {
        land(introspector, link, token, &detail);
    }
    jwt_token_unref(token);
    introspection_question_free(question);
}

void introspector_give_up(struct introspector *introspector)
{
    const struct introspection_detail detail = { .reason = DENY_INTROSPECTION_UNAVAILABLE };
    while (introspector->flights != NULL) {
        land(introspector, &introspector->flights, NULL, &detail);
    }
}

void introspection_principal(struct jwt_token *token, struct principal *out)
{
    jwt_principal(token, out);
    out->kind = PRINCIPAL_INTROSPECTION;
    out->expires = token->claims.has_expires ? token->claims.expires : INT64_MAX;
}

size_t introspector_count(const struct introspector *introspector)
{
    return introspector->active.count;
}
