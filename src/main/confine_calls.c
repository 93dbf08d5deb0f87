/* seccomp: the system calls a role may still make, by libseccomp.
 *
 * Lists. BASE is what the loop, the allocator, threads and OpenSSL live on, and every role has it. The others come
 * with what confine.c lets a role keep. Calls whose arguments matter get a rule of their own: clone() makes threads and no
 * processes, socket() is for the internet only, mmap() and mprotect() give no executable memory, ioctl() is for the
 * requests that libuv makes. clone3() hides its flags in memory, so it says ENOSYS and libc falls back to clone().
 *
 * All roles are one system user, and what a user may do to his own processes must not reach from role to role: so
 * tgkill() is for our own threads, dup3() for the log, prlimit64() only reads our own limits (a limit set from outside can end a process),
 * and fcntl() cannot make a descriptor send signals. */
#include "main/confine_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALL(name) SCMP_SYS(name)

static const int BASE[] = {
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    CALL(recvmsg),
    CALL(sendmsg),
    CALL(recvfrom),
    CALL(sendto),
    CALL(close),
    CALL(shutdown),
    CALL(epoll_create1),
    CALL(epoll_ctl),
    CALL(epoll_wait),
    CALL(epoll_pwait),
    CALL(poll),
    CALL(ppoll),
    CALL(eventfd2),
    CALL(pipe2),
    CALL(dup),
    CALL(fstat),
    CALL(newfstatat),
    CALL(lseek),
    CALL(brk),
    CALL(munmap),
    CALL(mremap),
    CALL(madvise),
    CALL(futex),
    CALL(set_robust_list),
    CALL(rseq),
    CALL(gettid),
    CALL(getpid),
    CALL(sched_yield),
    CALL(sched_getaffinity),
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(sigaltstack),
    CALL(exit),
    CALL(exit_group),
    CALL(clock_gettime),
    CALL(clock_getres),
    CALL(clock_nanosleep),
    CALL(nanosleep),
    CALL(gettimeofday),
    CALL(time),
    CALL(getrandom),
    CALL(getrlimit),
    CALL(getrusage),
    CALL(sysinfo),
    CALL(uname),
    CALL(restart_syscall),
    CALL(getsockopt),
    CALL(setsockopt),
    CALL(getsockname),
    CALL(getpeername),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    CALL(getppid),
    CALL(membarrier),
};
static const int ACCEPT[] = {CALL(accept), CALL(accept4)};
static const int FILES[] = {
    CALL(open),       CALL(openat),   CALL(access),     CALL(faccessat),       CALL(faccessat2),
    CALL(stat),       CALL(lstat),    CALL(statx),      CALL(unlink),          CALL(unlinkat),
    CALL(rename),     CALL(renameat), CALL(renameat2),  CALL(mkdir),           CALL(mkdirat),
    CALL(rmdir),      CALL(fsync),    CALL(fdatasync),  CALL(sync_file_range), CALL(ftruncate),
    CALL(fallocate),  CALL(pread64),  CALL(pwrite64),   CALL(preadv),          CALL(pwritev),
    CALL(preadv2),    CALL(pwritev2), CALL(getdents64), CALL(fchmod),          CALL(chmod),
    CALL(fchmodat),   CALL(fchown),   CALL(umask),      CALL(flock),           CALL(readlink),
    CALL(readlinkat), CALL(getcwd),   CALL(statfs),     CALL(fstatfs),         CALL(utimensat),
    CALL(link),       CALL(linkat),   CALL(fadvise64),  CALL(copy_file_range), CALL(sendfile),
    CALL(msync),
};
static const int CONNECT[] = {CALL(connect), CALL(bind), CALL(sendmmsg), CALL(recvmmsg)};

/* Starting a program that is confined further. */
static const int FORK[] = {
    CALL(execve),
    CALL(wait4),
    CALL(waitid),
    CALL(kill),
    CALL(prctl),
    CALL(dup2),
    CALL(dup3),
    CALL(memfd_create),
    CALL(close_range),
    CALL(seccomp),
    CALL(arch_prctl),
    CALL(set_tid_address),
    CALL(landlock_create_ruleset),
    CALL(landlock_add_rule),
    CALL(landlock_restrict_self),
};
/* Being such a program: it is executed, loads libraries, reads. */
static const int TOOL[] = {
    CALL(execve),          CALL(open),       CALL(openat),    CALL(access),
    CALL(faccessat),       CALL(faccessat2), CALL(stat),      CALL(lstat),
    CALL(statx),           CALL(pread64),    CALL(readlink),  CALL(readlinkat),
    CALL(getdents64),      CALL(getcwd),     CALL(fadvise64), CALL(arch_prctl),
    CALL(set_tid_address), CALL(fstatfs),    CALL(dup2),      CALL(dup3),
};

