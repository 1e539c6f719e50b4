#include "confine/confine.h"

#include "confine/internal.h"

#include <dlfcn.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NSSWITCH "/etc/nsswitch.conf"

/* Beneath these, files may be read: by the C library to look names up, by libcurl and OpenSSL for the CAs of the system.
 *
 * All of /etc: resolv.conf and hosts are replaced by others of the same name, by DHCP clients and by editors, and a rule
 * on a file holds for that file only. What the user may not read there stays unreadable. */
static const char *const always[] = {
    "/etc",
    "/run/systemd/resolve", /* where /etc/resolv.conf leads on many systems */
    "/run/resolvconf",
    "/run/NetworkManager",
    "/usr/share/ca-certificates", /* where the links in /etc/ssl/certs lead */
    "/usr/local/share/ca-certificates",
    "/dev/urandom", /* by which c-ares makes its questions' numbers, and would do without */
    "/proc/sys/kernel/random/boot_id", /* by which the age of a key set on the disk is told */
};

static void put_path(char paths[CONFINE_PATHS_MAX][PATH_MAX], size_t *count, const char *path)
{
    if (path == NULL || path[0] != '/' || path[1] == '\0' || *count == CONFINE_PATHS_MAX) {
        return;
    }
    if (snprintf(paths[*count], PATH_MAX, "%s", path) < PATH_MAX) {
        ++*count;
    }
}

static void add_path(struct confine_rules *rules, const char *path)
{
    put_path(rules->paths, &rules->path_count, path);
}

/* A list as in PATH. */
static void add_paths(struct confine_rules *rules, const char *list)
{
    struct slice rest = slice_from_string(list);
    struct slice path;
    while (slice_next(&rest, ':', &path)) {
        char text[PATH_MAX];
        if (path.len > 0 && snprintf(text, sizeof text, "%.*s", SLICE_ARG(path)) < (int)sizeof text) {
            add_path(rules, text);
        }
    }
}

/* The directory that /etc/resolv.conf leads to, wherever that is. */
static void add_resolver(struct confine_rules *rules)
{
    char *target = realpath("/etc/resolv.conf", NULL);
    char *slash = target != NULL ? strrchr(target, '/') : NULL;
    if (slash != NULL) {
        *slash = '\0';
        add_path(rules, target);
    }
    free(target);
}

/* One that the configuration names: it may be relative, or a link. */
static void put_directory(char paths[CONFINE_PATHS_MAX][PATH_MAX], size_t *count, struct slice path)
{
    char text[PATH_MAX];
    if (snprintf(text, sizeof text, "%.*s", SLICE_ARG(path)) < (int)sizeof text) {
        char *real = realpath(text, NULL);
        put_path(paths, count, real);
        free(real);
    }
}

static bool is_built_in(const char *module)
{
    static const char *const names[] = { "files", "dns", "compat", "db", "myhostname" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(module, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

void confine_name_services(const char *nsswitch, char names[NAME_SERVICES_MAX][NAME_SERVICE_MAX])
{
    char line[1024];
    size_t count = 0;
    memset(names, 0, NAME_SERVICES_MAX * sizeof names[0]);
    FILE *file = fopen(nsswitch, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "#\n")] = '\0';
        for (char *tab = line; (tab = strchr(tab, '\t')) != NULL;) {
            *tab = ' ';
        }
        struct slice rest = slice_trim(slice_from_string(line));
        if (!slice_starts_with(rest, SLICE("hosts:"))) {
            continue;
        }
        rest = slice_from(rest, strlen("hosts:"));
        bool action = false; /* "[NOTFOUND=return]" says what comes of an answer */
        struct slice word;
        while (slice_next(&rest, ' ', &word)) {
            word = slice_trim(word);
            action = action || slice_starts_with(word, SLICE("["));
            if (!action && word.len > 0 && word.len < NAME_SERVICE_MAX && count + 1 < NAME_SERVICES_MAX &&
                slice_find(word, '/') < 0) {
                memcpy(names[count++], word.ptr, word.len);
            }
            action = action && slice_find(word, ']') < 0;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

void confine_rules_derive(const struct confinement_settings *settings, struct confine_rules *rules)
{
    memset(rules, 0, sizeof *rules);
    rules->ports = settings->ports;
    rules->port_count = settings->port_count;
    rules->local_sockets = settings->local_sockets;
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        add_path(rules, always[i]);
    }
    add_resolver(rules);
    add_path(rules, X509_get_default_cert_file());
    add_path(rules, X509_get_default_cert_dir());
    /* NOLINTBEGIN(concurrency-mt-unsafe): nothing sets the environment */
    add_path(rules, getenv(X509_get_default_cert_file_env()));
    const char *folders = getenv(X509_get_default_cert_dir_env());
    /* NOLINTEND(concurrency-mt-unsafe) */
    add_paths(rules, folders != NULL ? folders : "");
    for (size_t i = 0; i < settings->read_paths.count; i++) {
        put_directory(rules->paths, &rules->path_count, settings->read_paths.items[i]);
    }
    for (size_t i = 0; i < settings->write_paths.count; i++) {
        put_directory(rules->written, &rules->written_count, settings->write_paths.items[i]);
    }
    char services[NAME_SERVICES_MAX][NAME_SERVICE_MAX];
    confine_name_services(NSSWITCH, services);
    for (size_t i = 0; services[i][0] != '\0'; i++) {
        rules->local_sockets = rules->local_sockets || !is_built_in(services[i]);
    }
}

void confine_load_name_services(void)
{
    char services[NAME_SERVICES_MAX][NAME_SERVICE_MAX];
    confine_name_services(NSSWITCH, services);
    for (size_t i = 0; services[i][0] != '\0'; i++) {
        char name[NAME_SERVICE_MAX + sizeof "libnss_.so.2"];
        snprintf(name, sizeof name, "libnss_%.*s.so.2", NAME_SERVICE_MAX, services[i]);
        /* Kept open: the C library finds it by its name. One that is not there it would not find later either. */
        (void)!dlopen(name, RTLD_NOW);
    }
}
