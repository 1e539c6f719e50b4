#include "store/key_uses.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* Part of the digest stands beside the time, so that the slots of another store mean nothing to this one. */
struct slot {
    unsigned char tag[8];
    uint64_t when; /* little-endian */
};

void key_uses_open(struct key_uses *uses, const char *path, int fd)
{
    *uses = (struct key_uses){ .fd = fd };
    if (fd < 0) {
        char beside[PATH_MAX];
        int size = snprintf(beside, sizeof beside, "%s" KEY_STORE_USED, path);
        /* It comes with the first gateway. */
        uses->fd = size < (int)sizeof beside ? open(beside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
        uses->is_ours = uses->fd >= 0;
    }
}

void key_uses_close(struct key_uses *uses)
{
    if (uses->is_ours) {
        close(uses->fd);
    }
}

static off_t slot_at(uint64_t number)
{
    return (off_t)(number * sizeof(struct slot));
}

int64_t key_uses_last(const struct key_uses *uses, const struct key_record *record)
{
    struct slot slot;
    if (uses->fd < 0 || record->number > INT64_MAX / sizeof slot ||
        pread(uses->fd, &slot, sizeof slot, slot_at(record->number)) != (ssize_t)sizeof slot ||
        memcmp(slot.tag, record->digest, sizeof slot.tag) != 0) {
        return 0;
    }
    return (int64_t)le64toh(slot.when);
}

void key_uses_note(const struct key_uses *uses, uint64_t number,
                   const unsigned char digest[KEY_RECORD_DIGEST], int64_t when)
{
    if (uses->fd < 0 || uses->is_ours || number > INT64_MAX / sizeof(struct slot)) {
        return;
    }
    struct slot slot = { .when = htole64((uint64_t)when) };
    memcpy(slot.tag, digest, sizeof slot.tag);
    /* One that is lost is a use that is not known: the next one comes. */
    (void)!pwrite(uses->fd, &slot, sizeof slot, slot_at(number));
}