/* What only those may do that start programs, or are started so. */
static const int DEADLY_EXEC[] = {CALL(execve), CALL(fork), CALL(vfork)};
/* Nothing we link makes these: whoever does has taken over the process. */
static const int DEADLY[] = {
    CALL(execveat),        CALL(ptrace),         CALL(process_vm_readv), CALL(process_vm_writev),
    CALL(mount),           CALL(umount2),        CALL(pivot_root),       CALL(chroot),
    CALL(setns),           CALL(unshare),        CALL(init_module),      CALL(finit_module),
    CALL(delete_module),   CALL(kexec_load),     CALL(reboot),           CALL(bpf),
    CALL(perf_event_open), CALL(userfaultfd),    CALL(keyctl),           CALL(add_key),
    CALL(request_key),     CALL(io_uring_setup), CALL(setuid),           CALL(setgid),
    CALL(setresuid),       CALL(setresgid),      CALL(setgroups),        CALL(capset),
    CALL(personality),     CALL(swapon),         CALL(swapoff),          CALL(open_by_handle_at),
};

static bool add(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int r = seccomp_rule_add(ctx, action, calls[i], 0);
        if (r != 0 && r != -EDOM) { /* EDOM: this machine has no such call */
            errno = -r;
            return false;
        }
    }
    return true;
}

#define ADD(ctx, action, list) add(ctx, action, list, sizeof(list) / sizeof((list)[0]))

/* New processes and limits for them, where programs are started; no new namespaces. */
static int add_forking(scmp_filter_ctx ctx)
{
    static const scmp_datum_t SPACES = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET
                                       | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    const struct scmp_arg_cmp no_space = SCMP_A0(SCMP_CMP_MASKED_EQ, SPACES, 0);
    const struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_EQ, 0);
    int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(clone), 1, no_space);
    r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(prlimit64), 1, own);
    return r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(setrlimit), 0);
}

/* A program that is started confines itself further, and names its threads; it stays mortal. */
static int add_confining(scmp_filter_ctx ctx)
{
    static const scmp_datum_t OPTIONS[] = {PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_SET_NAME};
    int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(seccomp), 0);
    for (size_t i = 0; r == 0 && i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++) {
        const struct scmp_arg_cmp option = SCMP_A0(SCMP_CMP_EQ, OPTIONS[i]);
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(prctl), 1, option);
    }
    return r;
}

/* What is done with threads and to processes: to our own only. */
static int add_own_process(scmp_filter_ctx ctx)
{
    const struct scmp_arg_cmp thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
    const struct scmp_arg_cmp ours = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());
    const struct scmp_arg_cmp log[] = {SCMP_A1(SCMP_CMP_EQ, STDERR_FILENO)};
    const struct scmp_arg_cmp reads_own[] = {SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0)};
    int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(clone), 1, thread);
    r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
    r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(tgkill), 1, ours);
    r = r != 0 ? r : seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, CALL(dup3), 1, log);
    return r != 0 ? r : seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, CALL(prlimit64), 2, reads_own);
}

/* Some requests of ioctl() or fcntl(): their second argument. */
static int add_requests(scmp_filter_ctx ctx, int call, const unsigned long *requests, size_t count)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct scmp_arg_cmp request = SCMP_A1(SCMP_CMP_EQ, requests[i]);
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, request);
    }
    return r;
}

