/* Landlock: the folders and TCP ports a role may still reach (Linux 5.13 and later).
 *
 * glibc has no wrappers and the system's header may be older than the kernel, so the few structures and bits are
 * spelt out here; the kernel's ABI number says how many of them it knows, and we ask for no more:
 *
 *     ABI  brings
 *       1  files and folders
 *       2  moving files between folders
 *       3  truncation
 *       4  TCP: bind, connect
 *       5  ioctl on devices
 *       6  signals and abstract UNIX sockets to outsiders
 */
#include "main/confine_sys.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 }; /* the same on every machine */
enum { WANT_VERSION = 1, RULE_PATH_BENEATH = 1 };

/* Bits of handled_fs, as the kernel numbers them. */
enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,
    FS_TRUNCATE = 1 << 14,
    FS_IOCTL_DEV = 1 << 15,
};
enum { NET_BIND_TCP = 1, NET_CONNECT_TCP = 2 };
enum { SCOPE_ABSTRACT_UNIX = 1, SCOPE_SIGNAL = 2 };

struct ruleset {
    uint64_t handled_fs;
    uint64_t handled_net;
    uint64_t scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

/* What may be done below a role's own folder. */
static const uint64_t FOLDER_RIGHTS = FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR
                                      | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER
                                      | FS_TRUNCATE;
/* Rights that make sense for a plain file; the kernel refuses others there. */
static const uint64_t FILE_RIGHTS = FS_READ_FILE | FS_EXECUTE;

static struct ruleset what_abi_handles(long abi, const struct keep *keep)
{
    uint64_t fs = FS_MAKE_SYM * 2 - 1; /* all of ABI 1 */
    fs |= abi >= 2 ? FS_REFER : 0;
    fs |= abi >= 3 ? FS_TRUNCATE : 0;
    fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    uint64_t net = NET_BIND_TCP | ((keep->calls & CALLS_CONNECT) != 0 ? 0 : NET_CONNECT_TCP);
    return (struct ruleset){fs, abi >= 4 ? net : 0,
                            abi >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0};
}

/* is_optional: a path that is not there needs no rule. */
static enum err allow_path(int ruleset_fd, const char *path, uint64_t allowed, bool is_optional)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return is_optional ? ERR_OK : ERR_IO;
    }
    struct stat st;
    enum err e = fstat(fd, &st) == 0 ? ERR_OK : ERR_IO;
    if (e == ERR_OK) {
        struct path_rule rule = {S_ISDIR(st.st_mode) ? allowed : allowed & FILE_RIGHTS, fd};
        e = syscall(ADD_RULE, ruleset_fd, RULE_PATH_BENEATH, &rule, 0) == 0 ? ERR_OK : ERR_IO;
    }
    int why = errno;
    (void)close(fd);
    errno = why;
    return e;
}

static enum err add_rules(int fd, const struct keep *keep, const char *dir, uint64_t handled)
{
    for (const char *const *path = keep->reads; *path != NULL; path++) {
        TRY(allow_path(fd, *path, FS_READ_FILE | FS_READ_DIR | FS_EXECUTE, true));
    }
    if (confine_is_sanitized()) { /* finding leaks means reading about one's own threads */
        TRY(allow_path(fd, "/proc", FS_READ_FILE | FS_READ_DIR, true));
    }
    if (keep->files == FILES_FOLDER && dir[0] != '\0') {
        TRY(allow_path(fd, dir, FOLDER_RIGHTS & handled, false));
    }
    if (keep->files == FILES_PROGRAMS && dir[0] != '\0') {
        TRY(allow_path(fd, dir, FS_READ_FILE | FS_READ_DIR | FS_EXECUTE, false));
    }
    return ERR_OK;
}

bool confine_has_landlock(void)
{
    return syscall(CREATE_RULESET, NULL, 0, WANT_VERSION) >= 1;
}

enum err confine_files(const struct keep *keep, const char *dir)
{
    long abi = syscall(CREATE_RULESET, NULL, 0, WANT_VERSION);
    if (abi < 1) {
        log_warn("this kernel has no Landlock; files are guarded by user and seccomp only");
        return ERR_OK;
    }
    struct ruleset rules = what_abi_handles(abi, keep);
    size_t size = abi >= 6 ? sizeof(rules) : abi >= 4 ? 16 : 8;
    int fd = (int)syscall(CREATE_RULESET, &rules, size, 0);
    if (fd < 0) {
        return ERR_IO;
    }
    enum err e = add_rules(fd, keep, dir, rules.handled_fs);
    if (e == ERR_OK) {
        e = syscall(RESTRICT_SELF, fd, 0) == 0 ? ERR_OK : ERR_IO;
    }
    int why = errno;
    (void)close(fd);
    errno = why;
    return e;
}
