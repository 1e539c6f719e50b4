/* A call's time, `grpc-timeout`: whatever comes is taken or refused without reading beyond it; what is taken has no other spelling
 * than digits and a unit, and is told on as no more than it is, and nearly as much. */
#include <stdlib.h>

#include "http/grpc.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Without letters and overflow: by floating point. */
static double wanted(const uint8_t *data, size_t size)
{
    static const char letters[] = "numSMH";
    static const double units[] = { 1, 1e3, 1e6, 1e9, 60e9, 3600e9 };
    double number = 0;
    for (size_t i = 0; i + 1 < size; i++) {
        CHECK(data[i] >= '0' && data[i] <= '9');
        number = number * 10 + (data[i] - '0');
    }
    const char *unit = data[size - 1] == '\0' ? NULL : strchr(letters, data[size - 1]);
    CHECK(unit != NULL);
    number *= units[unit - letters];
    return number < (double)GRPC_TIMEOUT_MAX ? number : (double)GRPC_TIMEOUT_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ns = -7, again = -7;
    char *copy = malloc(
        size + 1); /* exactly this size behind the first byte, so that a sanitizer sees what is read beyond */
    CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy + 1, data, size);
    }
    bool taken = grpc_timeout_parse(slice_of(copy + 1, size), &ns);
    free(copy);
    if (!taken) {
        CHECK(ns == -7);
        return 0;
    }
    CHECK(size >= 2 && size <= 9 && ns >= 0 && ns <= GRPC_TIMEOUT_MAX);
    double difference = (double)ns - wanted(data, size);
    CHECK(difference < 1024 && difference > -1024); /* what a double of 62 bits loses */
    if (ns > 0) {
        char text[GRPC_TIMEOUT_SIZE];
        CHECK(grpc_timeout_parse(grpc_timeout_text(ns, text), &again));
        CHECK(again <= ns && again > ns - ns / 100000 - 1);
    }
    return 0;
}
