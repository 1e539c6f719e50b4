/* Which coding a client wants a response in, by Accept-Encoding (RFC 9110 section 12.5.3). Pure; any thread. */
#ifndef SALLYPORT_COMPRESS_CHOOSE_H
#define SALLYPORT_COMPRESS_CHOOSE_H

#include "compress/algorithm.h"
#include "http/headers.h"

/* All Accept-Encoding fields count as one list, of which the first COMPRESS_CODINGS_MAX elements are read. */
#define COMPRESS_CODINGS_MAX 32

/* The one of `allowed` (bits of enum compress_algorithm_id) that the client likes best, and no less than the body as it is; of two, the
 * first of the table. -1: none. A client that says nothing gets nothing: it may be one that cannot decode. */
int compress_choose(const struct headers *headers, uint64_t allowed);

#endif
