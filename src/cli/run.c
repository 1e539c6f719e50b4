#include "cli/cli.h"
#include "gateway/gateway.h"
#include "supervisor/process.h"
#include "supervisor/supervisor.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

/* What we were executed as: a link that points to another version by the time of an upgrade is followed anew. */
static const char *own_path(void)
{
    static char path[PATH_MAX];
    const char *name = (const char *)getauxval(AT_EXECFN); /* NOLINT(performance-no-int-to-ptr): its type */
    if (name != NULL && name[0] != '\0' && strncmp(name, "/dev/fd/", 8) != 0) {
        bool absolute = name[0] == '/';
        if (!absolute && getcwd(path, sizeof path) == NULL) {
            return "";
        }
        size_t length = absolute ? 0 : strlen(path);
        snprintf(path + length, sizeof path - length, "%s%s", absolute ? "" : "/", name);
        return path;
    }
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return path;
}

int cli_run(int count, char **arguments)
{
    struct cli_files files;
    int misuse = cli_read_files("run", count, arguments, &files);
    if (misuse != 0) {
        return misuse;
    }
    /* The gateway is this binary and no other, even when the file has been replaced meanwhile: both processes must be of
     * one version. */
    return supervisor_run(&(struct supervisor_options){
        .config = files.options, .program = "/proc/self/exe", .path = own_path() });
}

/* Started by the supervisor of another version only. */
int cli_rehearse(int count, char **arguments)
{
    struct cli_files files;
    int misuse = cli_read_files("rehearse", count, arguments, &files);
    if (misuse != 0) {
        return misuse;
    }
    return supervisor_rehearse(&(struct supervisor_options){ .config = files.options });
}

int cli_upgrade(int count, char **arguments)
{
    char text[2048];
    struct cli_files files;
    int misuse = cli_read_files("upgrade", count, arguments, &files);
    if (misuse != 0) {
        return misuse;
    }
    bool upgraded = supervisor_upgrade(&files.options, text, sizeof text);
    fprintf(upgraded ? stdout : stderr, "sallyport upgrade: %s%s\n", upgraded ? "" : "not upgraded: ", text);
    return upgraded ? 0 : 1;
}

/* Started by the supervisor only. */
int cli_gateway(int count, char **arguments)
{
    uint64_t fd;
    if (count != 1 || !slice_to_u64(slice_from_string(arguments[0]), &fd) || fd > INT32_MAX) {
        return cli_misuse("gateway", "it is started by `sallyport run`", NULL);
    }
    process_prepare();
    return gateway_run((int)fd);
}
