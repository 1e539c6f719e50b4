/* What is written down of an exchange when it ends: access log, audit log, metrics. */
#ifndef SALLYPORT_PIPELINE_RECORD_H
#define SALLYPORT_PIPELINE_RECORD_H

#include "observe/logs.h"

struct exchange;

/* What both logs tell of it; the texts are the exchange's. */
void record_fill(const struct exchange *exchange, int64_t duration, struct log_record *record);
void record_exchange(struct exchange *exchange);

#endif
