/* D40: what a confined role can no longer do. Each role is confined in a child of its own, which then tries what an
 * intruder would, and tells by its exit status which probe got through. */
#include "main/boot.h"
#include "main/control.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#define HAS_ASAN __has_feature(address_sanitizer)
#else
#define HAS_ASAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_ASAN
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

static char folder[] = "/tmp/confine-XXXXXX";
static char other[] = "/tmp/confine-other-XXXXXX";
static pid_t neighbour; /* a process of the system user that the roles become */

enum { NOBODY = 0x3fffffff }; /* no process has this id */

static struct boot *make_boot(void)
{
    int pair[2];
    struct boot *b;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(control_send_setting(pair[0], STR("uid"), STR("65534")), ERR_OK);
    assert_int_equal(control_send_setting(pair[0], STR("gid"), STR("65534")), ERR_OK);
    struct control_message start = {.type = CONTROL_START, .fd = -1};
    assert_int_equal(control_send(pair[0], &start), ERR_OK);
    assert_int_equal(boot_receive(pair[1], &b), ERR_OK);
    return b;
}

/* Runs probe in a confined child; its exit status, or 128 + the signal that ended it. */
static int run_confined(enum link_role role, int (*probe)(void))
{
    (void)fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct boot *b = make_boot();
        struct str dir = role == ROLE_EDGE ? STR_EMPTY : str_from_c(folder);
        _exit(confine(b, role, dir) == ERR_OK ? probe() : 99);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int probe_reads_passwd(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 ? 1 : 0;
}

static int probe_writes_elsewhere(void)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/file", other);
    return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 ? 1 : 0;
}

static int probe_own_folder(void)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/own-%d", folder, getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || ftruncate(fd, 0) != 0) {
        return 1;
    }
    return unlink(path) == 0 ? 0 : 2;
}

static int probe_tries_folder(void)
{
    return probe_own_folder() == 0 ? 1 : 0;
}

static int probe_exec(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    (void)execv("/bin/true", argv);
    return 1;
}

/* What it may run, it may run; and that has no more than it. */
static int probe_exec_own(void)
{
    char *const argv[] = {(char[]){"cat"}, (char[]){"/etc/passwd"}, NULL};
    pid_t pid = fork();
    int status = 0;
    if (pid == 0) {
        (void)execv("/bin/cat", argv);
        _exit(2);
    }
    bool is_ended = pid > 0 && waitpid(pid, &status, 0) == pid;
    return is_ended && WIFEXITED(status) && WEXITSTATUS(status) == 1 ? 0 : 1;
}

static int probe_fork(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    return pid > 0 ? 1 : 0;
}

static int probe_ptrace(void)
{
    (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    return 1;
}

static int probe_kill(void)
{
    return kill(getppid(), 0) == 0 ? 1 : 0;
}

/* tgkill() is needed for abort(), and would reach every process of the same user. Who is not there would be ESRCH. */
static int probe_signal_by_thread(void)
{
    return syscall(SYS_tgkill, NOBODY, NOBODY, 0) != 0 && errno == EPERM ? 0 : 1;
}

static int probe_abort(void)
{
    (void)signal(SIGABRT, SIG_DFL); /* the test runner listens for it */
    abort();
}

/* A limit on processor time, set from outside, ends a process of the same user. */
static int probe_limits_of_others(void)
{
    struct rlimit cpu = {RLIM_INFINITY, RLIM_INFINITY};
    bool is_read = prlimit(neighbour, RLIMIT_CPU, NULL, &cpu) == 0;
    return is_read || prlimit(neighbour, RLIMIT_CPU, &cpu, NULL) == 0 ? 1 : 0;
}

static int probe_signal_by_descriptor(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return 2;
    }
    return fcntl(ends[0], F_SETOWN, neighbour) == 0 ? 1 : 0;
}

static int probe_memory_of_others(void)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", neighbour);
    return open(path, O_RDONLY | O_CLOEXEC) >= 0 ? 1 : 0;
}

static int probe_inet(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 1 : 0;
}

static int probe_unix(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 1 : 0;
}

static int probe_packet(void)
{
    return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0 ? 1 : 0;
}

static int probe_code(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p != MAP_FAILED || mprotect(q, 4096, PROT_READ | PROT_EXEC) == 0 ? 1 : 0;
}

static int probe_root(void)
{
    return geteuid() == 0 || getegid() == 0 ? 1 : 0;
}

static int probe_core(void)
{
    struct rlimit core;
    return getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0 ? 1 : 0;
}

static void *thread(void *arg)
{
    return arg;
}

static int probe_needs(void)
{
    pthread_t t;
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || munmap(p, 4096) != 0) {
        return 1;
    }
    if (pthread_create(&t, NULL, thread, NULL) != 0 || pthread_join(t, NULL) != 0) {
        return 2;
    }
    void *big = malloc(16U << 20);
    free(big);
    return big != NULL ? 0 : 3;
}

