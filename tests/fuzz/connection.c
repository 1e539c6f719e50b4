/* Whole connections: one gateway worker, from its listeners to its logs, with the clients and upstreams that a script plays. It must
 * come to rest by itself and keep nothing; and what each side got must be what the other side meant (connection/oracle.h). */
#include "connection/oracle.h"
#include "connection/script.h"
#include "connection/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max_size, unsigned int seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    return script_mutate(data, size, max_size, seed, LLVMFuzzerMutate);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t max_size, unsigned int seed)
{
    return script_cross(a, a_size, b, b_size, out, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct script script;
    script_read(&script, data, size);
    world_begin();
    script_play(&script);
    world_end();
    oracle_check();
    loopback_done();
    return 0;
}
