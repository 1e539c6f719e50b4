/* A list, page by page: how much of it is told at once, and where the next page begins. Private to src/admin. */
#ifndef SALLYPORT_ADMIN_PAGE_H
#define SALLYPORT_ADMIN_PAGE_H

#include "admin/internal.h"

#define ADMIN_PAGE_STANDARD 100
#define ADMIN_PAGE_MAX      1000
/* Of an answer's bytes; a page may end with one entry beyond it. */
#define ADMIN_PAGE_BYTES (ADMIN_ANSWER_MAX - 24 * 1024)

/* The fields of a list's query for it: the slices `limit` and `after` of `type`. */
#define PAGE_FIELDS(type, things)                                                                  \
    { "limit", CONF_STRING, CONF_NON_EMPTY, .offset = offsetof(struct type, limit),                \
      .help = things                                                                               \
      " of one page at the most, 1 to 1000; 100 where it is left out. A page may be shorter, and " \
      "empty: what tells the last one is `next`." },                                               \
    {                                                                                              \
        "after", CONF_STRING, CONF_NON_EMPTY, .offset = offsetof(struct type, after),              \
                                              .help = "`next` of the page before, as it is."       \
    }

struct page {
    struct admin_call *call;
    uint64_t after, limit; /* of numbers: beyond this one, so many */
    uint64_t count;        /* written by now */
    uint64_t last;         /* the number that the next page begins behind: the caller's to set */
    bool more;             /* there is a next page */
};

/* By the query's `limit` and `after`; ptr NULL: left out. False: told. */
bool page_begin(struct admin_call *call, struct slice limit, struct slice after, struct page *ret_page);
/* For one entry more. False: there will be a next page. */
bool page_has_room(struct page *page);
/* {"things": [ before the entries, and ], "next": … } behind them, with the operation's status. */
void page_open(struct page *page, const char *things);
void page_close(struct page *page);

#endif
