/* `sallyport dev`: a gateway with everything around it, from this one binary, on loopback, until it is interrupted. */
#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/dev/mint.h"
#include "cli/dev/pki.h"
#include "cli/dev/services.h"
#include "cli/dev/tour.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG    128
#define STOP_LIMIT (10 * NS_PER_S)

struct dev {
    char directory[PATH_MAX];
    char program[PATH_MAX];
    struct dev_set set;
    struct dev_pki *pki;
    int issuer_fd, upstream_fd;
    unsigned int upstream_port;
    pid_t services, gateway;
};

static const char configuration[] =
    "# Written by `sallyport dev`. Everything that it names lies in this directory.\n"
    "logs: { access: { file: access.log }, audit: { file: audit.log } }\n"
    "listeners:\n"
    "  public: { address: 127.0.0.1, port: %u, tls: { certificates: [{ cert: gateway.pem, key: gateway.key "
    "}] } }\n"
    "  plain:  { address: 127.0.0.1, port: %u, redirect_to_https: true, https_port: %u }\n"
    "  ops:    { address: 127.0.0.1, port: %u, exposure: internal, plaintext: allow, status: true }\n"
    "issuers:\n"
    "  dev: { issuer: \"" DEV_ISSUER "\", audiences: [" DEV_AUDIENCE "], algorithms: [RS256],\n"
    "         jwks_url: \"http://127.0.0.1:%u/jwks.json\" }\n"
    "upstreams:\n"
    "  order-service: { endpoints: [\"https://127.0.0.1:%u\"], tls: { ca: ca.pem } }\n"
    "defaults:\n"
    "  listeners: [public]\n"
    "  upstream: order-service\n"
    "  limits: [{ name: address, limit: 1000/1m, by: address }]\n"
    "groups:\n"
    "  orders:\n"
    "    match: { host: localhost, path: /orders }\n"
    "    auth: { jwt: dev }\n"
    "    relay: { token: forward, headers: { X-User-Id: claims.sub, X-Scopes: scopes } }\n"
    "    routes:\n"
    "      read:\n"
    "        match: { methods: [GET], path: \"/**\" }\n"
    "        authorize: { scopes: [read_orders] }\n"
    "        limits: [{ name: caller, limit: 20/1m, by: caller }]\n"
    "      write:\n"
    "        match: { methods: [POST], path: / }\n"
    "        authorize: { scopes: [write_orders] }\n"
    "        body: 64KiB\n"
    "        audit: all\n"
    "routes:\n"
    "  health:\n"
    "    match: { host: localhost, path: /health, methods: [GET] }\n"
    "    auth: { jwt: dev }\n"
    "    authorize: any_caller\n";

/* ---- what it stands on ---- */

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *position)
{
    (void)facts;
    (void)kind;
    (void)position;
    return remove(path);
}

/* A listening socket on loopback; port 0: any free one. -1 where it is taken. */
static int listen_on(unsigned int port, unsigned int *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        close(fd);
        return -1;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* The wanted port where it is free, else any. The gateway binds it a moment later. */
static unsigned int free_port(unsigned int wanted)
{
    unsigned int port = 0;
    int fd = listen_on(wanted, &port);
    if (fd < 0) {
        fd = listen_on(0, &port);
    }
    if (fd >= 0) {
        close(fd);
    }
    return port;
}

static struct error write_configuration(const struct dev *dev)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/gateway.yaml", dev->directory);
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return FAIL_ERRNO("gateway.yaml could not be written");
    }
    const struct dev_set *set = &dev->set;
    fprintf(file, configuration, set->https_port, set->http_port, set->https_port, set->status_port,
            set->issuer_port, dev->upstream_port);
    return fclose(file) == 0 ? OK : FAIL_ERRNO("gateway.yaml could not be written");
}

static struct error prepare(struct dev *dev)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(dev->directory, sizeof dev->directory, "%s/sallyport-dev-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    ssize_t length = readlink("/proc/self/exe", dev->program, sizeof dev->program - 1);
    if (length <= 0 || mkdtemp(dev->directory) == NULL) {
        return FAIL_ERRNO("the development directory could not be made");
    }
    dev->set.directory = dev->directory;
    TRY(dev_pki_new(dev->directory, &dev->pki));
    TRY(dev_pki_issue(dev->pki, dev->directory, "gateway"));
    TRY(dev_pki_issue(dev->pki, dev->directory, "upstream"));
    TRY(dev_mint_new_key(&dev->set.key));
    TRY(dev_mint_new_key(&dev->set.stranger));
    dev->issuer_fd = listen_on(0, &dev->set.issuer_port);
    dev->upstream_fd = listen_on(0, &dev->upstream_port);
    if (dev->issuer_fd < 0 || dev->upstream_fd < 0) {
        return FAIL_ERRNO("no free port on loopback");
    }
    dev->set.https_port = free_port(8443);
    dev->set.http_port = free_port(8080);
    dev->set.status_port = free_port(9090);
    return write_configuration(dev);
}

