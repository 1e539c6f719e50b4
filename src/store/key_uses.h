/* When the keys of a store in a file were last used. It stands beside the store in FILE-used, a slot for each key's number: the gateway
 * is handed that file open, and a use costs one pwrite and no transaction. Private to src/store. Any thread. */
#ifndef SALLYPORT_STORE_KEY_USES_H
#define SALLYPORT_STORE_KEY_USES_H

#include "store/key_store.h"

struct key_uses {
    int fd;       /* -1: none are known */
    bool is_ours; /* opened here, to read */
};

/* Those beside the store at `path`; `fd`: where they are noted, of the caller; -1: to be opened here. */
void key_uses_open(struct key_uses *uses, const char *path, int fd);
void key_uses_close(struct key_uses *uses);

/* Seconds since 1970; 0: never, or it is not known. */
int64_t key_uses_last(const struct key_uses *uses, const struct key_record *record);
/* Nothing where they can only be read. */
void key_uses_note(const struct key_uses *uses, uint64_t number,
                   const unsigned char digest[KEY_RECORD_DIGEST], int64_t when);

#endif
