/* One gateway worker whole, and what it needs of its process: two configurations to go to and fro between, logs, limits,
 * metrics, tokens that are good and tokens that are not. */
#ifndef SALLYPORT_TESTS_FUZZ_CONNECTION_WORLD_H
#define SALLYPORT_TESTS_FUZZ_CONNECTION_WORLD_H

#include "connection/loopback.h"
#include "gateway/worker.h"

#define RECORDS_MAX 2048

enum token_kind {
    TOKEN_NONE,
    TOKEN_HMAC,
    TOKEN_EDDSA,
    TOKEN_SLOW,  /* ES384: verified in the pool */
    TOKEN_SHORT, /* expires soon */
    TOKEN_FORGED,
    TOKEN_SCOPELESS,
    TOKEN_UNSIGNED,
    TOKEN_KINDS,
};

/* A line of the access log, as far as it is looked at. */
struct record {
    char id[33], method[40], route[32], issuer[16], subject[32], reason[40];
    unsigned int client; /* the wire's number */
    unsigned int status;
    bool aborted;
};

extern struct gateway_worker *world_worker;
extern char *world_tokens[TOKEN_KINDS];
extern struct record world_records[RECORDS_MAX];
extern size_t world_record_count;
extern bool world_logs_stuck; /* nobody empties the audit queue */

/* The first time: keys, configurations. Then a worker for one script. */
void world_begin(void);
void world_turn(unsigned int turns);
/* Takes up the other configuration. */
void world_reload(void);
void world_drain(void);
/* Every deadline passes, and nobody does anything more: it must come to rest by itself. Then the worker ends. */
void world_end(void);

#endif
