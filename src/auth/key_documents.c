/* Key sets as documents: whether one is good, the last good one of an issuer, and how that goes from process to process. */
#include "auth/key_source_state.h"

#include "auth/jwt.h"
#include "base/arena.h"
#include "base/limits.h"
#include "json/json.h"

#include <stdlib.h>

#define LONGEST_AGO (INT64_C(100) * 365 * 86400 * NS_PER_S)

const char *key_document_check(struct slice text)
{
    struct arena arena;
    struct json *document = NULL;
    arena_init(&arena, KEY_DOCUMENT_ARENA);
    struct error error = json_parse(text, JSON_DEPTH_MAX, &arena, &document, NULL);
    const struct json *keys = failed(error) ? NULL : json_get(document, SLICE("keys"));
    const char *wrong = NULL;
    size_t used = 0;
    if (failed(error)) {
        wrong = error.kind == ERROR_MEMORY ? "the document is too complex" : "the document is not JSON";
    } else if (keys == NULL || keys->type != JSON_ARRAY) {
        wrong = "the document is no key set: it has no array `keys`";
    } else if (failed(jwt_keys_check(text, &used)) || used == 0) {
        wrong = "the key set holds no key that can be used";
    }
    arena_done(&arena);
    return wrong;
}

void key_issuer_forget(struct key_issuer *issuer)
{
    free(issuer->document);
    issuer->document = NULL;
    issuer->document_size = 0;
}

void key_issuer_keep(struct key_issuer *issuer, struct slice text)
{
    key_issuer_forget(issuer);
    issuer->document = malloc(text.len);
    if (issuer->document != NULL) {
        memcpy(issuer->document, text.ptr, text.len);
        issuer->document_size = text.len;
    }
}

/* ---- from process to process ---- */

static struct key_document document_of(const struct key_issuer *issuer)
{
    return (struct key_document){
        .issuer_name = issuer->wanted->name,
        .source = issuer->wanted->source,
        .text = slice_of(issuer->document, issuer->document_size),
        .failing_since = issuer->failures > 0 ? issuer->failing_since : 0,
        .fetched_at = issuer->fetched_at,
        .issuer = issuer->wanted->issuer,
    };
}

void key_source_export(const struct key_source *source,
                       void (*each)(void *context, const struct key_document *document), void *context)
{
    for (const struct key_issuer *issuer = source->issuers; issuer != NULL; issuer = issuer->next) {
        struct key_document document = document_of(issuer);
        if (issuer->document != NULL) {
            each(context, &document);
        }
    }
}

bool key_source_document(const struct key_source *source, struct slice issuer_name, struct key_document *out)
{
    const struct key_issuer *issuer = key_source_find(source, issuer_name);
    if (issuer == NULL || issuer->document == NULL) {
        return false;
    }
    *out = document_of(issuer);
    return true;
}

/* Its times are sound. */
static const char *take_over(struct key_source *source, const struct key_document *document,
                             enum key_source_event event)
{
    struct key_issuer *issuer = key_source_find(source, document->issuer_name);
    if (issuer == NULL || issuer->has_keys) {
        return "the issuer needs none";
    }
    if (!slice_equal(issuer->wanted->source, document->source) ||
        (event == KEYS_RESTORED && !slice_equal(issuer->wanted->issuer, document->issuer))) {
        return "the keys are another issuer's, or come from another place than is configured";
    }
    const char *problem =
        document->text.len > JWKS_TEXT_MAX ? "the key set is too large" : key_document_check(document->text);
    if (problem != NULL) {
        return problem;
    }
    /* One that failed there goes on failing: its time is not given anew by each change of the process. */
    issuer->failures = document->failing_since != 0 ? 1 : 0;
    issuer->failing_since = document->failing_since;
    issuer->fetched_at = document->fetched_at;
    issuer->has_keys = true;
    if (key_issuer_stale_at(issuer) <= source->loop->now) {
        issuer->failures = 0;
        issuer->has_keys = false;
        return "the keys are older than jwks_stale";
    }
    key_issuer_keep(issuer, document->text);
    key_issuer_report(issuer, event, document->text);
    key_source_schedule(source);
    return NULL;
}

static bool is_past(const struct key_source *source, int64_t when)
{
    return when >= 0 && when <= source->loop->now;
}

void key_source_inherit(struct key_source *source, const struct key_document *document)
{
    if (is_past(source, document->failing_since) && is_past(source, document->fetched_at)) {
        (void)take_over(source, document, KEYS_INHERITED);
    }
}

const char *key_source_restore(struct key_source *source, const struct key_document *document, int64_t age)
{
    struct key_document restored = *document;
    if (age < 0 || age > LONGEST_AGO / NS_PER_S) {
        return "the keys are of no time that can be";
    }
    /* Before the machine was started, perhaps: then it is below zero. */
    restored.fetched_at = source->loop->now - age * NS_PER_S;
    restored.failing_since = restored.fetched_at;
    return take_over(source, &restored, KEYS_RESTORED);
}
