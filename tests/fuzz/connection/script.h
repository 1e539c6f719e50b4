/* What the peers of a gateway do, as a sequence of steps. An input is the steps one after the other, each
 *
 *     code, who, argument (2 bytes, little-endian), size (2 bytes), size bytes of text
 *
 * and any bytes are some script: numbers count modulo what there is, and the last text may be shorter than it says. */
#ifndef SALLYPORT_TESTS_FUZZ_CONNECTION_SCRIPT_H
#define SALLYPORT_TESTS_FUZZ_CONNECTION_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STEPS_MAX   128
#define SCRIPT_MAX  32768 /* bytes; what is behind them is not looked at */
#define STEP_HEADER 6

enum step_code {
    STEP_OPEN,         /* a client connects; argument: which listener */
    STEP_REQUEST,      /* a client sends a request made of its argument (see play.c) and its text */
    STEP_CLIENT_RAW,   /* a client sends the text */
    STEP_CLIENT_FILL,  /* a client sends 16 × argument bytes */
    STEP_ANSWER,       /* an upstream answers with a response made of argument and text */
    STEP_UPSTREAM_RAW, /* an upstream sends the text */
    STEP_UPSTREAM_FILL,
    STEP_END,     /* argument even: client, odd: upstream; it sends no more */
    STEP_CLOSE,   /* nor does it read any more */
    STEP_RESET,   /* at once */
    STEP_WINDOW,  /* it takes so many bytes more; argument / 2 ≥ 32760: any number */
    STEP_TIME,    /* argument × 4 ms pass; who odd: turns take argument % 256 ms from now on */
    STEP_CONNECT, /* argument: how connections to upstreams fare from now on; /4 odd: they are like TLS */
    STEP_WORK,    /* the thread pool has finished; argument even: names were found */
    STEP_RELOAD,
    STEP_DRAIN,
    STEP_LOGS, /* the audit log is stuck, or no longer */
    STEP_CODES,
};

#define STEP_AT_ONCE 0x80 /* beside the code: the gateway has no turn between this step and the next */

struct step {
    uint8_t code, who;
    uint16_t argument, size;
    const uint8_t *text;
};

struct script {
    struct step steps[STEPS_MAX];
    size_t count;
};

void script_read(struct script *script, const uint8_t *data, size_t size);
/* Returns the bytes written: as many steps as fit. */
size_t script_write(const struct script *script, uint8_t *out, size_t size);

/* A step more, less, twice, moved or changed; `random`: any number. Texts are changed by `mutate`, in place. */
size_t script_mutate(uint8_t *data, size_t size, size_t max_size, unsigned int seed,
                     size_t (*mutate)(uint8_t *data, size_t size, size_t max_size));
/* The first steps of one and the last of the other. */
size_t script_cross(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                    size_t max_size, unsigned int seed);

/* Plays it to a worker that stands ready (world_begin), step by step. */
void script_play(const struct script *script);

#endif
