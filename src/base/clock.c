#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_real_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void clock_rfc3339(int64_t real_ns, char out[CLOCK_RFC3339_SIZE])
{
    time_t seconds = (time_t)(real_ns / NS_PER_S);
    int milliseconds = (int)(real_ns % NS_PER_S / NS_PER_MS);
    struct tm date;
    gmtime_r(&seconds, &date);
    char text[64];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", date.tm_year + 1900, date.tm_mon + 1,
             date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec, milliseconds);
    snprintf(out, CLOCK_RFC3339_SIZE, "%.24s", text);
}
