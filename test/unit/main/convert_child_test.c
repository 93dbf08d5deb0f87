/* X-CONVERT: what a program that converts can no longer do. This test runs itself as that program: it tries what an intruder would
 * and tells on standard output which attempt got through. */
#include "base/buf.h"
#include "main/confine_sys.h"
#include "main/convert_child.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char self[PATH_MAX];

/* ---- the intruder ---- */

static bool tries_network(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0
           || socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static bool tries_file(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || open("/tmp", O_RDONLY | O_CLOEXEC) >= 0
           || open("/proc/1/environ", O_RDONLY) >= 0;
}

static bool tries_writing(void)
{
    return open("/tmp/convert-child", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0
           || memfd_create("x", 0) >= 0 || mkdir("/tmp/convert-child", 0700) == 0;
}

static bool tries_fork(void)
{
    return fork() >= 0;
}

static bool tries_program(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    (void)execv("/bin/true", argv); /* if it succeeds, nothing is said, which is noticed, too */
    return false;
}

static bool tries_signal(void)
{
    return kill(getppid(), 0) == 0;
}

static bool tries_living_on(void)
{
    return prctl(PR_SET_PDEATHSIG, 0) == 0;
}

static bool has_descriptors(void)
{
    for (int fd = 3; fd < 64; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            return true;
        }
    }
    return false;
}

static int be_intruder(void)
{
    static const struct {
        const char *name;
        bool (*tries)(void);
    } ATTEMPTS[] = {
        {"network", tries_network},       {"file", tries_file},
        {"writing", tries_writing},       {"fork", tries_fork},
        {"signal", tries_signal},         {"living on", tries_living_on},
        {"descriptors", has_descriptors}, {"program", tries_program},
    };
    for (size_t i = 0; i < sizeof(ATTEMPTS) / sizeof(ATTEMPTS[0]); i++) {
        if (ATTEMPTS[i].tries()) {
            (void)printf("%s got through\n", ATTEMPTS[i].name);
        }
    }
    (void)printf("tried all\n");
    return 0;
}

static int be_program(const char *what)
{
    char piece[4096] = "";
    if (strcmp(what, "intruder") == 0) {
        return be_intruder();
    }
    if (strcmp(what, "copy") == 0) {
        for (ssize_t n; (n = read(0, piece, sizeof(piece))) > 0;) {
            (void)!write(1, piece, (size_t)n);
        }
        return 0;
    }
    if (strcmp(what, "ptrace") == 0) {
        return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    }
    if (strcmp(what, "memory") == 0) {
        char *volatile big = malloc(512U << 20);
        int code = big == NULL ? 7 : 0;
        free(big);
        return code;
    }
    for (;;) { /* "loop" */
        piece[0]++;
    }
}

/* ---- who runs it ---- */

static int run(const char *what, struct str in, struct buf *out)
{
    static const char *const NOTHING[] = {NULL};
    const char *const argv[] = {self, what, NULL};
    int part = memfd_create("part", MFD_CLOEXEC);
    assert_int_equal(write(part, in.p, in.n), (ssize_t)in.n);
    const struct convert_child c = {
        .argv = argv, .reads = NOTHING, .time_s = 1, .memory = 256U << 20, .in = part};
    pid_t pid = 0;
    int from = -1;
    assert_int_equal(convert_child_start(&c, &pid, &from), ERR_OK);
    for (;;) {
        char piece[4096];
        struct pollfd wait = {.fd = from, .events = POLLIN};
        assert_true(poll(&wait, 1, 20000) > 0);
        ssize_t n = read(from, piece, sizeof(piece));
        if (n <= 0) {
            break;
        }
        buf_add(out, str_make(piece, (size_t)n));
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)close(from);
    (void)close(part);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_input_and_output(void **state)
{
    struct buf out = BUF_INIT(4096);
    (void)state;
    assert_int_equal(run("copy", STR("the part"), &out), 0);
    assert_str(buf_str(&out), STR("the part"));
    buf_release(&out);
}

static void test_intruder(void **state)
{
    struct buf out = BUF_INIT(4096);
    (void)state;
    if (confine_is_sanitized() || !confine_has_landlock()) {
        skip();
    }
    assert_int_equal(run("intruder", STR(""), &out), 0);
    assert_str(buf_str(&out), STR("tried all\n"));
    buf_release(&out);
}

/* The attempts would be worth nothing if they failed anyway. */
static void test_attempts_can_succeed(void **state)
{
    (void)state;
    assert_true(tries_network());
    assert_true(tries_file());
    assert_true(tries_writing());
    (void)unlink("/tmp/convert-child");
    assert_true(has_descriptors());
}

static void test_limits(void **state)
{
    struct buf out = BUF_INIT(4096);
    (void)state;
    if (confine_is_sanitized()) {
        skip();
    }
    assert_int_equal(run("memory", STR(""), &out), 7);
    assert_int_equal(run("ptrace", STR(""), &out), 128 + SIGSYS);
    int ended = run("loop", STR(""), &out);
    assert_true(ended == 128 + SIGXCPU || ended == 128 + SIGKILL);
    buf_release(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts_can_succeed),
        cmocka_unit_test(test_input_and_output),
        cmocka_unit_test(test_intruder),
        cmocka_unit_test(test_limits),
    };
    if (argc == 2) {
        return be_program(argv[1]);
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    return n <= 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
