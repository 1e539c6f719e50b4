#include "connection/script.h"

#include <string.h>

#define TEXT_MAX 4096 /* of a text that grows by mutation */

void script_read(struct script *script, const uint8_t *data, size_t size)
{
    script->count = 0;
    size = size < SCRIPT_MAX ? size : SCRIPT_MAX;
    while (size >= STEP_HEADER && script->count < STEPS_MAX) {
        struct step *step = &script->steps[script->count++];
        *step = (struct step){
            .code = data[0],
            .who = data[1],
            .argument = (uint16_t)(data[2] | data[3] << 8),
            .size = (uint16_t)(data[4] | data[5] << 8),
            .text = data + STEP_HEADER,
        };
        size -= STEP_HEADER;
        if (step->size > size) {
            step->size = (uint16_t)size;
        }
        data += STEP_HEADER + step->size;
        size -= step->size;
    }
}

size_t script_write(const struct script *script, uint8_t *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < script->count; i++) {
        const struct step *step = &script->steps[i];
        if (size - used < STEP_HEADER + (size_t)step->size) {
            break;
        }
        uint8_t *at = out + used;
        at[0] = step->code;
        at[1] = step->who;
        at[2] = (uint8_t)step->argument;
        at[3] = (uint8_t)(step->argument >> 8);
        at[4] = (uint8_t)step->size;
        at[5] = (uint8_t)(step->size >> 8);
        if (step->size > 0) {
            memcpy(at + STEP_HEADER, step->text, step->size);
        }
        used += STEP_HEADER + (size_t)step->size;
    }
    return used;
}

/* ---- mutation ---- */

static unsigned int next(unsigned int *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

/* What makes requests be answered stands here more than once. */
static const uint8_t likely[] = { STEP_OPEN,       STEP_REQUEST,     STEP_REQUEST,      STEP_REQUEST,
                                  STEP_REQUEST,    STEP_ANSWER,      STEP_ANSWER,       STEP_ANSWER,
                                  STEP_CLIENT_RAW, STEP_CLIENT_FILL, STEP_UPSTREAM_RAW, STEP_UPSTREAM_FILL,
                                  STEP_END,        STEP_CLOSE,       STEP_RESET,        STEP_WINDOW,
                                  STEP_WINDOW,     STEP_TIME,        STEP_CONNECT,      STEP_WORK,
                                  STEP_RELOAD,     STEP_DRAIN,       STEP_LOGS };

static const char *const texts[] = {
    "",
    "hello",
    "GET /open/x HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
    "POST /open/x HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5\r\n\r\nhello",
    "POST /open/x HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\nX-Trailer: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "X-User-Id: mallory\r\nx_user_id: mallory\r\nConnection: X-User-Id, close\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
};

static struct step new_step(unsigned int *seed)
{
    const char *text = texts[next(seed) % (sizeof texts / sizeof texts[0])];
    struct step step = {
        .code = likely[next(seed) % sizeof likely],
        .who = (uint8_t)(next(seed) % 4),
        .argument = (uint16_t)next(seed),
        .size = (uint16_t)strlen(text),
        .text = (const uint8_t *)text,
    };
    step.code |= next(seed) % 4 == 0 ? STEP_AT_ONCE : 0;
    step.argument &= next(seed) % 2 == 0 ? 0xff : 0xffff;
    return step;
}

static void insert(struct script *script, size_t at, struct step step)
{
    if (script->count < STEPS_MAX) {
        memmove(&script->steps[at + 1], &script->steps[at], (script->count - at) * sizeof step);
        script->steps[at] = step;
        script->count++;
    }
}

static void erase(struct script *script, size_t at)
{
    script->count--;
    memmove(&script->steps[at], &script->steps[at + 1], (script->count - at) * sizeof script->steps[0]);
}

static void change_text(struct step *step, size_t (*mutate)(uint8_t *data, size_t size, size_t max_size))
{
    static uint8_t text[UINT16_MAX];
    if (step->size > 0) {
        memcpy(text, step->text, step->size);
    }
    size_t maximum = step->size > TEXT_MAX ? step->size : TEXT_MAX;
    step->size = (uint16_t)mutate(text, step->size, maximum);
    step->text = text;
}

static void change_argument(struct step *step, unsigned int *seed)
{
    switch (next(seed) % 4) {
    case 0:
        step->argument = (uint16_t)next(seed);
        break;
    case 1:
        step->argument ^= (uint16_t)(1U << next(seed) % 16);
        break;
    case 2:
        step->code ^= STEP_AT_ONCE;
        break;
    default:
        step->who = (uint8_t)(next(seed) % 8);
    }
}

static void change(struct script *script, unsigned int *seed,
                   size_t (*mutate)(uint8_t *data, size_t size, size_t max_size))
{
    size_t at = script->count > 0 ? next(seed) % script->count : 0;
    unsigned int kind = script->count > 0 ? next(seed) % 8 : 0;
    switch (kind) {
    case 0:
    case 1:
        insert(script, script->count > 0 ? next(seed) % (script->count + 1) : 0, new_step(seed));
        break;
    case 2:
        erase(script, at);
        break;
    case 3:
        insert(script, at, script->steps[next(seed) % script->count]);
        break;
    case 4: {
        struct step step = script->steps[at];
        erase(script, at);
        insert(script, script->count > 0 ? next(seed) % (script->count + 1) : 0, step);
        break;
    }
    case 5:
    case 6:
        change_argument(&script->steps[at], seed);
        break;
    default:
        change_text(&script->steps[at], mutate);
    }
}

size_t script_mutate(uint8_t *data, size_t size, size_t max_size, unsigned int seed,
                     size_t (*mutate)(uint8_t *data, size_t size, size_t max_size))
{
    static uint8_t copy[SCRIPT_MAX];
    static struct script script;
    size = size < sizeof copy ? size : sizeof copy;
    memcpy(copy, data, size);
    script_read(&script, copy, size);
    max_size = max_size < SCRIPT_MAX ? max_size : SCRIPT_MAX;
    for (unsigned int times = 1 + next(&seed) % 3; times > 1; times--) {
        change(&script, &seed, mutate);
        /* One text at a time: change_text has one memory. */
        size = script_write(&script, data, max_size);
        memcpy(copy, data, size);
        script_read(&script, copy, size);
    }
    change(&script, &seed, mutate);
    return script_write(&script, data, max_size);
}

size_t script_cross(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                    size_t max_size, unsigned int seed)
{
    static struct script first, second;
    script_read(&first, a, a_size);
    script_read(&second, b, b_size);
    size_t kept = first.count > 0 ? next(&seed) % (first.count + 1) : 0;
    size_t from = second.count > 0 ? next(&seed) % second.count : 0;
    first.count = kept;
    for (size_t i = from; i < second.count && first.count < STEPS_MAX; i++) {
        first.steps[first.count++] = second.steps[i];
    }
    return script_write(&first, out, max_size);
}
