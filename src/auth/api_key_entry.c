#include "auth/api_key_entry.h"

#include "auth/token.h"
#include "base/limits.h"
#include "json/writer.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define SCRATCH_MAX (64 * 1024) /* bytes: texts are of KEY_RECORD_TEXT at the most */

static void write_tags(struct json_writer *writer, struct slice tags)
{
    struct slice name;
    json_name(writer, SLICE("tags"));
    json_array_begin(writer);
    while (tags.ptr != NULL && slice_next(&tags, ' ', &name)) {
        if (name.len > 0) {
            json_string(writer, name);
        }
    }
    json_array_end(writer);
}

/* So that claim rules, limits by claim and relayed headers need not know what kind of caller this is. */
static struct json *make_claims(const struct key_record *record, struct arena *scratch)
{
    struct buffer text;
    struct json_writer writer;
    buffer_init(&text, SCRATCH_MAX);
    json_writer_init(&writer, &text);
    json_object_begin(&writer);
    json_member_string(&writer, SLICE("sub"), record->consumer);
    json_member_string(&writer, SLICE("consumer"), record->consumer);
    json_member_string(&writer, SLICE("key_id"), record->id);
    json_member_string(&writer, SLICE("scope"), record->scopes);
    write_tags(&writer, record->tags);
    json_object_end(&writer);
    struct slice copy = arena_copy(scratch, buffer_slice(&text));
    struct json *claims = NULL;
    bool good = !writer.failed && copy.ptr != NULL &&
                !failed(json_parse(copy, JSON_DEPTH_MAX, scratch, &claims, NULL));
    buffer_done(&text);
    return good ? claims : NULL;
}

/* A consumer is one caller whatever key it uses. */
static bool make_caller_key(struct api_key *key, struct arena *scratch)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct slice set = arena_printf(scratch, "api_keys:%.*s", SLICE_ARG(key->set_name));
    bool good = context != NULL && set.ptr != NULL &&
                caller_key_make(context, EVP_sha256(), set, key->record.consumer, SLICE(""), key->caller_key);
    EVP_MD_CTX_free(context);
    return good;
}

/* ---- one piece of memory: the key, its claims, its list of scopes, its texts ---- */

#define TEXTS 8

static void list_texts(struct api_key *key, struct slice *out[TEXTS])
{
    struct key_record *record = &key->record;
    struct slice *const texts[TEXTS] = { &key->set_name,    &record->id,          &record->pepper_id,
                                         &record->consumer, &record->description, &record->scopes,
                                         &record->tags,     &record->replaces };
    memcpy(out, texts, sizeof texts);
}

static size_t rounded(size_t size)
{
    return (size + 15) / 16 * 16;
}

static size_t count_names(struct slice names)
{
    size_t count = 1;
    for (size_t i = 0; i < names.len; i++) {
        count += names.ptr[i] == ' ';
    }
    return count;
}

static void sort_scopes(struct api_key *key, struct slice *scopes)
{
    struct slice rest = key->record.scopes, name;
    size_t count = 0;
    while (rest.ptr != NULL && slice_next(&rest, ' ', &name)) {
        if (name.len > 0) {
            scopes[count++] = name;
        }
    }
    key->scopes = scopes;
    key->scope_count = slices_sort(scopes, count);
}

static struct api_key *copy_out(const struct api_key *draft, const struct json *claims)
{
    struct slice *texts[TEXTS];
    struct api_key measured = *draft;
    size_t claims_at = rounded(sizeof measured);
    size_t scopes_at = claims_at + rounded(json_flat_size(claims));
    size_t texts_at = scopes_at + count_names(draft->record.scopes) * sizeof(struct slice);
    size_t size = texts_at;
    list_texts(&measured, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        size += texts[i]->len;
    }
    char *memory = malloc(size);
    if (memory == NULL) {
        return NULL;
    }
    struct api_key *key = (struct api_key *)(void *)memory;
    *key = *draft;
    key->references = 1;
    key->claims = json_flat_copy(claims, memory + claims_at);
    list_texts(key, texts);
    char *at = memory + texts_at;
    for (size_t i = 0; i < TEXTS; i++) {
        if (texts[i]->len > 0) {
            memcpy(at, texts[i]->ptr, texts[i]->len);
        }
        texts[i]->ptr = at;
        at += texts[i]->len;
    }
    sort_scopes(key, (struct slice *)(void *)(memory + scopes_at));
    return key;
}

static bool make_limit(struct api_key *key)
{
    const struct conf_rate limit = { key->record.limit_count, key->record.limit_window };
    return limit.count == 0 || limit_make_own(limit, &key->limit) == NULL;
}

struct api_key *api_key_new(struct slice set_name, const struct key_record *record)
{
    struct arena scratch;
    struct api_key draft = { .record = *record, .set_name = set_name }, *key = NULL;
    arena_init(&scratch, SCRATCH_MAX);
    const struct json *claims = make_claims(record, &scratch);
    if (claims != NULL && make_limit(&draft) && make_caller_key(&draft, &scratch)) {
        key = copy_out(&draft, claims);
    }
    arena_done(&scratch);
    return key;
}

struct api_key *api_key_ref(struct api_key *key)
{
    key->references++;
    return key;
}

void api_key_unref(struct api_key *key)
{
    if (key != NULL && --key->references == 0) {
        free(key);
    }
}

static void release(void *held)
{
    api_key_unref(held);
}

void api_key_principal(struct api_key *key, struct principal *out)
{
    const struct key_record *record = &key->record;
    *out = (struct principal){
        .kind = PRINCIPAL_API_KEY,
        .issuer_name = key->set_name,
        .issuer = SLICE(""),
        .subject = record->consumer,
        .client_id = SLICE(""),
        .scopes = key->scopes,
        .scope_count = key->scope_count,
        .claims = key->claims,
        .expires = record->expires != 0 ? record->expires : INT64_MAX,
        .own_limit = record->limit_count > 0 ? &key->limit : NULL,
        .caller_key = key->caller_key,
        .held = key,
        .release = release,
    };
}
