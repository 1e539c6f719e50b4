/* What every log line makes of a text that others have written. Pure; any thread. */
#ifndef SALLYPORT_BASE_LOG_TEXT_H
#define SALLYPORT_BASE_LOG_TEXT_H

#include "base/slice.h"

/* Text inside a JSON string, at most `maximum` bytes (of at least 16); what is longer is cut, with a U+2026 as the mark.
 * UTF-8 stays as it is, but for quotes, backslashes, controls (C0, DEL, C1), line separators (U+2028, U+2029) and
 * controls of direction, which are escaped. Bytes that are not UTF-8 become \ufffd. So a line never carries what a
 * terminal or a log reader would act on. Returns the end. */
char *log_text_escape(char *at, struct slice text, size_t maximum);

/* The same for text that is shown as it stands, line by line: each byte of what would be escaped there becomes '?'; quotes,
 * backslashes and the ends of lines stay. In place. */
void log_text_mask(char *text, size_t size);

#endif
