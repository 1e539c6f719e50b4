#include "upstream/discovery/slice_set.h"

#include "base/limits.h"

#include <stdlib.h>

#define NO_MEMORY   FAIL(ERROR_MEMORY, "no memory for endpoints")
#define SLICE_ARENA ((size_t)2 * 1024 * 1024)

struct kept_slice {
    struct kept_slice *next;
    struct arena memory; /* of the rest */
    struct endpoint_slice slice;
};

/* ---- what is kept ---- */

static struct kept_slice **find(struct slice_set *set, struct slice name)
{
    struct kept_slice **place = &set->first;
    while (*place != NULL && !slice_equal((*place)->slice.name, name)) {
        place = &(*place)->next;
    }
    return place;
}

static void free_kept(struct kept_slice *kept)
{
    arena_done(&kept->memory);
    free(kept);
}

static bool copy(struct kept_slice *kept, const struct endpoint_slice *slice)
{
    struct endpoint_slice *made = &kept->slice;
    *made = *slice;
    made->name = arena_copy(&kept->memory, slice->name);
    made->items = arena_calloc(&kept->memory, slice->count + 1, sizeof *made->items);
    bool good = made->name.ptr != NULL && made->items != NULL;
    for (size_t i = 0; good && i < slice->count; i++) {
        made->items[i] = slice->items[i];
        made->items[i].zone = arena_copy(&kept->memory, slice->items[i].zone);
        made->items[i].uid = arena_copy(&kept->memory, slice->items[i].uid);
        good = made->items[i].zone.ptr != NULL && made->items[i].uid.ptr != NULL;
    }
    return good;
}

struct error slice_set_put(struct slice_set *set, const struct endpoint_slice *slice)
{
    struct kept_slice **place = find(set, slice->name);
    size_t before = *place != NULL ? (*place)->slice.count : 0;
    if ((*place == NULL && set->count == SLICES_MAX) ||
        set->endpoints - before + slice->count > SLICE_SET_ENDPOINTS_MAX) {
        return FAIL(ERROR_LIMIT, "the service has too many EndpointSlices or endpoints");
    }
    struct kept_slice *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        return NO_MEMORY;
    }
    arena_init(&kept->memory, SLICE_ARENA);
    if (!copy(kept, slice)) {
        free_kept(kept);
        return NO_MEMORY;
    }
    slice_set_drop(set, slice->name);
    kept->next = set->first;
    set->first = kept;
    set->count++;
    set->endpoints += slice->count;
    return OK;
}

void slice_set_drop(struct slice_set *set, struct slice name)
{
    struct kept_slice **place = find(set, name);
    struct kept_slice *kept = *place;
    if (kept != NULL) {
        *place = kept->next;
        set->count--;
        set->endpoints -= kept->slice.count;
        free_kept(kept);
    }
}

void slice_set_clear(struct slice_set *set)
{
    while (set->first != NULL) {
        struct kept_slice *kept = set->first;
        set->first = kept->next;
        free_kept(kept);
    }
    *set = (struct slice_set){ 0 };
}

/* ---- what they make ---- */

struct merge {
    const struct found_frame *frame;
    struct arena *memory;
    struct found_endpoints found;
    struct slice *pods; /* those that are in it by an IPv4 address */
    size_t pod_count;
    bool ready; /* endpoints that are; else those that are ending */
};

static bool any_ready(const struct slice_set *set)
{
    for (const struct kept_slice *kept = set->first; kept != NULL; kept = kept->next) {
        for (size_t i = 0; i < kept->slice.count; i++) {
            if (kept->slice.items[i].ready) {
                return true;
            }
        }
    }
    return false;
}

static bool add(struct merge *merge, const struct slice_endpoint *endpoint)
{
    struct found_endpoint *found = &merge->found.items[merge->found.count++];
    *found = found_at(merge->frame, &endpoint->address, merge->memory);
    found->zone = arena_copy(merge->memory, endpoint->zone);
    return found->url.ptr != NULL && found->zone.ptr != NULL;
}

static bool add_family(struct merge *merge, const struct slice_set *set, bool v4)
{
    for (const struct kept_slice *kept = set->first; kept != NULL; kept = kept->next) {
        for (size_t i = 0; i < kept->slice.count; i++) {
            const struct slice_endpoint *endpoint = &kept->slice.items[i];
            bool wanted = merge->ready ? endpoint->ready : endpoint->ending;
            if (!wanted || address_is_v4(&endpoint->address) != v4 ||
                (!v4 && slices_hold(merge->pods, merge->pod_count, endpoint->uid))) {
                continue;
            }
            if (v4 && endpoint->uid.len > 0) {
                merge->pods[merge->pod_count++] = endpoint->uid;
            }
            if (!add(merge, endpoint)) {
                return false;
            }
        }
    }
    return true;
}

/* There are endpoints, and none of them can be used: the name of the port is wrong, most likely. */
static struct error check_ports(const struct slice_set *set)
{
    size_t portless = 0;
    bool ambiguous = false;
    for (const struct kept_slice *kept = set->first; kept != NULL; kept = kept->next) {
        portless += kept->slice.portless;
        ambiguous = ambiguous || kept->slice.ambiguous;
    }
    if (portless == 0 || set->endpoints > 0) {
        return OK;
    }
    return ambiguous ? FAIL(ERROR_VALUE, "the service has several TCP ports: name one of them, as in "
                                         "k8s://shop/orders:http")
                     : FAIL(ERROR_VALUE, "no EndpointSlice has such a TCP port");
}

struct error slice_set_merge(const struct slice_set *set, const struct found_frame *frame,
                             struct arena *memory, struct found_endpoints *ret_found)
{
    struct merge merge = { .frame = frame, .memory = memory, .ready = any_ready(set) };
    TRY(check_ports(set));
    merge.found.items = arena_calloc(memory, set->endpoints + 1, sizeof *merge.found.items);
    merge.pods = arena_calloc(memory, set->endpoints + 1, sizeof *merge.pods);
    if (merge.found.items == NULL || merge.pods == NULL || !add_family(&merge, set, true)) {
        return NO_MEMORY;
    }
    merge.pod_count = slices_sort(merge.pods, merge.pod_count);
    if (!add_family(&merge, set, false)) {
        return NO_MEMORY;
    }
    found_settle(&merge.found);
    if (merge.found.count > ENDPOINTS_MAX) {
        return FAIL(ERROR_VALUE, "more endpoints than a service may have, 1024");
    }
    *ret_found = merge.found;
    return OK;
}