struct probe {
    const char *what;
    int (*run)(void);
    unsigned roles;     /* bit a role that it is for */
    bool needs_seccomp; /* nothing to see in a sanitizer build */
    int expected;
};

#define ALL_ROLES ((1U << ROLE_SUPERVISOR) - 1)
#define ONLY(role) (1U << (role))
#define CONNECTING (ONLY(ROLE_SUBMIT) | ONLY(ROLE_GATE) | ONLY(ROLE_VERIFY))
#define LOADING (ONLY(ROLE_SUBMIT) | ONLY(ROLE_VERIFY) | ONLY(ROLE_CONVERT))
#define HOMELESS (ONLY(ROLE_EDGE) | ONLY(ROLE_GATE) | ONLY(ROLE_VERIFY))

static const struct probe PROBES[] = {
    {"read /etc/passwd", probe_reads_passwd, ALL_ROLES, false, 0},
    {"write outside the folder", probe_writes_elsewhere, ALL_ROLES, false, 0},
    {"exec", probe_exec, ALL_ROLES & ~ONLY(ROLE_CONVERT), true, 128 + SIGSYS},
    {"fork", probe_fork, ALL_ROLES & ~ONLY(ROLE_CONVERT), true, 0},
    {"ptrace", probe_ptrace, ALL_ROLES, true, 128 + SIGSYS},
    {"signal another process", probe_kill, ALL_ROLES, true, 0},
    {"signal another thread", probe_signal_by_thread, ALL_ROLES, true, 0},
    {"abort", probe_abort, ALL_ROLES, true, 128 + SIGABRT},
    {"limits of another process", probe_limits_of_others, ALL_ROLES, true, 0},
    {"have a descriptor signal", probe_signal_by_descriptor, ALL_ROLES, true, 0},
    {"memory of another process", probe_memory_of_others, ALL_ROLES, true, 0},
    {"unix socket", probe_unix, ALL_ROLES, true, 0},
    {"raw socket", probe_packet, ALL_ROLES, false, 0},
    {"inet socket", probe_inet, ALL_ROLES & ~CONNECTING, true, 0},
    {"executable memory", probe_code, ALL_ROLES & ~LOADING, true, 0},
    {"convert's exec", probe_exec_own, ONLY(ROLE_CONVERT), true, 0},
    {"inet sockets of who connects", probe_inet, CONNECTING, false, 1},
    {"own folder", probe_own_folder, ALL_ROLES & ~HOMELESS & ~ONLY(ROLE_CONVERT), false, 0},
    {"convert writes no folder", probe_tries_folder, ONLY(ROLE_CONVERT), false, 0},
    {"edge, gate and verify have no folder", probe_tries_folder, HOMELESS, false, 0},
    {"still root", probe_root, ALL_ROLES, false, 0},
    {"core files", probe_core, ALL_ROLES, false, 0},
    {"memory and threads", probe_needs, ALL_ROLES, false, 0},
};

static void test_probes(void **state)
{
    for (size_t i = 0; i < sizeof(PROBES) / sizeof(PROBES[0]); i++) {
        const struct probe *p = &PROBES[i];
        for (unsigned role = 0; role < ROLE_SUPERVISOR; role++) {
            if ((p->roles & ONLY(role)) == 0 || (p->needs_seccomp && IS_SANITIZED)) {
                continue;
            }
            int got = run_confined((enum link_role)role, p->run);
            if (got != p->expected) {
                fail_msg("%s: %s: %d, not %d", control_role_name((enum link_role)role), p->what,
                         got, p->expected);
            }
        }
    }
}

/* The probes would be worth nothing if they failed anyway. */
static void test_probes_can_fail(void **state)
{
    assert_int_equal(probe_reads_passwd(), 1);
    assert_int_equal(probe_writes_elsewhere(), 1);
    assert_int_equal(probe_inet(), 1);
    assert_int_equal(probe_unix(), 1);
    assert_int_equal(probe_fork(), 1);
    assert_int_equal(probe_code(), 1);
    assert_int_equal(probe_signal_by_thread(), 1);
    if (geteuid() != 0) { /* else root needs a capability that a container may lack */
        assert_int_equal(probe_limits_of_others(), 1);
    }
    assert_int_equal(probe_signal_by_descriptor(), 1);
}

/* Root may do to it what it wants; the roles are of its kind. */
static pid_t start_neighbour(void)
{
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    bool is_root = geteuid() == 0;
    if (is_root && (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)) {
        _exit(1);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        (void)pause();
    }
}

static int set_up(void **state)
{
    if (mkdtemp(folder) == NULL || mkdtemp(other) == NULL) {
        return -1;
    }
    neighbour = start_neighbour();
    return neighbour > 0 && chmod(folder, 0777) == 0 && chmod(other, 0777) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/file", other);
    (void)unlink(path);
    (void)kill(neighbour, SIGKILL);
    (void)waitpid(neighbour, NULL, 0);
    return rmdir(folder) == 0 && rmdir(other) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probes_can_fail),
        cmocka_unit_test(test_probes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
