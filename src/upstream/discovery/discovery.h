/* Follows what upstreams discover their endpoints from, on the control thread: files are looked at twice a second, in the thread pool;
 * name servers are asked when a TTL is over; Consul and Kubernetes tell by themselves what changes. What was found last stays
 * until something else is found: what cannot be read, is malformed or gives no answer changes nothing. Log and metrics say so. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_DISCOVERY_H
#define SALLYPORT_UPSTREAM_DISCOVERY_DISCOVERY_H

#include "base/buffer.h"
#include "net/loop.h"
#include "upstream/discovery/endpoint_set.h"

#define DISCOVERY_PATIENCE (2 * NS_PER_S)

struct discovery;

/* An upstream of the configuration in force has these endpoints from now on; good during the call. On ERROR_VALUE they are not
 * acceptable, and the ones before stay; on any other error they are told again. */
typedef struct error discovery_callback(void *context, struct slice upstream,
                                        const struct found_endpoints *found);

/* `changed`: something else is known of an upstream than before, which discovery_export gives (estate.h). */
struct error discovery_new(struct net_loop *loop, discovery_callback *callback,
                           void (*changed)(void *context), void *context,
                           struct discovery **ret_discovery) MUST_CHECK;
/* NULL is fine. The loop must run until what is under way in the pool is done. */
void discovery_free(struct discovery *discovery);

/* The sources of a configuration that is being taken up: those that are new are looked at, files here and now. */
struct error discovery_open(struct discovery *discovery, const struct upstream_settings *upstreams,
                            size_t count) MUST_CHECK;
/* Calls settled(context), maybe at once, when each name server has answered or failed, or after DISCOVERY_PATIENCE. */
void discovery_await(struct discovery *discovery, void (*settled)(void *context));
/* Gives upstreams that discover their endpoints those that are known, in `arena`. Where none is known yet
 * there is none, which is no reason not to start. Their sources were opened. */
struct error discovery_prepare(struct discovery *discovery, struct upstream_settings *upstreams, size_t count,
                               struct slice zone, struct arena *arena) MUST_CHECK;
/* These are in force: their sources are followed, and no other. */
void discovery_commit(struct discovery *discovery, const struct upstream_settings *upstreams, size_t count);

/* sallyport_discovery_…; false: the buffer was full. */
bool discovery_render(const struct discovery *discovery, struct buffer *out);

#endif
