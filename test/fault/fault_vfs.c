/* The failing disk. A file of ours is the real file of the default VFS behind a small header; the calls that change
 * files are counted and may fail, all others pass through.
 *
 * For the power cut each write remembers what it overwrote and how long the file was; a sync of that file forgets its
 * memories; the cut plays the rest backwards on the real files. That is the harshest outcome: nothing unsynced stays. Deletions
 * are not undone: SQLite deletes its log only after the database was synced. */
#include "fault_vfs.h"

#include "base/vec.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fault_file {
    sqlite3_file base;
    char *path;
    sqlite3_file *real; /* behind this struct */
};

struct undo {
    char *path;
    sqlite3_int64 offset;
    sqlite3_int64 size; /* of the file, before */
    char *octets;       /* what was there */
    int count;
};

struct undo_list {
    VEC(struct undo) at;
};

/* The test program has one disk, so this is process-wide. */
static struct {
    sqlite3_vfs vfs;
    sqlite3_io_methods methods;
    sqlite3_vfs *real;
    enum fault_kind kind;
    unsigned at;
    unsigned calls;
    unsigned syncs;
    bool has_struck;
    bool is_keeping_undo;
    struct undo_list undo;
} disk;

/* ---- when ---- */

void fault_arm(enum fault_kind kind, unsigned at)
{
    disk.kind = kind;
    disk.at = at;
    disk.calls = 0;
    disk.syncs = 0;
    disk.has_struck = false;
}

void fault_disarm(void)
{
    disk.kind = FAULT_NONE;
}

unsigned fault_get_calls(void)
{
    return disk.calls;
}

unsigned fault_get_syncs(void)
{
    return disk.syncs;
}

bool fault_has_struck(void)
{
    return disk.has_struck;
}

/* Counts a call; says how it goes wrong, if it does. */
static enum fault_kind strike(bool is_sync)
{
    disk.calls++;
    disk.syncs += is_sync;
    bool is_now = disk.kind != FAULT_NONE && disk.calls == disk.at;
    bool is_still_full = disk.kind == FAULT_NO_SPACE && disk.calls >= disk.at;
    if (!is_now && !is_still_full) {
        return FAULT_NONE;
    }
    disk.has_struck = true;
    if (disk.kind == FAULT_KILL) {
        (void)raise(SIGKILL);
    }
    if (disk.kind == FAULT_CUT) {
        fault_cut_power();
    }
    return disk.kind == FAULT_NO_SPACE && is_sync ? FAULT_NONE : disk.kind;
}

static int rc_of(enum fault_kind kind, int io_error)
{
    return kind == FAULT_NO_SPACE ? SQLITE_FULL : io_error;
}

/* ---- undo ---- */

void fault_keep_undo(void)
{
    disk.is_keeping_undo = true;
}

static void remember(struct fault_file *f, sqlite3_int64 offset, int count)
{
    if (!disk.is_keeping_undo || f->path == NULL) {
        return;
    }
    struct undo u = {
        .path = strdup(f->path), .offset = offset, .octets = calloc(1, (size_t)count + 1)};
    int rc = f->real->pMethods->xFileSize(f->real, &u.size);
    assert(rc == SQLITE_OK && u.path != NULL && u.octets != NULL);
    if (offset < u.size) {
        sqlite3_int64 there = u.size - offset < count ? u.size - offset : count;
        u.count = (int)there;
        rc = f->real->pMethods->xRead(f->real, u.octets, u.count, offset);
        assert(rc == SQLITE_OK);
    }
    vec_push(&disk.undo.at, u);
}

static void forget_path(const char *path)
{
    size_t to = 0;
    for (size_t i = 0; i < disk.undo.at.count; i++) {
        struct undo *u = &disk.undo.at.at[i];
        if (path != NULL && strcmp(u->path, path) == 0) {
            free(u->path);
            free(u->octets);
            continue;
        }
        disk.undo.at.at[to++] = *u;
    }
    disk.undo.at.count = to;
}

static void forget(const struct fault_file *f)
{
    forget_path(f->path);
}

/* The path of a regular file that is open as fd; NULL: it is something else. To be freed. */
static char *find_path(int fd, struct stat *st)
{
    char link[64];
    char path[4096] = "";
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    return n > 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) ? strdup(path) : NULL;
}

/* A write() of our own: those only make files longer. */
static void remember_own(int fd)
{
    struct stat st;
    char *path = disk.is_keeping_undo ? find_path(fd, &st) : NULL;
    if (path != NULL) {
        struct undo u = {.path = path, .size = st.st_size, .octets = calloc(1, 1)};
        assert(u.octets != NULL);
        vec_push(&disk.undo.at, u);
    }
}

static void forget_own(int fd)
{
    struct stat st;
    char *path = disk.is_keeping_undo ? find_path(fd, &st) : NULL;
    forget_path(path);
    free(path);
}

void fault_cut_power(void)
{
    for (size_t i = disk.undo.at.count; i > 0; i--) {
        const struct undo *u = &disk.undo.at.at[i - 1];
        int fd = open(u->path, O_RDWR | O_CLOEXEC);
        if (fd < 0) {
            continue; /* deleted meanwhile */
        }
        if ((u->count > 0 && pwrite(fd, u->octets, (size_t)u->count, u->offset) != u->count)
            || ftruncate(fd, u->size) != 0) {
            abort();
        }
        (void)close(fd);
    }
    (void)raise(SIGKILL);
    abort();
}

