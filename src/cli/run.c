#include "cli/cli.h"
#include "gateway/gateway.h"
#include "supervisor/process.h"
#include "supervisor/supervisor.h"

int cli_run(int count, char **arguments)
{
    struct cli_files files;
    int misuse = cli_read_files("run", count, arguments, &files);
    if (misuse != 0) {
        return misuse;
    }
    /* This binary and no other, even when the file has been replaced meanwhile: both processes must be of one version. */
    return supervisor_run(
        &(struct supervisor_options){ .config = files.options, .program = "/proc/self/exe" });
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
