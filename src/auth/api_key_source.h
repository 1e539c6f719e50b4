/* A key store as the threads of a gateway share it: workers look keys up, the control thread follows its changes.
 *
 * A store that is a file is asked by calls that block, and belong on a pool's thread. One that is a database (it is remote) is sent
 * questions and sends answers to loops: see auth/api_key_asker.h for what it does when it is gone.
 *
 * Of files: A store that fails is left alone for a moment:
 * what is asked meanwhile is answered at once, so that a dead store holds up nobody. A file that was moved away or
 * replaced is opened anew. */
#ifndef SALLYPORT_AUTH_API_KEY_SOURCE_H
#define SALLYPORT_AUTH_API_KEY_SOURCE_H

#include "auth/api_key.h"
#include "auth/api_key_settings.h"
#include "net/loop.h"
#include "store/key_store.h"
#include "store/postgres_place.h"

struct api_key_source;

/* `used_fd`: where last uses are noted; taken, on failure too. -1: they are not. Opens nothing yet. */
struct error api_key_source_new(struct slice path, int used_fd,
                                struct api_key_source **ret_source) MUST_CHECK;
/* The same of a database. Takes the place, on failure too; begins to connect. `before`: a source of the same label, of other rights
 * perhaps, that this one goes on from; NULL: there is none. */
struct error api_key_source_new_remote(struct postgres_place *place, const struct api_key_source *before,
                                       struct api_key_source **ret_source) MUST_CHECK;
/* Any thread. */
struct api_key_source *api_key_source_ref(struct api_key_source *source);
void api_key_source_unref(struct api_key_source *source);

/* What it is called: a file's path, a database's label. */
struct slice api_key_source_path(const struct api_key_source *source);
bool api_key_source_is_remote(const struct api_key_source *source);
/* Do both ask the same store: what the one has told is as good as if the other had? */
bool api_key_source_is_alike(const struct api_key_source *a, const struct api_key_source *b);
/* Is it this database, with the same rights? */
bool api_key_source_is_at(const struct api_key_source *source, const struct postgres_place *place);

/* Monotonic ns of when the store was last known to have told all of its changes; 0: never. Any thread, at once. */
int64_t api_key_source_fresh_at(const struct api_key_source *source);

/* A digest of a key under each pepper of its set. */
struct api_key_digests {
    size_t count;
    unsigned char items[API_PEPPERS_MAX][API_KEY_DIGEST_SIZE];
};

/* Any thread; blocks. Visits the key of one of the digests. Failed: nobody knows. */
struct error api_key_source_find(struct api_key_source *source, const struct api_key_digests *digests,
                                 key_store_visit *visit, void *context, bool *ret_found) MUST_CHECK;

/* Notes a use. Any thread; one pwrite, or a line in a list that is sent every few seconds. */
void api_key_source_note_use(struct api_key_source *source, uint64_t number,
                             const unsigned char digest[API_KEY_DIGEST_SIZE], int64_t when);

/* What has changed since the last look. One thread at a time; blocks. */
struct api_key_changes {
    bool all;          /* too much, or nobody knows what: everything may have */
    uint64_t *numbers; /* sorted; the caller frees them */
    size_t count;
};

#define API_KEY_CHANGES_MAX 1024 /* beyond it, `all` */

struct error api_key_source_look(struct api_key_source *source, struct api_key_changes *out) MUST_CHECK;
/* A key_store_visit: adds the record's number to a struct api_key_changes that has room for API_KEY_CHANGES_MAX. */
bool api_key_changes_note(void *changes, const struct key_record *record);
void api_key_changes_sort(struct api_key_changes *changes);

/* ---- remote ones ---- */

/* The caller's, untouched until `answer` runs on `loop`. `visit` is called on the asker's thread, before. */
struct api_key_question {
    struct net_task answer;
    struct net_loop *loop;
    struct api_key_question *next;
    const struct api_key_digests *digests;
    key_store_visit *visit;
    void *context;
    struct error error; /* failed: nobody knows */
    bool found;
};

/* Any thread, at once. False: it cannot be asked now; `error` says why, and no answer comes. */
bool api_key_source_ask(struct api_key_source *source, struct api_key_question *question);

/* What has changed since the last news, or that nothing has for a second, or that nobody knows; `changes` as of
 * api_key_source_look. The caller's, until `arrival` runs on `loop`. */
struct api_key_news {
    struct net_task arrival;
    struct net_loop *loop;
    struct error error;
    struct api_key_changes changes;
};

/* One at a time. */
void api_key_source_await(struct api_key_source *source, struct api_key_news *news);
/* False: it is on its way already, and arrives. */
bool api_key_source_forget(struct api_key_source *source, struct api_key_news *news);

/* Waits for the threads of all remote sources that were let go. False: one hangs in the look-up of a name. */
bool api_key_sources_join(int64_t within_ns);

#endif
