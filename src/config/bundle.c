#include "config/record.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The bundle: a magic, then per record this header, the key and the value. Written and read by the same binary. */
static const char bundle_magic[8] = "SPbundle";

struct record_header {
    uint32_t kind;
    int32_t number;
    uint64_t key_size, value_size;
};
static struct error write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno != EINTR) {
            return FAIL_ERRNO("cannot write the configuration bundle");
        }
        if (written > 0) {
            at += written;
            size -= (size_t)written;
        }
    }
    return OK;
}

static struct error write_records(const struct config_files *files, int fd)
{
    TRY(write_all(fd, bundle_magic, sizeof bundle_magic));
    for (const struct record *record = files->first; record != NULL; record = record->next) {
        struct record_header header = { (uint32_t)record->kind, record->number, record->key.len,
                                        record->value.len };
        TRY(write_all(fd, &header, sizeof header));
        TRY(write_all(fd, record->key.ptr, record->key.len));
        TRY(write_all(fd, record->value.ptr, record->value.len));
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
        return FAIL_ERRNO("cannot seal the configuration bundle");
    }
    return OK;
}

struct error config_files_pack(const struct config_files *files, int *ret_fd)
{
    int fd = memfd_create("sallyport-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return FAIL_ERRNO("cannot make the configuration bundle");
    }
    struct error error = write_records(files, fd);
    if (failed(error)) {
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return OK;
}

/* Takes `size` bytes off the front. */
static bool take(struct slice *rest, uint64_t size, struct slice *ret_part)
{
    if (size > rest->len) {
        return false;
    }
    *ret_part = slice_part(*rest, 0, size);
    *rest = slice_from(*rest, size);
    return true;
}

static struct error read_records(struct config_files *files, struct slice rest)
{
    struct slice part;
    if (!take(&rest, sizeof bundle_magic, &part) ||
        !slice_equal(part, slice_of(bundle_magic, sizeof bundle_magic))) {
        return FAIL(ERROR_SYNTAX, "not a configuration bundle");
    }
    while (rest.len > 0) {
        struct record_header header;
        struct record draft = { 0 };
        if (!take(&rest, sizeof header, &part)) {
            return FAIL(ERROR_SYNTAX, "the configuration bundle is cut off");
        }
        memcpy(&header, part.ptr, sizeof header);
        if (header.kind >= RECORD_KINDS || header.number < 0 || !take(&rest, header.key_size, &draft.key) ||
            !take(&rest, header.value_size, &draft.value)) {
            return FAIL(ERROR_SYNTAX, "the configuration bundle is cut off");
        }
        draft.kind = (enum record_kind)header.kind;
        draft.number = header.number;
        TRY(record_add(files, &draft, NULL));
    }
    return OK;
}

static struct error open_mapping(int fd, struct config_files *files)
{
    /* Without the seals, a writer could change the bytes after they were checked, or cut them off under the mapping. */
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE)) {
        return FAIL(ERROR_VALUE, "the configuration bundle is not sealed");
    }
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return FAIL_ERRNO("cannot read the configuration bundle");
    }
    void *mapping = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapping == MAP_FAILED) {
        return FAIL_ERRNO("cannot map the configuration bundle");
    }
    files->mapping = mapping;
    files->mapping_size = (size_t)status.st_size;
    return read_records(files, slice_of(mapping, files->mapping_size));
}

struct error config_files_open(int fd, struct config_files **ret_files)
{
    struct config_files *files = NULL;
    TRY(record_files_new(SOURCE_BUNDLE, &files));
    struct error error = open_mapping(fd, files);
    if (failed(error)) {
        config_files_free(files);
        return error;
    }
    *ret_files = files;
    return OK;
}
