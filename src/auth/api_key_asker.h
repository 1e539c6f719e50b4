/* Asks a key store that is a database, on a thread of its own with one connection: it may be slow, frozen or gone, and nobody
 * else waits for it, not even a pool's thread. What is asked meanwhile is asked together, in one question.
 *
 * A connection that was lost is made anew at once, and what is asked waits for that. Where it fails, or the database does not
 * answer in time, what is asked is refused until it is there again; it is tried again after a pause that grows, and is drawn by lot
 * so that many gateways do not come at once.
 *
 * Changes come by the database's notices, and by a look every second, in case one was lost. Private to src/auth. */
#ifndef SALLYPORT_AUTH_API_KEY_ASKER_H
#define SALLYPORT_AUTH_API_KEY_ASKER_H

#include "auth/api_key_source.h"
#include "store/postgres_place.h"

struct api_key_asker;

/* Takes the place, on failure too. Starts the thread. `before`: one that asked the same database; what it knew of its state, this
 * one goes on from. */
struct error api_key_asker_new(struct postgres_place *place, struct api_key_asker *before,
                               struct api_key_asker **ret_asker) MUST_CHECK;
/* Ends the thread, by and by. No question is open. */
void api_key_asker_end(struct api_key_asker *asker);

const struct postgres_place *api_key_asker_place(const struct api_key_asker *asker);
int64_t api_key_asker_fresh_at(const struct api_key_asker *asker);

/* See api_key_source.h. */
bool api_key_asker_ask(struct api_key_asker *asker, struct api_key_question *question);
void api_key_asker_note_use(struct api_key_asker *asker, uint64_t number, int64_t when);
void api_key_asker_await(struct api_key_asker *asker, struct api_key_news *news);
bool api_key_asker_forget(struct api_key_asker *asker, struct api_key_news *news);
bool api_key_askers_join(int64_t within);

#endif
