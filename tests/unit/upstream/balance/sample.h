/* How well a sample fits what it should be distributed like. */
#ifndef SALLYPORT_TESTS_SAMPLE_H
#define SALLYPORT_TESTS_SAMPLE_H

#include <math.h>
#include <stddef.h>

/* Pearson's chi-square, made a standard normal (Wilson and Hilferty): below 5 by all but 3 in 10^7 of samples. Seeds are fixed
 * in these tests, so that what holds once holds always. */
static inline double sample_misfit(const unsigned int *seen, const double *shares, size_t count,
                                   unsigned int total)
{
    double chi = 0;
    for (size_t i = 0; i < count; i++) {
        double expected = shares[i] * total, difference = seen[i] - expected;
        chi += difference * difference / expected;
    }
    double freedom = (double)count - 1, part = 2 / (9 * freedom);
    return (cbrt(chi / freedom) - (1 - part)) / sqrt(part);
}

#endif
