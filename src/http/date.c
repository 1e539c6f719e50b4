#include "http/date.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

struct slice http_date(int64_t real_ns)
{
    static _Thread_local char text[64];
    static _Thread_local time_t formatted = -1;
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = (time_t)(real_ns / NS_PER_S);
    if (seconds != formatted) {
        struct tm date;
        gmtime_r(&seconds, &date);
        snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[date.tm_wday], date.tm_mday,
                 months[date.tm_mon], date.tm_year + 1900, date.tm_hour, date.tm_min, date.tm_sec);
        formatted = seconds;
    }
    return slice_from_string(text);
}
