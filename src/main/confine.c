/* What each role keeps. This is the one place that says it (RFC 5383, 8: servers at the edge are built for it).
 *
 *   role     files            sockets                               threads  descriptors
 *   edge     none             accepts; never makes one              yes      very many
 *   auth     its own folder   none                                  yes      few
 *   store    its own folder   none (links come as socket pairs)     yes      many
 *   submit   its own folder,  makes inet sockets, connects out,     yes      some
 *            resolver and CA  accepts
 *            files to read
 *   gate     none             accepts, makes inet sockets, connects yes      some
 *                             out, makes pairs of Unix sockets
 *   verify   resolver and CA  makes inet sockets, connects out      yes      some
 *            files to read
 *   convert  runs programs,    none                                 yes      some
 *            reads what they
 *            need; no mail
 *
 * In this order, each step needing what the later ones take away: resource limits, system user, capabilities,
 * no_new_privs, Landlock (files, TCP ports, signals and abstract sockets as far as the kernel knows them), seccomp.
 * A kernel without Landlock is logged and lived with: user and seccomp still stand.
 *
 * convert starts programs, so it must have what they need; each gets less (convert_child.c).
 *
 * seccomp: what is listed is allowed. What no role could mean (exec, ptrace, mount, ...) kills the process, which the
 * supervisor reports. All else fails with EPERM, because libraries probe for system calls and live without them.
 * Sanitizer builds need calls of their own (and ptrace, to look for leaks), so there, and only there, no filter is
 * loaded. */
#include "main/boot.h"

#include "base/log.h"
#include "main/confine_sys.h"
#include "main/control.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const SUBMIT_READS[] = {"/etc/resolv.conf",
                                           "/etc/hosts",
                                           "/etc/nsswitch.conf",
                                           "/etc/gai.conf",
                                           "/etc/host.conf",
                                           "/etc/services",
                                           "/etc/ssl/certs",
                                           "/etc/ssl/openssl.cnf",
                                           "/usr/share/ca-certificates",
                                           "/usr/local/share/ca-certificates",
                                           "/run/systemd/resolve",
                                           "/run/resolvconf",
                                           "/lib",
                                           "/usr/lib",
                                           "/etc/ld.so.cache",
                                           "/dev/urandom",
                                           NULL};
static const char *const READS_NOTHING[] = {NULL};
static const char *const CONVERT_READS[] = {"/lib",
                                            "/lib64",
                                            "/usr/lib",
                                            "/usr/lib64",
                                            "/usr/bin",
                                            "/usr/share",
                                            "/etc/fonts",
                                            "/etc/ld.so.cache",
                                            "/etc/alternatives",
                                            "/var/cache/fontconfig",
                                            "/dev/null",
                                            "/dev/urandom",
                                            NULL};

static const struct keep KEEPS[ROLE_COUNT] = {
    [ROLE_EDGE] = {.files = FILES_NONE,
                   .reads = READS_NOTHING,
                   .calls = CALLS_ACCEPT,
                   .fds_most = 1048576},
    [ROLE_AUTH] = {.files = FILES_FOLDER,
                   .reads = READS_NOTHING,
                   .calls = CALLS_FILES,
                   .fds_most = 256},
    [ROLE_STORE] = {.files = FILES_FOLDER,
                    .reads = READS_NOTHING,
                    .calls = CALLS_FILES,
                    .fds_most = 65536},
    [ROLE_SUBMIT] = {.files = FILES_FOLDER,
                     .reads = SUBMIT_READS,
                     .calls = CALLS_FILES | CALLS_CONNECT | CALLS_ACCEPT,
                     .fds_most = 16384},
    [ROLE_GATE] = {.files = FILES_NONE,
                   .reads = READS_NOTHING,
                   .calls = CALLS_ACCEPT | CALLS_CONNECT | CALLS_PAIR,
                   .fds_most = 16384},
    [ROLE_VERIFY] = {.files = FILES_NONE,
                     .reads = SUBMIT_READS,
                     .calls = CALLS_FILES | CALLS_CONNECT,
                     .fds_most = 1024},
    [ROLE_CONVERT] = {.files = FILES_PROGRAMS,
                      .reads = CONVERT_READS,
                      .calls = CALLS_FILES | CALLS_FORK,
                      .fds_most = 1024},
};

