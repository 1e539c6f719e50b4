#include "gateway/key_cache.h"

#include "auth/jwks_record.h"
#include "base/encoding.h"
#include "base/log.h"
#include "base/random.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX    ".jwks"
#define TEMPORARY ".new-" /* and 16 hexadecimal characters */
#define PIECE     65536   /* that is read at once */

/* A record to be written; what it says stands behind it. */
struct kept {
    struct kept *next;
    struct key_cache *cache; /* NULL: it is gone, and this goes with the work */
    uv_work_t work;
    struct jwks_record record;
    struct slice issuer_name, directory; /* NUL-terminated both */
    struct error error;
    char text[];
};

struct key_cache {
    struct net_loop *loop;
    char *directory; /* NULL: none */
    struct kept *writing;
    struct kept *waiting; /* a list, in no order; one for each issuer at the most */
    bool failing;         /* told to be */
};

/* ---- files ---- */

static const char unsafe_directory[] = "others may write to the directory, or it is another user's: give it "
                                       "to the gateway's user, with the mode 700";
static const char unsafe_file[] =
    "the file is not one that only the gateway's user can have written; remove it";

static bool is_ours(const struct stat *facts)
{
    return (facts->st_uid == geteuid() || facts->st_uid == 0) && (facts->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static struct error open_directory(const char *path, int *ret_fd)
{
    struct stat facts;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return FAIL_ERRNO("the directory cannot be opened");
    }
    if (fstat(fd, &facts) != 0 || !is_ours(&facts)) {
        close(fd);
        return FAIL(ERROR_VALUE, unsafe_directory);
    }
    *ret_fd = fd;
    return OK;
}

/* False: the name is longer than one may be. */
static bool name_file(struct slice issuer_name, char out[NAME_MAX + 1])
{
    return snprintf(out, NAME_MAX + 1, "%.*s" SUFFIX, SLICE_ARG(issuer_name)) <= NAME_MAX;
}

/* ---- writing, in the pool ---- */

static struct error write_all(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno != EINTR) {
            return FAIL_ERRNO("the record cannot be written");
        }
        text = slice_from(text, written > 0 ? (size_t)written : 0);
    }
    return fsync(fd) == 0 ? OK : FAIL_ERRNO("the record cannot be written");
}

static struct error put_file(int directory, const char *name, struct slice text)
{
    unsigned char random[8];
    char temporary[sizeof TEMPORARY + 2 * sizeof random] = TEMPORARY;
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, temporary + strlen(TEMPORARY));
    int fd = openat(directory, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return FAIL_ERRNO("no file can be made in the directory");
    }
    struct error error = write_all(fd, text);
    close(fd);
    if (!failed(error) && renameat(directory, temporary, directory, name) != 0) {
        error = FAIL_ERRNO("the record cannot be put in its place");
    }
    if (failed(error)) {
        unlinkat(directory, temporary, 0);
        return error;
    }
    return fsync(directory) == 0 ? OK : FAIL_ERRNO("the directory cannot be synced");
}

static struct error write_record(const struct kept *kept)
{
    struct buffer text;
    char name[NAME_MAX + 1];
    int directory = -1;
    if (!name_file(kept->issuer_name, name)) {
        return FAIL(ERROR_LIMIT, "the issuer's name is too long for a file's");
    }
    TRY(open_directory(kept->directory.ptr, &directory));
    buffer_init(&text, JWKS_RECORD_MAX + 4096);
    struct error error = jwks_record_write(&kept->record, &text);
    if (!failed(error)) {
        error = put_file(directory, name, buffer_slice(&text));
    }
    buffer_done(&text);
    close(directory);
    return error;
}

static void run(uv_work_t *work)
{
    struct kept *kept = work->data;
    kept->error = write_record(kept);
}

/* ---- writing, on the loop ---- */

