#include "pipeline/deny_reasons.h"

const struct deny_info deny_infos[DENY_REASON_COUNT] = {
#define DENY_ROW(id, detail_, status_, grpc_, asks_, public_, title_, help_) \
    [DENY_##id] = {                                                          \
        .detail = (detail_),                                                 \
        .status = (status_),                                                 \
        .grpc = (grpc_),                                                     \
        .asks = DENY_ASKS_##asks_,                                           \
        .public_code = (public_),                                            \
        .title = (title_),                                                   \
        .help = (help_),                                                     \
    },
    DENY_REASONS(DENY_ROW)
#undef DENY_ROW
};
