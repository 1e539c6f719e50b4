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

/* Digits where `form` has '0', itself elsewhere. */
static bool has_form(struct slice text, const char *form)
{
    bool good = text.len == strlen(form);
    for (size_t i = 0; good && i < text.len; i++) {
        good = form[i] == '0' ? ascii_is_digit(text.ptr[i]) : text.ptr[i] == form[i];
    }
    return good;
}

static int number_at(struct slice text, size_t from, size_t len)
{
    uint64_t value = 0;
    return slice_to_u64(slice_part(text, from, len), &value) ? (int)value : 0;
}

bool clock_parse_date(struct slice text, int64_t *ret_seconds)
{
    bool has_time = has_form(text, "0000-00-00T00:00:00Z");
    if (!has_time && !has_form(text, "0000-00-00")) {
        return false;
    }
    const struct tm wanted = {
        .tm_year = number_at(text, 0, 4) - 1900,
        .tm_mon = number_at(text, 5, 2) - 1,
        .tm_mday = number_at(text, 8, 2),
        .tm_hour = has_time ? number_at(text, 11, 2) : 0,
        .tm_min = has_time ? number_at(text, 14, 2) : 0,
        .tm_sec = has_time ? number_at(text, 17, 2) : 0,
    };
    /* What is in no calendar comes back as another day. */
    struct tm date = wanted;
    time_t seconds = timegm(&date);
    if (seconds <= 0 || date.tm_year != wanted.tm_year || date.tm_mon != wanted.tm_mon ||
        date.tm_mday != wanted.tm_mday || date.tm_hour != wanted.tm_hour || date.tm_min != wanted.tm_min ||
        date.tm_sec != wanted.tm_sec) {
        return false;
    }
    *ret_seconds = seconds;
    return true;
}

void clock_print_date(int64_t seconds, char out[CLOCK_DATE_SIZE])
{
    time_t time = (time_t)seconds;
    struct tm date;
    gmtime_r(&time, &date);
    (void)strftime(out, CLOCK_DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &date);
}
