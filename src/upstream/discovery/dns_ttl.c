#include "upstream/discovery/dns_ttl.h"

#include "base/clock.h"

#include <arpa/nameser.h>

#define LEAST     NS_PER_S         /* however short a TTL: 0 would ask without end */
#define EACH_NAME (20 * NS_PER_MS) /* is two questions */
#define NOTHING   (10 * NS_PER_S)  /* what is wrong may be well in a moment, whatever the interval */

uint32_t dns_ttl_of(uint32_t sent)
{
    return sent > INT32_MAX ? 0 : sent;
}

uint32_t dns_answer_ttl(const unsigned char *message, int size)
{
    uint32_t smallest = UINT32_MAX;
    ns_msg parsed;
    if (ns_initparse(message, size, &parsed) != 0) {
        return 0;
    }
    for (int i = 0; i < ns_msg_count(parsed, ns_s_an); i++) {
        ns_rr record;
        if (ns_parserr(&parsed, ns_s_an, i, &record) != 0) {
            return 0;
        }
        uint32_t ttl = dns_ttl_of(ns_rr_ttl(record));
        smallest = ttl < smallest ? ttl : smallest;
    }
    return smallest;
}

static int64_t about(int64_t pause, uint32_t chance)
{
    return pause + pause / 10000 * (int64_t)(chance % 1001);
}

int64_t dns_pause(uint32_t ttl, uint32_t names, int64_t interval, uint32_t chance)
{
    int64_t pause = ttl == UINT32_MAX ? interval : (int64_t)ttl * NS_PER_S;
    pause = pause < LEAST ? LEAST : pause;
    pause = pause < names * EACH_NAME ? names * EACH_NAME : pause;
    return about(pause < interval ? pause : interval, chance);
}

int64_t dns_pause_of_nothing(int64_t interval, uint32_t chance)
{
    return about(interval < NOTHING ? interval : NOTHING, chance);
}
