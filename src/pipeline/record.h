/* What is written down of an exchange when it ends: access log, audit log, metrics. */
#ifndef SALLYPORT_PIPELINE_RECORD_H
#define SALLYPORT_PIPELINE_RECORD_H

struct exchange;

void record_exchange(struct exchange *exchange);

#endif
