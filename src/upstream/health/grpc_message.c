#include "upstream/health/grpc_message.h"

#define FIELD_SERVICE    1
#define FIELD_STATUS     1
#define FIELD_MAX        ((UINT64_C(1) << 29) - 1)
#define TAG(field, wire) (char)((field) << 3 | (wire))

/* How a field's value is written. */
enum wire {
    WIRE_VARINT = 0,
    WIRE_64_BITS = 1,
    WIRE_LENGTH = 2,
    WIRE_32_BITS = 5, /* 3 and 4 were groups, which nobody sends any more */
};

size_t grpc_health_request(struct slice service, char out[GRPC_HEALTH_REQUEST_MAX])
{
    char *at = out + GRPC_PREFIX_SIZE;
    if (service.len > 0) {
        *at++ = TAG(FIELD_SERVICE, WIRE_LENGTH);
        if (service.len >= 0x80) {
            *at++ = (char)(service.len | 0x80);
            *at++ = (char)(service.len >> 7);
        } else {
            *at++ = (char)service.len;
        }
        memcpy(at, service.ptr, service.len);
        at += service.len;
    }
    size_t size = (size_t)(at - out) - GRPC_PREFIX_SIZE;
    memset(out, 0, GRPC_PREFIX_SIZE);
    out[3] = (char)(size >> 8);
    out[4] = (char)size;
    return size + GRPC_PREFIX_SIZE;
}

/* At most 64 bits in at most 10 bytes. */
static bool take_varint(struct slice *rest, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < rest->len && i < 10; i++) {
        unsigned char byte = (unsigned char)rest->ptr[i];
        if (i == 9 && byte > 1) {
            return false;
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *rest = slice_from(*rest, i + 1);
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool pass_over(struct slice *rest, uint64_t size)
{
    if (size > rest->len) {
        return false;
    }
    *rest = slice_from(*rest, (size_t)size);
    return true;
}

/* `value` is set by a varint only. */
static bool take_value(struct slice *rest, unsigned int wire, uint64_t *value)
{
    uint64_t size;
    switch (wire) {
    case WIRE_VARINT:
        return take_varint(rest, value);
    case WIRE_64_BITS:
        return pass_over(rest, 8);
    case WIRE_LENGTH:
        return take_varint(rest, &size) && pass_over(rest, size);
    case WIRE_32_BITS:
        return pass_over(rest, 4);
    default:
        return false;
    }
}

const char *grpc_health_parse(struct slice body, uint64_t *ret_status)
{
    const unsigned char *prefix = (const unsigned char *)body.ptr;
    if (body.len < GRPC_PREFIX_SIZE) {
        return "the answer holds no message";
    }
    if (prefix[0] != 0) {
        return "the answer's message is compressed, which nobody asked for";
    }
    struct slice rest = slice_from(body, GRPC_PREFIX_SIZE);
    uint64_t size =
        (uint64_t)prefix[1] << 24 | (uint64_t)prefix[2] << 16 | (uint64_t)prefix[3] << 8 | prefix[4];
    if (size != rest.len) {
        return size < rest.len ? "there is more than one message in the answer"
                               : "the answer's message is cut off";
    }
    uint64_t status = GRPC_SERVING_UNKNOWN;
    while (rest.len > 0) {
        uint64_t tag, value = 0;
        if (!take_varint(&rest, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_MAX ||
            !take_value(&rest, tag & 7, &value)) {
            return "the answer is no HealthCheckResponse";
        }
        if (tag >> 3 == FIELD_STATUS) {
            if ((tag & 7) != WIRE_VARINT) {
                return "the answer's status is no number";
            }
            status = value;
        }
    }
    *ret_status = status;
    return NULL;
}