/* As many descriptors as wanted and allowed; no core files, which would hold mail and keys. */
static enum err set_limits(const struct keep *keep)
{
    struct rlimit fds;
    if (getrlimit(RLIMIT_NOFILE, &fds) != 0) {
        return ERR_IO;
    }
    struct rlimit want = {keep->fds_most, keep->fds_most};
    if (geteuid() != 0 && want.rlim_max > fds.rlim_max) {
        want.rlim_cur = want.rlim_max = fds.rlim_max;
    }
    if (setrlimit(RLIMIT_NOFILE, &want) != 0) {
        want.rlim_cur = want.rlim_max = fds.rlim_max; /* the system's own most is lower */
        if (setrlimit(RLIMIT_NOFILE, &want) != 0) {
            return ERR_IO;
        }
    }
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 ? ERR_OK : ERR_IO;
}

/* Becomes the configured system user when we are root. uid and gid come as numbers: the supervisor looked the name
 * up, so that no role reads the user table. */
static enum err become_user(const struct boot *b)
{
    if (geteuid() != 0) {
        return ERR_OK;
    }
    uid_t uid = (uid_t)boot_get_u64(b, STR("uid"), 0);
    gid_t gid = (gid_t)boot_get_u64(b, STR("gid"), 0);
    if (uid == 0) {
        return setgroups(0, NULL) == 0 ? ERR_OK : ERR_IO;
    }
    if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        return ERR_IO;
    }
    return setuid(0) != 0 ? ERR_OK : ERR_IO; /* there must be no way back */
}

/* No capability stays, not even root's when the role stays root. */
static enum err drop_capabilities(void)
{
    for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++) {
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* only root may; others have none to drop */
    }
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &head, none) == 0 ? ERR_OK : ERR_IO;
}

/* No rights by exec, no look into our memory from outside. */
static enum err close_off(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return ERR_IO;
    }
    unsigned long is_dumpable = confine_is_sanitized() ? 1 : 0;
    return prctl(PR_SET_DUMPABLE, is_dumpable, 0, 0, 0) == 0 ? ERR_OK : ERR_IO;
}

/* A Unix socket may be anybody's, so submit makes them only when the operator names one. */
static bool has_unix_route(const struct boot *b)
{
    struct str routes = boot_get(b, STR("routes"));
    return str_find_str(routes, STR("lmtp+unix:")) < routes.n;
}

enum err confine(const struct boot *b, enum link_role role, struct str dir)
{
    if ((unsigned)role >= ROLE_SUPERVISOR || dir.n >= PATH_MAX) {
        return ERR_IO;
    }
    struct keep kept = KEEPS[role];
    const struct keep *keep = &kept;
    if (role == ROLE_SUBMIT && has_unix_route(b)) {
        kept.calls |= CALLS_UNIX;
    }
    char path[PATH_MAX] = "";
    if (dir.n > 0) {
        memcpy(path, dir.p, dir.n);
        path[dir.n] = '\0';
    }
    const char *failed = "resource limits";
    enum err e = set_limits(keep);
    if (e == ERR_OK) {
        failed = "system user";
        e = become_user(b);
    }
    if (e == ERR_OK) {
        failed = "capabilities";
        e = drop_capabilities();
    }
    if (e == ERR_OK) {
        failed = "no_new_privs";
        e = close_off();
    }
    if (e == ERR_OK) {
        failed = "Landlock";
        e = confine_files(keep, path);
    }
    if (e == ERR_OK) {
        failed = "seccomp";
        e = confine_calls(keep);
    }
    if (e != ERR_OK) {
        log_error("cannot confine %s: %s: %s", control_role_name(role), failed,
                  strerrordesc_np(errno));
        return ERR_IO;
    }
    return ERR_OK;
}
