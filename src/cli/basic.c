/* `sallyport basic hash USER`: a line of a file of users. */
#include "auth/basic_settings.h"
#include "auth/password.h"
#include "base/encoding.h"
#include "base/secret.h"
#include "cli/cli.h"

#include <termios.h>
#include <unistd.h>

static const char usage[] = "\"hash [--method yescrypt|bcrypt] USER\" is wanted";

/* A terminal does not show what is typed. */
static bool read_shown(bool shown, char *out, int size)
{
    struct termios before, quiet;
    bool changed = !shown && tcgetattr(STDIN_FILENO, &before) == 0;
    if (changed) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        changed = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
    }
    bool read = fgets(out, size, stdin) != NULL;
    if (changed) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    return read;
}

/* Without its end of line. */
static struct slice ask(const char *prompt, char *out, int size)
{
    bool asks = isatty(STDIN_FILENO) == 1;
    if (asks) {
        fputs(prompt, stderr);
    }
    if (!read_shown(!asks, out, size)) {
        return SLICE_NONE;
    }
    struct slice text = slice_from_string(out);
    while (slice_ends_with(text, SLICE("\n")) || slice_ends_with(text, SLICE("\r"))) {
        text.len--;
    }
    return text;
}

static const char *problem_of(struct slice password)
{
    bool controls = false;
    for (size_t i = 0; i < password.len; i++) {
        controls |= (unsigned char)password.ptr[i] < ' ' || password.ptr[i] == 0x7f;
    }
    if (password.len == 0) {
        return "no password was given; it is read from standard input";
    }
    if (password.len > PASSWORD_MAX) {
        return "the password is longer than 256 bytes";
    }
    return controls || !utf8_valid(password) ? "the password holds control characters, or is no UTF-8" : NULL;
}

static int fail(const char *why)
{
    fprintf(stderr, "sallyport basic hash: %s\n", why);
    return 1;
}

static int make(struct slice user, struct slice password, enum password_method method)
{
    const char *problem = problem_of(password);
    char hash[PASSWORD_HASH_MAX];
    if (problem != NULL) {
        return fail(problem);
    }
    struct error error = password_make(password, method, hash);
    if (failed(error)) {
        return fail(error.what);
    }
    printf("%.*s:%s\n", SLICE_ARG(user), hash);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int hash(struct slice user, enum password_method method)
{
    char first[PASSWORD_MAX + 3], second[PASSWORD_MAX + 3];
    struct slice password = ask("Password: ", first, sizeof first);
    int status = 0;
    if (password.ptr != NULL && isatty(STDIN_FILENO) == 1 &&
        !slice_equal(password, ask("The same again: ", second, sizeof second))) {
        status = fail("that was another password");
    }
    status = status == 0 ? make(user, password, method) : status;
    secret_wipe(first, sizeof first);
    secret_wipe(second, sizeof second);
    return status;
}

static bool find_method(const char *name, enum password_method *ret_method)
{
    *ret_method = strcmp(name, "bcrypt") == 0 ? PASSWORD_BCRYPT : PASSWORD_YESCRYPT;
    return strcmp(name, "bcrypt") == 0 || strcmp(name, "yescrypt") == 0;
}

int cli_basic(int count, char **arguments)
{
    enum password_method method = PASSWORD_YESCRYPT;
    struct slice user = SLICE_NONE;
    if (count < 1 || strcmp(arguments[0], "hash") != 0) {
        return cli_misuse("basic", usage, NULL);
    }
    for (int at = 1; at < count; at++) {
        const char *argument = arguments[at];
        bool missing = false;
        const char *name = cli_option_value("--method", count, arguments, &at, &missing);
        if (name != NULL ? !find_method(name, &method) : missing || argument[0] == '-' || user.ptr != NULL) {
            return cli_misuse("basic", "this is not understood", argument);
        }
        user = name == NULL ? slice_from_string(argument) : user;
    }
    if (user.ptr == NULL) {
        return cli_misuse("basic", usage, NULL);
    }
    if (!basic_user_name_valid(user) || !utf8_valid(user) || user.ptr[0] == '#') {
        return fail(
            "a user's name is UTF-8 of 1 to 128 bytes without colon and control characters, and does not "
            "begin with \"#\"");
    }
    return hash(user, method);
}
