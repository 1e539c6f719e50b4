#include "supervisor/state.h"

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/notify.h"
#include "supervisor/question.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define REHEARSE_WITHIN (60 * NS_PER_S)

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static void answer(struct supervisor *supervisor, const char *verdict, const char *text)
{
    if (supervisor->upgrade.asker >= 0) {
        question_answer(supervisor->upgrade.asker, verdict, text);
        supervisor->upgrade.asker = -1;
    }
}

static bool is_under_way(const struct upgrade *upgrade)
{
    return upgrade->rehearsal != 0 || upgrade->due;
}

static void forget(struct upgrade *upgrade)
{
    upgrade->due = false;
    upgrade->give_up_at = 0;
    close_fd(&upgrade->program);
    close_fd(&upgrade->back);
    close_fd(&upgrade->bundle);
}

static void refuse(struct supervisor *supervisor, const char *reason)
{
    log_event(LOG_ERROR, "upgrade_refused", LOG_STRING("reason", reason));
    answer(supervisor, "refused", reason);
    forget(&supervisor->upgrade);
}

static void refuse_error(struct supervisor *supervisor, struct error error)
{
    char text[REASON_MAX];
    error_describe(error, text, sizeof text);
    refuse(supervisor, text);
}

void upgrade_refuse(struct supervisor *supervisor, const char *reason)
{
    if (supervisor->upgrade.program < 0) {
        return;
    }
    if (supervisor->upgrade.rehearsal != 0) {
        kill(supervisor->upgrade.rehearsal, SIGKILL); /* reaped later, and then nobody cares */
    }
    refuse(supervisor, reason);
}

/* ---- the rehearsal ---- */

/* It gets nothing but what it is to look at: its own standard streams and the memory file. */
static void become_rehearsal(const struct supervisor *supervisor, int program, int state)
{
    char *arguments[TAKEOVER_ARGUMENTS_MAX];
    char number[16];
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    takeover_arguments(supervisor, "rehearse", arguments);
    snprintf(number, sizeof number, "%d", state);
    if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0 && fcntl(state, F_SETFD, 0) == 0 &&
        setenv(TAKEOVER_VARIABLE, number, 1) == 0) {
        fexecve(program, arguments, environ);
    }
    _exit(PROCESS_FAILED);
}

static struct error rehearse(struct supervisor *supervisor)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    int state = -1;
    upgrade->program = open(upgrade->path, O_RDONLY | O_CLOEXEC);
    if (upgrade->program < 0) {
        return FAIL_ERRNO("the new program cannot be opened");
    }
    TRY(takeover_write(supervisor, "", &state));
    pid_t child = fork();
    if (child == 0) {
        become_rehearsal(supervisor, upgrade->program, state);
    }
    close(state);
    if (child < 0) {
        return FAIL_ERRNO("the new program cannot be started");
    }
    upgrade->rehearsal = child;
    upgrade->give_up_at = clock_monotonic_ns() + REHEARSE_WITHIN;
    return OK;
}

static void begin(struct supervisor *supervisor)
{
    if (supervisor->stopping || supervisor->current.config == NULL) {
        refuse(supervisor, supervisor->stopping ? "the gateway is being stopped" : "the gateway is starting");
    } else if (generation_count(supervisor) >= GENERATIONS_MAX - 1) {
        refuse(supervisor, "too many gateway processes still finish their requests");
    } else {
        log_event(LOG_INFO, "upgrading", LOG_STRING("program", supervisor->upgrade.path));
        struct error error = rehearse(supervisor);
        if (failed(error)) {
            refuse_error(supervisor, error);
        }
    }
}

void upgrade_ask(struct supervisor *supervisor)
{
    int asker = question_accept(supervisor->questions);
    if (asker < 0) {
        return;
    }
    if (is_under_way(&supervisor->upgrade) || supervisor->upgrade.taking_over) {
        question_answer(asker, "refused", "another upgrade is under way");
        return;
    }
    supervisor->upgrade.asker = asker;
    begin(supervisor);
}

void upgrade_signal(struct supervisor *supervisor)
{
    if (!is_under_way(&supervisor->upgrade) && !supervisor->upgrade.taking_over) {
        begin(supervisor);
    }
}

