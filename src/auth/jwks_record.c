#include "auth/jwks_record.h"

#include "auth/jws.h"
#include "json/json.h"
#include "json/writer.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define VERSION 1
#define BOOT_ID "/proc/sys/kernel/random/boot_id" /* which a service manager may keep out of sight */

#define BOOT_SLACK 60 /* seconds that the wall clock may be put right by after a boot */

/* ---- when ---- */

static bool is_told(const struct jwks_clocks *clocks)
{
    return clocks->boot[0] != '\0';
}

static int64_t seconds_of(clockid_t clock)
{
    struct timespec now = { 0 };
    clock_gettime(clock, &now);
    return now.tv_sec;
}

void jwks_clocks_read(struct jwks_clocks *out)
{
    *out =
        (struct jwks_clocks){ .real = seconds_of(CLOCK_REALTIME), .since_boot = seconds_of(CLOCK_BOOTTIME) };
    int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, out->boot, sizeof out->boot) != (ssize_t)sizeof out->boot) {
            memset(out->boot, 0, sizeof out->boot);
        }
        close(fd);
    }
}

/* Where both boots are told it is known: a directory may have come from another machine. Else the wall clock says whether it was
 * before this one. */
static bool is_of_this_boot(const struct jwks_clocks *then, const struct jwks_clocks *now, int64_t age)
{
    bool known = is_told(then) && is_told(now);
    return known ? memcmp(then->boot, now->boot, sizeof now->boot) == 0 : age < now->since_boot;
}

int64_t jwks_record_age(const struct jwks_record *record, const struct jwks_clocks *now)
{
    const struct jwks_clocks *then = &record->fetched;
    int64_t age = now->real - then->real;
    if (age < 0) {
        return -1;
    }
    if (!is_of_this_boot(then, now, age)) {
        return age;
    }
    int64_t age_in_boot = now->since_boot - then->since_boot;
    if (age_in_boot < 0) {
        /* It was before this boot after all, where that is about when it began. */
        bool before = !(is_told(then) && is_told(now)) && age + BOOT_SLACK >= now->since_boot;
        return before ? age : -1;
    }
    return age > age_in_boot ? age : age_in_boot;
}

/* ---- writing ---- */

/* What jwk.c reads of a key. */
static const struct slice members[] = {
    SLICE_INIT("kty"), SLICE_INIT("crv"), SLICE_INIT("use"), SLICE_INIT("key_ops"), SLICE_INIT("alg"),
    SLICE_INIT("kid"), SLICE_INIT("n"),   SLICE_INIT("e"),   SLICE_INIT("x"),       SLICE_INIT("y"),
};

static void write_key(struct json_writer *json, const struct json *jwk)
{
    json_object_begin(json);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const struct json *value = json_get(jwk, members[i]);
        if (value != NULL) {
            json_name(json, members[i]);
            json_value(json, value);
        }
    }
    json_object_end(json);
}

/* Those that verify signatures: no other is needed, and a private or symmetric one is none of them. */
static struct error write_keys(struct json_writer *json, const struct json *keys)
{
    struct jws_crypto crypto;
    size_t count = 0;
    TRY(jws_crypto_init(&crypto));
    for (size_t i = 0; i < keys->count; i++) {
        struct jws_key *key = NULL;
        if (!failed(jws_key_parse(&crypto, &keys->items[i], &key))) {
            write_key(json, &keys->items[i]);
            jws_key_free(key);
            count++;
        }
    }
    jws_crypto_done(&crypto);
    return count > 0 ? OK : FAIL(ERROR_VALUE, "the key set has no key that can be kept");
}

static void write_head(struct json_writer *json, const struct jwks_record *record)
{
    const struct jwks_clocks *fetched = &record->fetched;
    size_t boot_size = is_told(fetched) ? sizeof fetched->boot : 0;
    json_member_integer(json, SLICE("version"), VERSION);
    json_member_string(json, SLICE("issuer"), record->issuer);
    json_member_string(json, SLICE("source"), record->source);
    json_member_integer(json, SLICE("fetched_at"), fetched->real);
    json_member_string(json, SLICE("boot"), slice_of(fetched->boot, boot_size));
    json_member_integer(json, SLICE("fetched_since_boot"), fetched->since_boot);
    json_name(json, SLICE("keys"));
}

static struct error write_record(const struct jwks_record *record, struct arena *arena, struct buffer *out)
{
    struct json *document;
    struct json_writer json;
    TRY(json_parse(record->text, JSON_DEPTH_MAX, arena, &document, NULL));
    const struct json *keys = json_get(document, SLICE("keys"));
    if (keys == NULL || keys->type != JSON_ARRAY || keys->count > JWKS_KEYS_MAX) {
        return FAIL(ERROR_VALUE, "the text is no key set");
    }
    json_writer_init(&json, out);
    json_object_begin(&json);
    write_head(&json, record);
    json_array_begin(&json);
    TRY(write_keys(&json, keys));
    json_array_end(&json);
    json_object_end(&json);
    return json.failed || buffer_length(out) > JWKS_RECORD_MAX
               ? FAIL(ERROR_LIMIT, "the key set is too large to be kept")
               : OK;
}

struct error jwks_record_write(const struct jwks_record *record, struct buffer *out)
{
    struct arena arena;
    arena_init(&arena, JWKS_RECORD_TREE);
    struct error error = write_record(record, &arena, out);
    arena_done(&arena);
    return error;
}

/* ---- reading ---- */

struct error jwks_record_read(struct slice text, struct arena *arena, struct jwks_record *out)
{
    static const char damaged[] = "the record is damaged";
    struct json *document;
    struct slice boot;
    int64_t version = 0;
    *out = (struct jwks_record){ .text = text };
    if (text.len > JWKS_RECORD_MAX) {
        return FAIL(ERROR_LIMIT, "the record is too large");
    }
    struct error error = json_parse(text, JSON_DEPTH_MAX, arena, &document, NULL);
    if (failed(error)) {
        return error.kind == ERROR_MEMORY ? error : FAIL(ERROR_SYNTAX, damaged);
    }
    if (json_get_integer(document, SLICE("version"), &version) && version != VERSION) {
        return FAIL(ERROR_VALUE, "the record was written by another version of sallyport");
    }
    if (version != VERSION || !json_get_string(document, SLICE("issuer"), &out->issuer) ||
        !json_get_string(document, SLICE("source"), &out->source) ||
        !json_get_integer(document, SLICE("fetched_at"), &out->fetched.real) || out->fetched.real < 0 ||
        !json_get_integer(document, SLICE("fetched_since_boot"), &out->fetched.since_boot) ||
        out->fetched.since_boot < 0 || !json_get_string(document, SLICE("boot"), &boot) ||
        (boot.len != 0 && boot.len != sizeof out->fetched.boot)) {
        return FAIL(ERROR_VALUE, damaged);
    }
    if (boot.len > 0) {
        memcpy(out->fetched.boot, boot.ptr, boot.len);
    }
    return OK;
}
