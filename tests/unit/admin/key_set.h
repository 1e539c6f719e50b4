/* A configuration with one set of API keys, which the admin API changes. */
#ifndef SALLYPORT_TESTS_UNIT_ADMIN_KEY_SET_H
#define SALLYPORT_TESTS_UNIT_ADMIN_KEY_SET_H

#include "admin/admin.h"

static struct api_pepper_settings pepper = { .name = SLICE_INIT("p1"),
                                             .secret = SLICE_INIT("0123456789abcdef0123456789abcdef") };
static struct api_keys_settings set = { .name = SLICE_INIT("s"),
                                        .prefix = SLICE_INIT("test"),
                                        .header = SLICE_INIT("X-API-Key"),
                                        .peppers = { &pepper, 1 } };
static struct slice set_names[] = { SLICE_INIT("s") };
static struct admin_settings admin = { .api_keys = { set_names, 1 } };
static struct settings settings = { .api_keys = &set, .api_keys_count = 1, .admin = &admin };

#endif