/* Once when it begins to fail, and once that it is well again. */
static void tell(struct key_cache *cache, const struct kept *kept)
{
    bool fails = failed(kept->error);
    if (fails && !cache->failing) {
        char why[256];
        error_describe(kept->error, why, sizeof why);
        log_event(LOG_WARNING, "keys_not_kept", LOG_TEXT("issuer", kept->issuer_name),
                  LOG_TEXT("directory", kept->directory), LOG_STRING("reason", why));
    } else if (!fails && cache->failing) {
        log_event(LOG_INFO, "keys_kept", LOG_TEXT("directory", kept->directory));
    }
    cache->failing = fails;
}

static void start_next(struct key_cache *cache);

static void on_written(uv_work_t *work, int status)
{
    struct kept *kept = work->data;
    struct key_cache *cache = kept->cache;
    (void)status; /* never cancelled */
    if (cache != NULL) {
        net_loop_woken(cache->loop);
        tell(cache, kept);
        cache->writing = NULL;
        start_next(cache);
    }
    free(kept);
}

static void start_next(struct key_cache *cache)
{
    while (cache->writing == NULL && cache->waiting != NULL) {
        struct kept *next = cache->waiting;
        cache->waiting = next->next;
        next->work.data = next;
        if (uv_queue_work(&cache->loop->uv, &next->work, run, on_written) == 0) {
            cache->writing = next;
        } else {
            free(next); /* the next fetch keeps it */
        }
    }
}

static struct slice put(char **at, struct slice text)
{
    char *begin = *at;
    if (text.len > 0) {
        memcpy(begin, text.ptr, text.len);
    }
    begin[text.len] = '\0';
    *at += text.len + 1;
    return slice_of(begin, text.len);
}

/* NULL without memory. */
static struct kept *kept_new(struct key_cache *cache, const struct key_document *document)
{
    struct slice directory = slice_from_string(cache->directory);
    struct kept *kept = calloc(1, sizeof *kept + document->issuer_name.len + document->issuer.len +
                                      document->source.len + document->text.len + directory.len + 5);
    if (kept == NULL) {
        return NULL;
    }
    char *at = kept->text;
    kept->cache = cache;
    kept->directory = put(&at, directory);
    kept->issuer_name = put(&at, document->issuer_name);
    kept->record.issuer = put(&at, document->issuer);
    kept->record.source = put(&at, document->source);
    kept->record.text = put(&at, document->text);
    jwks_clocks_read(&kept->record.fetched);
    return kept;
}

/* Of an issuer only the newest waits. */
static void drop_waiting(struct key_cache *cache, struct slice issuer_name)
{
    for (struct kept **link = &cache->waiting; *link != NULL;) {
        struct kept *kept = *link;
        if (issuer_name.ptr == NULL || slice_equal(kept->issuer_name, issuer_name)) {
            *link = kept->next;
            free(kept);
        } else {
            link = &kept->next;
        }
    }
}

void key_cache_keep(struct key_cache *cache, const struct key_document *document)
{
    struct kept *kept = cache->directory != NULL ? kept_new(cache, document) : NULL;
    if (kept != NULL) {
        drop_waiting(cache, document->issuer_name);
        kept->next = cache->waiting;
        cache->waiting = kept;
        start_next(cache);
    }
}

/* ---- reading ---- */

static struct error read_text(int fd, struct buffer *out)
{
    ssize_t size = 1;
    while (size > 0) {
        if (!buffer_reserve(out, PIECE)) {
            return FAIL(ERROR_LIMIT, "the record is too large");
        }
        size = read(fd, out->data + out->end, PIECE);
        buffer_commit(out, size > 0 ? (size_t)size : 0);
    }
    return size == 0 ? OK : FAIL_ERRNO("the record cannot be read");
}

/* A link is not followed, and a pipe not waited for. */
static struct error read_file(int directory, const char *name, struct buffer *out)
{
    struct stat facts;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ELOOP ? FAIL(ERROR_VALUE, unsafe_file) : FAIL_ERRNO("the record cannot be opened");
    }
    struct error error;
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_nlink != 1 || !is_ours(&facts)) {
        error = FAIL(ERROR_VALUE, unsafe_file);
    } else if (facts.st_size > JWKS_RECORD_MAX) {
        error = FAIL(ERROR_LIMIT, "the record is too large");
    } else {
        error = read_text(fd, out);
    }
    close(fd);
    return error;
}