/* Which kinds of sockets may be made. */
static int add_sockets(scmp_filter_ctx ctx, unsigned keep_calls)
{
    int r = 0;
    if ((keep_calls & CALLS_CONNECT) != 0) {
        const struct scmp_arg_cmp v4 = SCMP_A0(SCMP_CMP_EQ, AF_INET);
        const struct scmp_arg_cmp v6 = SCMP_A0(SCMP_CMP_EQ, AF_INET6);
        r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(socket), 1, v4);
        r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(socket), 1, v6);
    }
    if ((keep_calls & CALLS_PAIR) != 0) {
        const struct scmp_arg_cmp pair = SCMP_A0(SCMP_CMP_EQ, AF_UNIX);
        r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(socketpair), 1, pair);
    }
    if ((keep_calls & CALLS_UNIX) != 0) {
        const struct scmp_arg_cmp path = SCMP_A0(SCMP_CMP_EQ, AF_UNIX);
        r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(socket), 1, path);
    }
    return r;
}

/* Rules on arguments. */
static bool add_special(scmp_filter_ctx ctx, unsigned keep_calls)
{
    static const unsigned long IOCTLS[] = {FIONBIO, FIONREAD, FIOCLEX, SIOCOUTQ};
    static const unsigned long FCNTLS[] = {F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL,
                                           F_SETFL,         F_GETLK, F_SETLK, F_SETLKW};
    int r = add_own_process(ctx);
    r = r == 0 && (keep_calls & CALLS_FORK) != 0 ? add_forking(ctx) : r;
    r = r == 0 && (keep_calls & CALLS_TOOL) != 0 ? add_confining(ctx) : r;
    r = r != 0 ? r : add_requests(ctx, CALL(ioctl), IOCTLS, sizeof(IOCTLS) / sizeof(IOCTLS[0]));
    r = r != 0 ? r : add_requests(ctx, CALL(fcntl), FCNTLS, sizeof(FCNTLS) / sizeof(FCNTLS[0]));
    /* Code comes from the programs' files only; submit loads the resolver's modules on first use,
     * and what convert starts loads its libraries. */
    const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    bool may_load = (keep_calls & (CALLS_FORK | CALLS_TOOL)) != 0
                    || ((keep_calls & CALLS_CONNECT) != 0 && (keep_calls & CALLS_FILES) != 0);
    unsigned count = may_load ? 0 : 1;
    r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mmap), count, no_code);
    r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mprotect), count, no_code);
    r = r != 0 ? r : add_sockets(ctx, keep_calls);
    errno = -r;
    return r == 0;
}

bool confine_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)                            \
    || __has_feature(memory_sanitizer)
    return true;
#endif
#endif
    return false;
}

/* The lists that come with what is kept. */
static bool add_kept(scmp_filter_ctx ctx, unsigned keep_calls)
{
    static const struct {
        unsigned bit;
        const int *calls;
        size_t count;
    } LISTS[] = {
        {CALLS_ACCEPT, ACCEPT, sizeof(ACCEPT) / sizeof(ACCEPT[0])},
        {CALLS_FILES, FILES, sizeof(FILES) / sizeof(FILES[0])},
        {CALLS_CONNECT, CONNECT, sizeof(CONNECT) / sizeof(CONNECT[0])},
        {CALLS_FORK, FORK, sizeof(FORK) / sizeof(FORK[0])},
        {CALLS_TOOL, TOOL, sizeof(TOOL) / sizeof(TOOL[0])},
    };
    bool is_ok = (keep_calls & (CALLS_FORK | CALLS_TOOL)) != 0
                 || ADD(ctx, SCMP_ACT_KILL_PROCESS, DEADLY_EXEC);
    for (size_t i = 0; is_ok && i < sizeof(LISTS) / sizeof(LISTS[0]); i++) {
        is_ok = (keep_calls & LISTS[i].bit) == 0
                || add(ctx, SCMP_ACT_ALLOW, LISTS[i].calls, LISTS[i].count);
    }
    return is_ok;
}

enum err confine_calls(const struct keep *keep)
{
    if (confine_is_sanitized()) {
        return ERR_OK;
    }
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (ctx == NULL) {
        errno = ENOMEM;
        return ERR_IO;
    }
    bool is_ok = ADD(ctx, SCMP_ACT_KILL_PROCESS, DEADLY) && ADD(ctx, SCMP_ACT_ALLOW, BASE)
                 && add_special(ctx, keep->calls) && add_kept(ctx, keep->calls);
    int r = is_ok ? seccomp_load(ctx) : -errno;
    seccomp_release(ctx);
    errno = -r;
    return r == 0 ? ERR_OK : ERR_IO;
}
