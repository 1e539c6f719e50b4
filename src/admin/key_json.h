/* API keys as `sallyport keys --json` and the admin API tell them. Pure; any thread. */
#ifndef SALLYPORT_ADMIN_KEY_JSON_H
#define SALLYPORT_ADMIN_KEY_JSON_H

#include "auth/api_key_settings.h"
#include "json/writer.h"

/* Will it end within `within` seconds, and is it good until then? */
bool key_is_expiring(const struct key_record *record, int64_t now, int64_t within);

/* "active", "expiring", "superseded", "expired", "revoked". */
struct slice key_state(const struct api_keys_settings *set, const struct key_record *record, int64_t now);

/* One object. `key` is the secret itself, shown once with its digest, or empty. */
void key_write_json(struct json_writer *writer, const struct api_keys_settings *set,
                    const struct key_record *record, struct slice key, int64_t now);

#endif
