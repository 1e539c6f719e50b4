/* Errors as small values that must be looked at. No heap, no thread-local state.
 *
 * A room returns an error; only the edge (a command, the control thread, a connection's owner) logs it, once.
 * Hot paths that can only say yes or no use bool or their own enum instead. */
#ifndef SALLYPORT_BASE_ERROR_H
#define SALLYPORT_BASE_ERROR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

enum error_kind {
    ERROR_NONE = 0,
    ERROR_MEMORY, /* the allocator or a capped arena or buffer had no room */
    ERROR_LIMIT,  /* a stated maximum was passed */
    ERROR_SYNTAX, /* malformed input */
    ERROR_VALUE,  /* well-formed input that is not acceptable */
    ERROR_SYSTEM, /* a system call failed: `number` is errno */
    ERROR_CRYPTO, /* OpenSSL failed: `number` is its packed error code */
    ERROR_PEER,   /* the other side broke its protocol */
    ERROR_STATE,  /* not possible now */
};

struct error {
    enum error_kind kind;
    int number;         /* by kind, else 0 */
    const char *what;   /* static text: what failed, for a person */
    const char *source; /* "file:line" of our code */
};

#define ERROR_TEXT_(x)    #x
#define ERROR_LINE_(x)    ERROR_TEXT_(x)
#define ERROR_SOURCE_HERE __FILE__ ":" ERROR_LINE_(__LINE__)

#define OK                   ((struct error){ .kind = ERROR_NONE })
#define FAIL(kind_, what_)   ((struct error){ (kind_), 0, (what_), ERROR_SOURCE_HERE })
#define FAIL_ERRNO(what_)    ((struct error){ ERROR_SYSTEM, errno, (what_), ERROR_SOURCE_HERE })
#define FAIL_NUMBER(k, n, w) ((struct error){ (k), (n), (w), ERROR_SOURCE_HERE })

#define MUST_CHECK __attribute__((warn_unused_result))

/* The one control-flow macro: hands a failure to the caller. */
#define TRY(expression)                         \
    do {                                        \
        struct error try_error_ = (expression); \
        if (try_error_.kind != ERROR_NONE) {    \
            return try_error_;                  \
        }                                       \
    } while (0)

static inline bool failed(struct error error)
{
    return error.kind != ERROR_NONE;
}

/* Is it for want of memory or descriptors here, whatever was asked for? */
bool error_is_shortage(struct error error);

/* One line for a person: what, and the reason of the system or of OpenSSL where there is one. NUL-terminated. */
void error_describe(struct error error, char *out, size_t size);

#endif