/* ---- files ---- */

static struct fault_file *as_fault(sqlite3_file *f)
{
    return (struct fault_file *)(void *)f;
}

static const sqlite3_io_methods *real_methods(sqlite3_file *f)
{
    return as_fault(f)->real->pMethods;
}

static int f_close(sqlite3_file *f)
{
    int rc = real_methods(f)->xClose(as_fault(f)->real);
    free(as_fault(f)->path);
    return rc;
}

static int f_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return real_methods(f)->xRead(as_fault(f)->real, to, n, at);
}

static int f_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    enum fault_kind kind = strike(false);
    if (kind != FAULT_NONE) {
        return rc_of(kind, SQLITE_IOERR_WRITE);
    }
    remember(as_fault(f), at, n);
    return real_methods(f)->xWrite(as_fault(f)->real, from, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    enum fault_kind kind = strike(false);
    return kind != FAULT_NONE ? rc_of(kind, SQLITE_IOERR_TRUNCATE)
                              : real_methods(f)->xTruncate(as_fault(f)->real, size);
}

static int f_sync(sqlite3_file *f, int flags)
{
    enum fault_kind kind = strike(true);
    if (kind != FAULT_NONE) {
        return rc_of(kind, SQLITE_IOERR_FSYNC);
    }
    forget(as_fault(f));
    return real_methods(f)->xSync(as_fault(f)->real, flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_methods(f)->xFileSize(as_fault(f)->real, size);
}

static int f_lock(sqlite3_file *f, int level)
{
    return real_methods(f)->xLock(as_fault(f)->real, level);
}

static int f_unlock(sqlite3_file *f, int level)
{
    return real_methods(f)->xUnlock(as_fault(f)->real, level);
}

static int f_check(sqlite3_file *f, int *out)
{
    return real_methods(f)->xCheckReservedLock(as_fault(f)->real, out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
    return real_methods(f)->xFileControl(as_fault(f)->real, op, arg);
}

static int f_sector(sqlite3_file *f)
{
    return real_methods(f)->xSectorSize(as_fault(f)->real);
}

static int f_traits(sqlite3_file *f)
{
    return real_methods(f)->xDeviceCharacteristics(as_fault(f)->real);
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_methods(f)->xShmMap(as_fault(f)->real, page, size, extend, out);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_methods(f)->xShmLock(as_fault(f)->real, offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
    real_methods(f)->xShmBarrier(as_fault(f)->real);
}

static int f_shm_unmap(sqlite3_file *f, int is_delete)
{
    return real_methods(f)->xShmUnmap(as_fault(f)->real, is_delete);
}

static int v_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *out)
{
    struct fault_file *x = as_fault(f);
    (void)vfs;
    *x = (struct fault_file){.real = (sqlite3_file *)(void *)((char *)f + sizeof(*x))};
    int rc = disk.real->xOpen(disk.real, path, x->real, flags, out);
    if (rc == SQLITE_OK) {
        x->path = path != NULL ? strdup(path) : NULL;
        x->base.pMethods = &disk.methods;
    }
    return rc;
}

void fault_vfs_install(void)
{
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.zName = "fault";
    disk.vfs.pNext = NULL;
    disk.vfs.szOsFile = (int)sizeof(struct fault_file) + disk.real->szOsFile;
    disk.vfs.xOpen = v_open;
    disk.methods = (sqlite3_io_methods){
        .iVersion = 2,
        .xClose = f_close,
        .xRead = f_read,
        .xWrite = f_write,
        .xTruncate = f_truncate,
        .xSync = f_sync,
        .xFileSize = f_size,
        .xLock = f_lock,
        .xUnlock = f_unlock,
        .xCheckReservedLock = f_check,
        .xFileControl = f_control,
        .xSectorSize = f_sector,
        .xDeviceCharacteristics = f_traits,
        .xShmMap = f_shm_map,
        .xShmLock = f_shm_lock,
        .xShmBarrier = f_shm_barrier,
        .xShmUnmap = f_shm_unmap,
    };
    int rc = sqlite3_vfs_register(&disk.vfs, 1);
    assert(rc == SQLITE_OK);
}

/* ---- our own code's calls ---- */

ssize_t __real_write(int fd, const void *from, size_t n);
int __real_fsync(int fd);
ssize_t __wrap_write(int fd, const void *from, size_t n);
int __wrap_fsync(int fd);

static int errno_of(enum fault_kind kind)
{
    return kind == FAULT_NO_SPACE ? ENOSPC : EIO;
}

ssize_t __wrap_write(int fd, const void *from, size_t n)
{
    if (fd == STDERR_FILENO || fd == STDOUT_FILENO) {
        return __real_write(fd, from, n);
    }
    enum fault_kind kind = strike(false);
    if (kind != FAULT_NONE) {
        errno = errno_of(kind);
        return -1;
    }
    remember_own(fd);
    return __real_write(fd, from, n);
}

int __wrap_fsync(int fd)
{
    enum fault_kind kind = strike(true);
    if (kind != FAULT_NONE) {
        errno = errno_of(kind);
        return -1;
    }
    forget_own(fd);
    return __real_fsync(fd);
}
