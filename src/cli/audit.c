#include "cli/cli.h"
#include "observe/logs.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int verify(const char *path, struct slice text)
{
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.ptr[i] == '\n';
    }
    size_t broken = log_audit_verify(text);
    if (broken != 0) {
        printf(
            "%s:%zu: the chain breaks here: the line before it was changed or is missing, or this one was\n",
            path, broken);
        return 1;
    }
    printf("%s: %zu lines, the chain holds\n", path, lines);
    return 0;
}

int cli_audit(int count, char **arguments)
{
    if (count != 2 || strcmp(arguments[0], "verify") != 0) {
        return cli_misuse("audit", "\"verify FILE\" is wanted", NULL);
    }
    const char *path = arguments[1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        perror(path);
        return CLI_MISUSE;
    }
    size_t size = (size_t)status.st_size;
    void *mapping = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (mapping == MAP_FAILED) {
        perror(path);
        return CLI_MISUSE;
    }
    int result = verify(path, slice_of(mapping, size));
    if (mapping != NULL) {
        munmap(mapping, size);
    }
    return result;
}
