/* What the fuzz target of whole connections asserts: a text beside the place, since there is no input file to look at. */
#ifndef SALLYPORT_TESTS_FUZZ_CONNECTION_CHECK_H
#define SALLYPORT_TESTS_FUZZ_CONNECTION_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK_THAT(condition, ...)                                                        \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: %s does not hold: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                                 \
            fputc('\n', stderr);                                                          \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

#endif
