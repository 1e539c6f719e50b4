#include "unit.h"

#include "confine/internal.h"

#include <fcntl.h>
#include <unistd.h>

static struct confine_rules rules;

static bool has_path(const char *path)
{
    for (size_t i = 0; i < rules.path_count; i++) {
        if (strcmp(rules.paths[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static void resolver_and_certificates_may_be_read(void **state)
{
    (void)state;
    static const struct confinement_settings settings = { .mode = CONFINEMENT_ENFORCE };
    confine_rules_derive(&settings, &rules);
    assert_true(has_path("/etc"));
    assert_true(has_path("/usr/share/ca-certificates"));
    assert_null(rules.ports);
    for (size_t i = 0; i < rules.path_count; i++) {
        assert_string_not_equal(rules.paths[i], "/");
        assert_int_equal(rules.paths[i][0], '/');
    }
}

static void certificates_elsewhere_are_among_them(void **state)
{
    (void)state;
    static const struct confinement_settings settings = { .mode = CONFINEMENT_ENFORCE };
    setenv("SSL_CERT_FILE", "/opt/ca/all.pem", 1);
    setenv("SSL_CERT_DIR", "/opt/ca/one:/opt/ca/two:relative:/", 1);
    confine_rules_derive(&settings, &rules);
    assert_true(has_path("/opt/ca/all.pem"));
    assert_true(has_path("/opt/ca/one"));
    assert_true(has_path("/opt/ca/two"));
    assert_false(has_path("relative"));
    assert_false(has_path("/"));
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    confine_rules_derive(&settings, &rules);
    assert_false(has_path("/opt/ca/all.pem"));
}

static void what_is_written_is_what_the_configuration_says(void **state)
{
    (void)state;
    static struct slice paths[] = { SLICE_INIT("/tmp/"), SLICE_INIT("/nonexistent/") };
    static const struct confinement_settings settings = { .write_paths = { paths, 2 } };
    static const struct confinement_settings none = { .mode = CONFINEMENT_ENFORCE };
    confine_rules_derive(&settings, &rules);
    assert_int_equal(rules.written_count, 1);
    assert_string_equal(rules.written[0], "/tmp");
    confine_rules_derive(&none, &rules);
    assert_int_equal(rules.written_count, 0);
}

static void ports_are_those_of_the_configuration(void **state)
{
    (void)state;
    static struct port_range ports[] = { { 443, 443 }, { 53, 53 } };
    static const struct confinement_settings settings = { .ports = ports, .port_count = 2 };
    confine_rules_derive(&settings, &rules);
    assert_ptr_equal(rules.ports, ports);
    assert_int_equal(rules.port_count, 2);
}

static void read_services(const char *text, char names[NAME_SERVICES_MAX][NAME_SERVICE_MAX])
{
    char path[] = "/tmp/sallyport-nsswitch-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    confine_name_services(path, names);
    unlink(path);
}

static void name_services_are_read(void **state)
{
    (void)state;
    char names[NAME_SERVICES_MAX][NAME_SERVICE_MAX];
    read_services("# hosts: no\npasswd: files sss\n hosts:\tfiles  resolve [!UNAVAIL=return]\tdns # mdns\n",
                  names);
    assert_string_equal(names[0], "files");
    assert_string_equal(names[1], "resolve");
    assert_string_equal(names[2], "dns");
    assert_string_equal(names[3], "");
    read_services("hosts: files [NOTFOUND = return] ../../evil mdns4_minimal", names);
    assert_string_equal(names[0], "files");
    assert_string_equal(names[1], "mdns4_minimal");
    assert_string_equal(names[2], "");
    read_services("hosts: a b c d e f g h i j k", names);
    assert_string_equal(names[NAME_SERVICES_MAX - 1], "");
    read_services("", names);
    assert_string_equal(names[0], "");
    confine_name_services("/nonexistent/nsswitch.conf", names);
    assert_string_equal(names[0], "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolver_and_certificates_may_be_read),
        cmocka_unit_test(certificates_elsewhere_are_among_them),
        cmocka_unit_test(what_is_written_is_what_the_configuration_says),
        cmocka_unit_test(ports_are_those_of_the_configuration),
        cmocka_unit_test(name_services_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
