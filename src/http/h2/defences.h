/* Floods of HTTP/2: frames that cost the receiver more than the sender (CVE-2019-9511 to -9518, CVE-2023-44487,
 * CVE-2024-27316, CVE-2025-8671). One count for each kind of them, each with a limit of its own (base/limits.h): so many at
 * once, and so many a second; what an honest client does stays far below. Pure; one per connection. */
#ifndef SALLYPORT_HTTP_H2_DEFENCES_H
#define SALLYPORT_HTTP_H2_DEFENCES_H

#include "base/limits.h"
#include "base/slice.h"

/* X(ID, "name", at once, a second): the name is the label of the counter, and the reason in the log. */
#define H2_FLOODS(X)                                                                       \
    X(RESETS, "resets", HTTP2_RESETS_BURST, HTTP2_RESETS_RATE)                             \
    X(PROVOKED, "provoked_resets", HTTP2_PROVOKED_BURST, HTTP2_PROVOKED_RATE)              \
    X(CONTINUATION, "continuation", HTTP2_CONTINUATIONS_MAX, 0)                            \
    X(SETTINGS, "settings", HTTP2_SETTINGS_BURST, HTTP2_SETTINGS_RATE)                     \
    X(PING, "ping", HTTP2_PING_BURST, HTTP2_PING_RATE)                                     \
    X(WINDOW_UPDATE, "window_update", HTTP2_WINDOW_UPDATE_BURST, HTTP2_WINDOW_UPDATE_RATE) \
    X(EMPTY_DATA, "empty_data", HTTP2_EMPTY_DATA_BURST, HTTP2_EMPTY_DATA_RATE)             \
    X(PRIORITY, "priority", HTTP2_PRIORITY_BURST, HTTP2_PRIORITY_RATE)                     \
    X(OTHER_FRAMES, "other_frames", HTTP2_OTHER_FRAMES_BURST, HTTP2_OTHER_FRAMES_RATE)     \
    X(HEADERS, "decoded_headers", HTTP2_DECODED_MAX, 0)                                    \
    X(MEMORY, "memory", HTTP2_SESSION_MEMORY_MAX, 0)

enum h2_flood {
#define H2_FLOOD_ENUM(id, name, burst, rate) H2_FLOOD_##id,
    H2_FLOODS(H2_FLOOD_ENUM)
#undef H2_FLOOD_ENUM
    H2_FLOOD_COUNT,
};

/* GCRA, as limits are: when the whole allowance is back, ns. Zeroed at first. */
struct h2_defences {
    int64_t full_at[H2_FLOOD_COUNT];
};

/* One more of that kind. False: too many of them. Kinds without a rate have a limit per head or session, which their counter
 * knows; they are not counted here. */
bool h2_defences_count(struct h2_defences *defences, enum h2_flood kind, int64_t now);

/* `count` of that kind are earned by what the connection did: they are not counted against it. */
void h2_defences_earn(struct h2_defences *defences, enum h2_flood kind, int64_t now, uint64_t count);

struct slice h2_flood_name(enum h2_flood kind);

#endif
