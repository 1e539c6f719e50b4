#include "admin/page.h"

bool page_begin(struct admin_call *call, struct slice limit, struct slice after, struct page *ret_page)
{
    *ret_page = (struct page){ .call = call, .limit = ADMIN_PAGE_STANDARD };
    if (limit.ptr != NULL &&
        (!slice_to_u64(limit, &ret_page->limit) || ret_page->limit < 1 || ret_page->limit > ADMIN_PAGE_MAX)) {
        admin_problem(call, 400, "invalid_request", "limit: a number from 1 to %d is wanted", ADMIN_PAGE_MAX);
        return false;
    }
    if (after.ptr != NULL && !slice_to_u64(after, &ret_page->after)) {
        admin_problem(call, 400, "invalid_request", "after: `next` of the page before is wanted");
        return false;
    }
    return true;
}

bool page_has_room(struct page *page)
{
    page->more = page->count == page->limit || buffer_length(&page->call->out) > ADMIN_PAGE_BYTES;
    return !page->more;
}

void page_open(struct page *page, const char *things)
{
    struct json_writer *json = &page->call->json;
    json_object_begin(json);
    json_name(json, slice_from_string(things));
    json_array_begin(json);
}

void page_close(struct page *page)
{
    struct admin_call *call = page->call;
    json_array_end(&call->json);
    json_name(&call->json, SLICE("next"));
    if (page->more) {
        json_string(&call->json, arena_printf(&call->arena, "%llu", (unsigned long long)page->last));
    } else {
        json_null(&call->json);
    }
    json_object_end(&call->json);
    call->status = call->operation->status;
}