/* ---- its processes ---- */

/* A child that ends with us, and that signals reach as they would any other process. */
static pid_t fork_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    }
    return child;
}

static pid_t start_services(const struct dev *dev)
{
    pid_t child = fork_child();
    if (child != 0) {
        return child;
    }
    struct dev_services_options options = {
        .issuer_fd = dev->issuer_fd,
        .upstream_fd = dev->upstream_fd,
        .key = dev->set.key,
        .directory = dev->directory,
    };
    _exit(dev_services_run(&options));
}

static pid_t start_gateway(const struct dev *dev)
{
    char config[PATH_MAX + 16];
    char log[PATH_MAX + 16];
    snprintf(config, sizeof config, "%s/gateway.yaml", dev->directory);
    snprintf(log, sizeof log, "%s/gateway.log", dev->directory);
    pid_t child = fork_child();
    if (child != 0) {
        return child;
    }
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd >= 0 && dup2(fd, STDERR_FILENO) >= 0) {
        execl(dev->program, dev->program, "run", "--config", config, (char *)NULL);
    }
    _exit(127);
}

static void stop(pid_t child)
{
    if (child <= 0) {
        return;
    }
    kill(child, SIGTERM);
    for (int64_t limit = clock_monotonic_ns() + STOP_LIMIT; clock_monotonic_ns() < limit;) {
        if (waitpid(child, NULL, WNOHANG) == child) {
            return;
        }
        usleep(10000);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void print_gateway_log(const struct dev *dev)
{
    char path[PATH_MAX + 16];
    char line[4096];
    snprintf(path, sizeof path, "%s/gateway.log", dev->directory);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        fputs(line, stderr);
    }
    if (file != NULL) {
        fclose(file);
    }
}

static void print_commands(const struct dev *dev)
{
    const struct dev_set *set = &dev->set;
    printf("\nIt goes on running; Ctrl-C ends it. To paste:\n\n"
           "  export TOKEN=$(curl -s 'http://127.0.0.1:%u/token?sub=alice&scope=read_orders')\n"
           "  curl --cacert %s/ca.pem -H \"Authorization: Bearer $TOKEN\" https://localhost:%u/orders/42\n"
           "  curl --cacert %s/ca.pem https://localhost:%u/orders/42\n"
           "  curl http://127.0.0.1:%u/metrics\n"
           "  tail -f %s/access.log %s/audit.log\n"
           "  $EDITOR %s/gateway.yaml && kill -HUP %d      # a changed configuration\n"
           "  %s check %s/gateway.yaml\n\n",
           set->issuer_port, dev->directory, set->https_port, dev->directory, set->https_port,
           set->status_port, dev->directory, dev->directory, dev->directory, (int)dev->gateway, dev->program,
           dev->directory);
    fflush(stdout);
}

static void wait_for_the_end(const struct dev *dev)
{
    sigset_t set;
    int received = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    do {
        sigwait(&set, &received);
    } while (received == SIGCHLD && waitpid(dev->gateway, NULL, WNOHANG) == 0);
}

static int run(struct dev *dev, bool stay)
{
    printf("Sallyport development set in %s\n", dev->directory);
    dev->services = start_services(dev);
    dev->gateway = start_gateway(dev);
    struct error error = dev_tour_wait(&dev->set);
    if (failed(error)) {
        fprintf(stderr, "sallyport dev: %s. The gateway's log:\n", error.what);
        print_gateway_log(dev);
        return 1;
    }
    int wrong = dev_tour_run(&dev->set);
    if (wrong > 0) {
        print_gateway_log(dev);
    }
    if (stay) {
        print_commands(dev);
        wait_for_the_end(dev);
    }
    return wrong == 0 ? 0 : 1;
}

int cli_dev(int count, char **arguments)
{
    if (count > 0) {
        return cli_misuse("dev", "unexpected argument", arguments[0]);
    }
    static struct dev dev = { .issuer_fd = -1, .upstream_fd = -1 };
    bool stay = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    struct error error = prepare(&dev);
    int status = 1;
    if (failed(error)) {
        char text[256];
        error_describe(error, text, sizeof text);
        fprintf(stderr, "sallyport dev: %s\n", text);
    } else {
        if (stay) {
            sigprocmask(SIG_BLOCK, &signals, NULL);
        }
        status = run(&dev, stay);
    }
    stop(dev.gateway);
    stop(dev.services);
    if (dev.directory[0] != '\0' && status == 0) {
        nftw(dev.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    return status;
}
