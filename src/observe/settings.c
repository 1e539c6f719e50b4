#include "observe/logs.h"

static const struct conf_field access_fields[] = {
    { .name = "file",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct log_file_settings, file),
      .standard = "-",
      .example = "/var/log/sallyport/access.log",
      .help = "Where the lines go: a path, - for standard output, off for nowhere." },
    { .name = "queue",
      .type = CONF_SIZE,
      .flags = CONF_FIXED,
      .offset = offsetof(struct log_file_settings, queue),
      .standard = "1MiB",
      .minimum = 64 * 1024,
      .maximum = INT64_C(1) << 30,
      .help = "Bytes per worker that may wait for the file; beyond, lines are dropped and counted." },
    { .name = NULL },
};

static const struct conf_object access_object = {
    .name = "access log",
    .size = sizeof(struct log_file_settings),
    .fields = access_fields,
    .scalar = "file",
    .help = "One line of JSON for each request. Under overload lines are dropped, counted in "
            "sallyport_access_log_dropped_total.",
};

static const struct conf_field audit_fields[] = {
    { .name = "file",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct log_file_settings, file),
      .standard = "-",
      .example = "/var/log/sallyport/audit.log",
      .help = "Where the lines go: a path, or - for standard output." },
    { .name = "queue",
      .type = CONF_SIZE,
      .flags = CONF_FIXED,
      .offset = offsetof(struct log_file_settings, queue),
      .standard = "64MiB",
      .minimum = 1024 * 1024,
      .maximum = INT64_C(1) << 32,
      .help = "Bytes per worker that may wait for the file: 4 KiB for each request in flight. Memory is used "
              "for what "
              "waits, not for what may. Beyond, requests are answered 503." },
    { .name = NULL },
};

static const struct conf_object audit_object = {
    .name = "audit log",
    .size = sizeof(struct log_file_settings),
    .fields = audit_fields,
    .scalar = "file",
    .help = "Every denial, every change of configuration, and what routes with audit: all let in; each line "
            "carries the "
            "hash of the line before. Never dropped: what cannot be recorded is denied.",
};

static const struct conf_field logs_fields[] = {
    { .name = "access",
      .type = CONF_OBJECT,
      .offset = offsetof(struct logs_settings, access),
      .standard = "{}",
      .object = &access_object,
      .help = "The access log; on standard output where this is absent." },
    { .name = "audit",
      .type = CONF_OBJECT,
      .offset = offsetof(struct logs_settings, audit),
      .standard = "{}",
      .object = &audit_object,
      .help = "The audit log; on standard output where this is absent." },
    { .name = NULL },
};

const struct conf_object logs_object = {
    .name = "logs",
    .size = sizeof(struct logs_settings),
    .fields = logs_fields,
    .help = "Where requests are written down. Send SIGUSR1 to the supervisor after a rotation.",
};
