/* EndpointSlices of Kubernetes (discovery.k8s.io/v1), as the API server tells them: in a list, and in events of a watch. Pure. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_ENDPOINT_SLICE_H
#define SALLYPORT_UPSTREAM_DISCOVERY_ENDPOINT_SLICE_H

#include "base/arena.h"
#include "base/error.h"
#include "net/address.h"

#define SLICES_MAX           256  /* of one service */
#define SLICE_ENDPOINTS_MAX  1000 /* of one slice, as the API has it */
#define RESOURCE_VERSION_MAX 64   /* bytes */
/* Bytes of a list, and of an event: an endpoint has about 500, and a slice what etcd takes at most, 1.5 MiB. */
#define SLICE_LIST_MAX  ((size_t)4 * 1024 * 1024)
#define SLICE_EVENT_MAX ((size_t)2 * 1024 * 1024)
/* Bytes of an arena that `scratch` needs for that. */
#define SLICE_SCRATCH_MAX ((size_t)64 * 1024 * 1024)

struct slice_endpoint {
    struct address address; /* with its port */
    struct slice zone;      /* empty: none */
    struct slice uid;       /* of the pod that it is; empty: of none */
    bool ready;
    bool ending; /* not ready, and still serving while it terminates: for want of others */
};

struct endpoint_slice {
    struct slice name;
    struct slice_endpoint *items;
    size_t count;
    size_t portless; /* endpoints that are not among them: the slice has no such port */
    bool ambiguous;  /* the same: no port was named, and there are several */
};

struct slice_list {
    struct endpoint_slice *items;
    size_t count;
    struct slice version; /* to watch from */
};

enum slice_event_kind {
    SLICE_PUT,      /* ADDED or MODIFIED */
    SLICE_DELETED,  /* `slice`.name */
    SLICE_BOOKMARK, /* `version` and nothing else */
    SLICE_EXPIRED,  /* the version that was watched from is too old: list again */
    SLICE_ERROR,    /* `message` */
};

struct slice_event {
    enum slice_event_kind kind;
    struct endpoint_slice slice;
    struct slice version;
    struct slice message;
};

/* Endpoints at the TCP port of that name, or, where it is empty, at the only one. Slices of names (FQDN) have none: what they
 * mean is not defined. What is read lies in `memory`, and nothing in `text` or `scratch`. ERROR_VALUE: it is no such list. */
struct error endpoint_slice_list(struct slice text, struct slice port, struct arena *scratch,
                                 struct arena *memory, struct slice_list *ret_list) MUST_CHECK;
struct error endpoint_slice_event(struct slice text, struct slice port, struct arena *scratch,
                                  struct arena *memory, struct slice_event *ret_event) MUST_CHECK;

/* What the API server says where it refuses (a Status): its message, in `scratch`; empty where it is none. */
struct slice endpoint_slice_refusal(struct slice text, struct arena *scratch);

#endif
