/* Memory for nghttp2: each session has a budget, and what one gives back the next one takes, so that a warm request
 * allocates nothing. Client connections of a thread have one pool, a connection to an upstream has its own. */
#ifndef SALLYPORT_HTTP_H2_MEMORY_H
#define SALLYPORT_HTTP_H2_MEMORY_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>

#define H2_MEMORY_CLASSES 32  /* pieces of 64, 128, ... 2048 bytes are kept; larger ones are not */
#define H2_MEMORY_KEPT    256 /* of each size */

struct h2_memory_piece;

struct h2_memory {
    struct h2_memory_piece *kept[H2_MEMORY_CLASSES];
    unsigned int counts[H2_MEMORY_CLASSES];
};

void h2_memory_init(struct h2_memory *memory);
/* Frees what is kept. Pieces that are in use still go back to the heap by themselves when there is no session any more. */
void h2_memory_done(struct h2_memory *memory);

/* What one session holds. */
struct h2_account {
    struct h2_memory *memory;
    size_t used, maximum; /* bytes */
    bool exceeded;        /* something was refused for want of budget */
};

/* For nghttp2_session_server_new3 and its kin; `account` must outlive the session. */
nghttp2_mem h2_account_mem(struct h2_account *account);

#endif