void upgrade_rehearsed(struct supervisor *supervisor, int status)
{
    char text[REASON_MAX];
    struct upgrade *upgrade = &supervisor->upgrade;
    upgrade->rehearsal = 0;
    if (upgrade->program < 0) {
        return; /* refused meanwhile */
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == REHEARSAL_PASSED) {
        upgrade->due = true;
        upgrade->give_up_at = clock_monotonic_ns() + REHEARSE_WITHIN;
    } else if (WIFSIGNALED(status)) {
        snprintf(text, sizeof text, "the new program died of signal %d", WTERMSIG(status));
        refuse(supervisor, text);
    } else if (WEXITSTATUS(status) == REHEARSAL_REFUSED) {
        refuse(supervisor, "the new program refuses the configuration; the log says why");
    } else if (WEXITSTATUS(status) == PROCESS_FAILED) {
        refuse(supervisor, "the new program cannot be executed");
    } else {
        snprintf(text, sizeof text, "the new program cannot take over (exit status %d)", WEXITSTATUS(status));
        refuse(supervisor, text);
    }
}

/* ---- there and back ---- */

static struct error become(struct supervisor *supervisor)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    int state = -1;
    upgrade->back = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (upgrade->back < 0) {
        return FAIL_ERRNO("the program's own file cannot be opened");
    }
    TRY(config_files_pack(supervisor->current.files, &upgrade->bundle));
    TRY(takeover_write(supervisor, "", &state));
    notify_manager("RELOADING=1");
    struct error error = takeover_become(supervisor, upgrade->program, state);
    close(state);
    return error;
}

void upgrade_proceed(struct supervisor *supervisor, int64_t now)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    if (upgrade->due && attend_is_steady(supervisor)) {
        struct error error = become(supervisor);
        notify_manager("READY=1");
        refuse_error(supervisor, error);
    } else if (upgrade->give_up_at != 0 && now >= upgrade->give_up_at) {
        upgrade_refuse(supervisor, "it took too long");
    }
}

void upgrade_done(struct supervisor *supervisor)
{
    if (!supervisor->upgrade.taking_over) {
        return;
    }
    supervisor->upgrade.taking_over = false;
    supervisor->upgrade.why[0] = '\0';
    forget(&supervisor->upgrade);
    char text[64];
    snprintf(text, sizeof text, "version %s serves as process %d", SALLYPORT_VERSION, (int)getpid());
    log_event(LOG_INFO, "upgraded", LOG_STRING("version", SALLYPORT_VERSION),
              LOG_STRING("program", supervisor->upgrade.path), LOG_NUMBER("upgrades", supervisor->upgrades));
    answer(supervisor, "done", text);
}

void upgrade_go_back(struct supervisor *supervisor, const char *reason)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    int state = -1, program = upgrade->back;
    upgrade->back = -1;
    supervisor->upgrades--;
    /* What was opened for the configuration that nobody serves is no use to the old program. */
    sockets_settle(&supervisor->sockets, false);
    for (struct generation *generation = supervisor->generations; generation != NULL;
         generation = generation->next) {
        if (!generation->serving && !generation->leaving) {
            generation->leaving = true;
            generation_kill(generation, "it did not come to serve");
        }
    }
    struct error error = takeover_write(supervisor, reason, &state);
    if (!failed(error)) {
        error = takeover_become(supervisor, program, state);
        close(state);
    }
    close_fd(&program);
    refuse_error(supervisor, error);
}

struct error upgrade_come_back(struct supervisor *supervisor, const char *reason)
{
    struct upgrade *upgrade = &supervisor->upgrade;
    struct loaded *current = &supervisor->current;
    TRY(config_files_open(upgrade->bundle, &current->files));
    TRY(config_load(&supervisor->options->config, current->files, &current->config));
    if (current->config->error_count > 0) {
        return FAIL(ERROR_VALUE, "the configuration in force has errors");
    }
    for (struct generation *generation = supervisor->generations; generation != NULL;
         generation = generation->next) {
        if (generation->serving && !generation->leaving) {
            supervisor->latest = generation;
        }
    }
    if (supervisor->latest == NULL) {
        supervisor->restart_at = clock_monotonic_ns(); /* it died meanwhile */
    }
    refuse(supervisor, reason);
    notify_manager("READY=1\nSTATUS=The last upgrade was refused; the program before it serves");
    return OK;
}
