/* Fork, give up everything, exec.
 *
 *     descriptors   0: the part, in memory   1: a pipe to us   2: nowhere   no others
 *     limits        processor, address space, files (none can be written), descriptors, no core
 *     Landlock      libraries to read, the program alone to execute
 *     seccomp       CALLS_TOOL (confine_calls.c): no sockets, no new processes, no signals to others
 *     environment   a handful of words of ours
 *
 * The child does all this to itself, before its program runs, let alone reads. A step that fails ends it: exit code
 * CONVERT_CHILD_CANNOT. */
#include "main/convert_child.h"

#include "base/log.h"
#include "main/confine_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FDS_MOST = 64, READS_MOST = 24 };

static const char *const LIBRARIES[] = {
    "/lib",      "/lib64",       "/usr/lib",         "/usr/lib64",
    "/dev/null", "/dev/urandom", "/etc/ld.so.cache", NULL};

static bool set_limit(int resource, rlim_t most)
{
    const struct rlimit limit = {most, most};
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0;
}

static bool set_limits(const struct convert_child *c)
{
    bool is_sanitized = confine_is_sanitized(); /* they map terabytes */
    return set_limit(RLIMIT_CPU, c->time_s) && set_limit(RLIMIT_FSIZE, 0)
           && set_limit(RLIMIT_CORE, 0) && set_limit(RLIMIT_NOFILE, FDS_MOST)
           && (is_sanitized || set_limit(RLIMIT_AS, c->memory));
}

/* Descriptors 0, 1 and 2 as the program finds them, and no others. A role's standard input leads nowhere (process.c), so
 * what the program has to say is lost there. */
static bool arrange_descriptors(const struct convert_child *c, int out)
{
    return lseek(c->in, 0, SEEK_SET) == 0 && dup2(STDIN_FILENO, STDERR_FILENO) >= 0
           && dup2(c->in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0
           && close_range(STDERR_FILENO + 1, ~0U, 0) == 0;
}

static bool give_up_rights(const struct convert_child *c)
{
    const char *reads[READS_MOST + 1];
    size_t count = 0;
    for (size_t i = 0; LIBRARIES[i] != NULL; i++) {
        reads[count++] = LIBRARIES[i];
    }
    for (size_t i = 0; c->reads[i] != NULL && count < READS_MOST; i++) {
        reads[count++] = c->reads[i];
    }
    reads[count] = NULL;
    const struct keep keep = {.files = FILES_PROGRAMS, .reads = reads, .calls = CALLS_TOOL};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && confine_files(&keep, c->argv[0]) == ERR_OK
           && confine_calls(&keep) == ERR_OK;
}

static _Noreturn void become(const struct convert_child *c, int out, pid_t parent)
{
    char *const environment[] = {(char[]){"PATH=/usr/bin"},
                                 (char[]){"LC_ALL=C.UTF-8"},
                                 (char[]){"HOME=/nonexistent"},
                                 (char[]){"MALLOC_ARENA_MAX=2"},
                                 (char[]){"VIPS_CONCURRENCY=1"},
                                 (char[]){"VIPS_NOVECTOR=1"},
                                 (char[]){"XDG_CACHE_HOME=/nonexistent"},
                                 NULL};
    char *argv[32];
    size_t count = 0;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    bool is_ours = prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent;
    for (; c->argv[count] != NULL && count + 1 < sizeof(argv) / sizeof(argv[0]); count++) {
        argv[count] = strdup(c->argv[count]);
    }
    argv[count] = NULL;
    if (is_ours && arrange_descriptors(c, out) && set_limits(c) && give_up_rights(c)) {
        (void)execve(c->argv[0], argv, environment);
    }
    _exit(CONVERT_CHILD_CANNOT);
}

enum err convert_child_start(const struct convert_child *c, pid_t *pid, int *out)
{
    int ends[2];
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return ERR_IO;
    }
    pid_t child = fork();
    if (child == 0) {
        become(c, ends[1], parent);
    }
    int why = errno;
    (void)close(ends[1]);
    if (child < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
        log_error("cannot start %s: %s", c->argv[0], strerrordesc_np(why));
        (void)close(ends[0]);
        return ERR_IO;
    }
    *pid = child;
    *out = ends[0];
    return ERR_OK;
}
