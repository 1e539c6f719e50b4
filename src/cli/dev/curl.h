/* Runs curl against the development set and reads what it printed. */
#ifndef SALLYPORT_CLI_DEV_CURL_H
#define SALLYPORT_CLI_DEV_CURL_H

#include "base/buffer.h"
#include "base/error.h"

#define CURL_ARGUMENTS_MAX 24

/* `arguments` without the program's name, NULL-terminated. What it printed on standard output goes into `out`. */
struct error dev_curl(const char *const *arguments, struct buffer *out) MUST_CHECK;

/* The last response in what `curl -i` printed: status (0: none), and its text from the status line on. */
unsigned int dev_curl_status(struct slice printed, struct slice *ret_response);

/* The value of a field of a response, or an empty slice. Names without case. */
struct slice dev_curl_field(struct slice response, struct slice name);
struct slice dev_curl_body(struct slice response);

#endif