struct restoring {
    struct key_source *keys;
    int directory;
    const char *path;
    struct jwks_clocks now;
};

static struct error restore(const struct restoring *restoring, struct slice issuer_name, const char *name,
                            struct arena *arena, struct buffer *text, int64_t *ret_age)
{
    struct jwks_record record;
    TRY(read_file(restoring->directory, name, text));
    TRY(jwks_record_read(buffer_slice(text), arena, &record));
    *ret_age = jwks_record_age(&record, &restoring->now);
    if (*ret_age < 0) {
        return FAIL(ERROR_VALUE, "the record is of a time to come: a clock went back since");
    }
    const struct key_document document = {
        .issuer_name = issuer_name,
        .issuer = record.issuer,
        .source = record.source,
        .text = record.text,
    };
    const char *problem = key_source_restore(restoring->keys, &document, *ret_age);
    return problem == NULL ? OK : FAIL(ERROR_VALUE, problem);
}

/* One that is not there is what a first start finds. */
static void tell_restored(const struct restoring *restoring, struct slice issuer_name, const char *name,
                          struct error error, int64_t age)
{
    char file[PATH_MAX];
    snprintf(file, sizeof file, "%s/%s", restoring->path, name);
    if (!failed(error)) {
        log_event(LOG_INFO, "keys_restored", LOG_TEXT("issuer", issuer_name), LOG_STRING("file", file),
                  LOG_NUMBER("age_s", age));
    } else if (error.kind != ERROR_SYSTEM || error.number != ENOENT) {
        char why[256];
        error_describe(error, why, sizeof why);
        log_event(LOG_WARNING, "keys_not_restored", LOG_TEXT("issuer", issuer_name), LOG_STRING("file", file),
                  LOG_STRING("reason", why));
    }
}

static bool restore_one(void *context, const struct key_health *health)
{
    const struct restoring *restoring = context;
    struct arena arena;
    struct buffer text;
    char name[NAME_MAX + 1];
    int64_t age = 0;
    if (health->has_keys || !name_file(health->issuer_name, name)) {
        return true;
    }
    arena_init(&arena, JWKS_RECORD_TREE);
    buffer_init(&text, JWKS_RECORD_MAX + 2 * PIECE);
    struct error error = restore(restoring, health->issuer_name, name, &arena, &text, &age);
    tell_restored(restoring, health->issuer_name, name, error, age);
    buffer_done(&text);
    arena_done(&arena);
    return true;
}

void key_cache_restore(struct key_cache *cache, struct key_source *keys)
{
    struct restoring restoring = { .keys = keys, .path = cache->directory };
    if (cache->directory == NULL) {
        return;
    }
    struct error error = open_directory(cache->directory, &restoring.directory);
    if (failed(error)) {
        char why[256];
        error_describe(error, why, sizeof why);
        log_event(LOG_WARNING, "keys_not_restored", LOG_STRING("directory", cache->directory),
                  LOG_STRING("reason", why));
        return;
    }
    jwks_clocks_read(&restoring.now);
    key_source_tell(keys, restore_one, &restoring);
    close(restoring.directory);
}

/* ---- the cache ---- */

struct error key_cache_new(struct net_loop *loop, struct key_cache **ret_cache)
{
    struct key_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        return FAIL(ERROR_MEMORY, "key sets on the disk");
    }
    cache->loop = loop;
    *ret_cache = cache;
    return OK;
}

bool key_cache_set(struct key_cache *cache, struct slice directory)
{
    free(cache->directory);
    cache->directory = directory.len > 0 ? strndup(directory.ptr, directory.len) : NULL;
    return directory.len == 0 || cache->directory != NULL;
}

void key_cache_free(struct key_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    if (cache->writing != NULL) {
        cache->writing->cache = NULL;
    }
    drop_waiting(cache, SLICE_NONE);
    free(cache->directory);
    free(cache);
}
