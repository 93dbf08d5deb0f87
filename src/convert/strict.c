/* The narrowest filter: what an allocator, threads and the standard streams need. It is put on top of the one that the program
 * was started with (main/convert_child.c), when all libraries are loaded. */
#include "convert/strict.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#define IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define IS_SANITIZED false
#endif

#define CALL(name) SCMP_SYS(name)

static const int ALLOWED[] = {
    CALL(read),
    CALL(readv),
    CALL(write),
    CALL(writev),
    CALL(lseek),
    CALL(fstat),
    CALL(newfstatat),
    CALL(close),
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
    CALL(clock_nanosleep),
    CALL(gettimeofday),
    CALL(getrandom),
    CALL(sysinfo),
    CALL(restart_syscall),
    CALL(eventfd2),
    CALL(poll),
    CALL(membarrier),
    CALL(getrusage),
};

static int add_all(scmp_filter_ctx ctx)
{
    const struct scmp_arg_cmp thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
    const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; r == 0 && i < sizeof(ALLOWED) / sizeof(ALLOWED[0]); i++) {
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, ALLOWED[i], 0);
    }
    r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(clone), 1, thread);
    r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
    r = r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mmap), 1, no_code);
    return r != 0 ? r : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, CALL(mprotect), 1, no_code);
}

bool strict_begin(void)
{
    if (IS_SANITIZED) {
        return true;
    }
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (ctx == NULL) {
        return false;
    }
    bool is_loaded = add_all(ctx) == 0 && seccomp_load(ctx) == 0;
    seccomp_release(ctx);
    return is_loaded;
}
