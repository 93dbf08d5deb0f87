/* The engine that keeps an account in a folder of a local file system.
 *
 * The lock is flock(2) on a file of its own, so it goes away with its process however that ends, and a second open
 * in the same process is refused, too. It is never unlinked: a lock file that can vanish locks nothing.
 *
 * A blob is written under its final name: names are never given twice while a process lives, and a blob counts only
 * when a committed row names it. So there is no rename; the order is write, fsync the file, fsync the folder, and only
 * then the transaction that refers to it. What a crash leaves unnamed is swept by the store after an unclean start.
 *
 * Making the log durable without a transaction (for flag changes, which commit unsynced) needs the file behind
 * SQLite's write-ahead log: SQLITE_FCNTL_JOURNAL_POINTER gives it, in WAL mode the log itself. */
#include "store/engine.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct engine {
    char *folder;
    int lock_fd; /* all that an account at rest keeps open */
};

struct blob_writer {
    struct engine *engine; /* borrowed */
    uint64_t id;
    int fd;
    uint64_t size;    /* written */
    uint64_t started; /* of it, what the kernel was told to write out */
};

struct blob_reader {
    int fd;
    uint64_t size;
    void *map; /* NULL while not mapped */
};

enum { BLOB_NAME_DIGITS = 16, PATH_SIZE = 4096, WRITE_OUT_STEP = 1024 * 1024 };

static enum err fail(const struct engine *e, const char *what)
{
    int errnum = errno;
    log_error("store: %s: %s: %s", e->folder, what, strerror(errnum));
    return err_from_errno(errnum);
}

/* Fits: engine_open() refused longer folders. */
static void get_path(const struct engine *e, const char *name, char path[static PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/%s", e->folder, name);
}

static void get_blob_path(const struct engine *e, uint64_t id, char path[static PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/blobs/%016llx", e->folder, (unsigned long long)id);
}

/* ---- folder and lock ---- */

/* Makes what was done to a folder's names durable. */
static enum err sync_folder(const struct engine *e, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail(e, path);
    }
    enum err result = fsync(fd) == 0 ? ERR_OK : fail(e, path);
    (void)close(fd);
    return result;
}

static enum err make_folder(const struct engine *e)
{
    if (mkdir(e->folder, 0700) != 0) {
        return errno == EEXIST ? ERR_OK : fail(e, "mkdir");
    }
    char parent[PATH_SIZE];
    get_path(e, "..", parent);
    return sync_folder(e, parent);
}

static enum err take_lock(struct engine *e)
{
    char path[PATH_SIZE];
    get_path(e, "lock", path);
    e->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (e->lock_fd < 0) {
        return errno == ENOENT ? ERR_NOT_FOUND : fail(e, "open lock");
    }
    if (flock(e->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? ERR_IN_USE : fail(e, "flock");
    }
    struct stat locked;
    struct stat named;
    if (fstat(e->lock_fd, &locked) != 0 || stat(path, &named) != 0
        || locked.st_ino != named.st_ino) {
        return ERR_IN_USE; /* engine_remove() was quicker */
    }
    return ERR_OK;
}

enum err engine_open(struct str folder, bool must_create, struct engine **out)
{
    if (folder.n > PATH_SIZE - 64) {
        return ERR_LIMIT;
    }
    struct engine *e = calloc(1, sizeof(*e));
    char *path = strndup(folder.p, folder.n);
    if (e == NULL || path == NULL) {
        abort();
    }
    *e = (struct engine){.folder = path, .lock_fd = -1};
    enum err result = must_create ? make_folder(e) : ERR_OK;
    if (result == ERR_OK) {
        result = take_lock(e);
    }
    if (result != ERR_OK) {
        engine_close(&e);
        return result;
    }
    *out = e;
    return ERR_OK;
}

void engine_close(struct engine **e)
{
    if (*e == NULL) {
        return;
    }
    if ((*e)->lock_fd >= 0) {
        (void)close((*e)->lock_fd);
    }
    free((*e)->folder);
    free(*e);
    *e = NULL;
}

enum { REMOVE_DEPTH_MOST = 4 };

/* Empties the folder behind fd, which is taken. */
static bool remove_contents(int fd, int depth)
{
    DIR *dir = depth > REMOVE_DEPTH_MOST ? NULL : fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
        return false;
    }
    bool is_ok = true;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || unlinkat(fd, name, 0) == 0) {
            continue;
        }
        int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below < 0 || !remove_contents(below, depth + 1)
            || unlinkat(fd, name, AT_REMOVEDIR) != 0) {
            is_ok = false;
        }
    }
    (void)closedir(dir);
    return is_ok;
}

enum err engine_remove(struct str folder)
{
    struct engine *e;
    char gone[PATH_SIZE];
    TRY(engine_open(folder, false, &e));
    struct str parent = str_sub(folder, 0, str_find_last_char(folder, '/'));
    (void)snprintf(gone, sizeof(gone), "%.*s/.removed-%d-%d", STR_ARG(parent), getpid(),
                   e->lock_fd);
    int fd = open(e->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err result = fd >= 0 ? ERR_OK : fail(e, "open");
    if (result == ERR_OK && rename(e->folder, gone) != 0) {
        result = fail(e, "rename");
        (void)close(fd);
    } else if (result == ERR_OK) {
        bool is_empty = remove_contents(fd, 0);
        result = is_empty && rmdir(gone) == 0 ? ERR_OK : fail(e, "remove");
    }
    engine_close(&e);
    return result;
}

/* ---- database ---- */

static enum err open_file(const struct engine *e, const char *name, bool must_create, sqlite3 **out)
{
    char path[PATH_SIZE];
    get_path(e, name, path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, flags | (must_create ? SQLITE_OPEN_CREATE : 0), NULL);
    if (rc != SQLITE_OK) {
        log_error("store: %s: open %s: %s", e->folder, name, sqlite3_errstr(rc));
        (void)sqlite3_close(db);
        return ERR_IO;
    }
    *out = db;
    return ERR_OK;
}

enum err engine_open_database(struct engine *e, bool must_create, sqlite3 **out)
{
    char path[PATH_SIZE];
    get_path(e, "account.db", path);
    if (!must_create && access(path, F_OK) != 0) {
        return errno == ENOENT ? ERR_NOT_FOUND : fail(e, "account.db");
    }
    return open_file(e, "account.db", must_create, out);
}

enum err engine_open_index(struct engine *e, sqlite3 **out)
{
    return open_file(e, "index.db", true, out);
}

bool engine_has_index(const struct engine *e)
{
    char path[PATH_SIZE];
    get_path(e, "index.db", path);
    return access(path, F_OK) == 0;
}

enum err engine_remove_index(struct engine *e)
{
    /* The database first: SQLite drops a log without one, but would read one without its log. */
    static const char *const NAMES[] = {"index.db", "index.db-wal", "index.db-shm"};
    enum err result = ERR_OK;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        char path[PATH_SIZE];
        get_path(e, NAMES[i], path);
        if (unlink(path) != 0 && errno != ENOENT) {
            result = fail(e, NAMES[i]);
        }
    }
    return result;
}

bool engine_is_closed(const struct engine *e)
{
    char path[PATH_SIZE];
    get_path(e, "account.db-wal", path);
    return access(path, F_OK) != 0;
}

enum err engine_sync_database(struct engine *e, sqlite3 *db)
{
    sqlite3_file *log = NULL;
    int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&log);
    if (rc == SQLITE_OK && log != NULL && log->pMethods != NULL) {
        rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    }
    if (rc != SQLITE_OK) {
        log_error("store: %s: sync: %s", e->folder, sqlite3_errstr(rc));
        return (rc & 0xff) == SQLITE_FULL ? ERR_NO_SPACE : ERR_IO;
    }
    return ERR_OK;
}

/* ---- blobs ---- */

static enum err make_blobs(const struct engine *e)
{
    char path[PATH_SIZE];
    get_path(e, "blobs", path);
    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST ? ERR_OK : fail(e, "mkdir blobs");
    }
    return sync_folder(e, e->folder);
}

enum err engine_blob_create(struct engine *e, uint64_t id, struct blob_writer **out)
{
    TRY(make_blobs(e));
    char path[PATH_SIZE];
    get_blob_path(e, id, path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(e, "create blob");
    }
    struct blob_writer *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        abort();
    }
    *w = (struct blob_writer){.engine = e, .id = id, .fd = fd};
    *out = w;
    return ERR_OK;
}

/* Lets the disk begin while the peer still sends, so that the sync at the end is short. Only a hint. */
static void write_out(struct blob_writer *w)
{
    if (w->size - w->started >= WRITE_OUT_STEP) {
        (void)sync_file_range(w->fd, (off_t)w->started, (off_t)(w->size - w->started),
                              SYNC_FILE_RANGE_WRITE);
        w->started = w->size;
    }
}

enum err blob_writer_add(struct blob_writer *w, struct str octets)
{
    while (octets.n > 0) {
        ssize_t n = write(w->fd, octets.p, octets.n);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail(w->engine, "write blob");
        }
        octets = str_skip(octets, (size_t)n);
        w->size += (uint64_t)n;
    }
    write_out(w);
    return ERR_OK;
}

static enum err sync_blob(const struct blob_writer *w)
{
    if (fsync(w->fd) != 0) {
        return fail(w->engine, "fsync blob");
    }
    char path[PATH_SIZE];
    get_path(w->engine, "blobs", path);
    return sync_folder(w->engine, path);
}

enum err blob_writer_finish(struct blob_writer **w)
{
    enum err result = sync_blob(*w);
    if (result != ERR_OK) {
        blob_writer_free(w);
        return result;
    }
    (void)close((*w)->fd);
    free(*w);
    *w = NULL;
    return ERR_OK;
}

void blob_writer_free(struct blob_writer **w)
{
    if (*w == NULL) {
        return;
    }
    (void)close((*w)->fd);
    err_ignore(engine_blob_delete((*w)->engine, (*w)->id));
    free(*w);
    *w = NULL;
}

enum err engine_blob_open(struct engine *e, uint64_t id, struct blob_reader **out)
{
    char path[PATH_SIZE];
    get_blob_path(e, id, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? ERR_NOT_FOUND : fail(e, "open blob");
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        enum err result = fail(e, "stat blob");
        (void)close(fd);
        return result;
    }
    struct blob_reader *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        abort();
    }
    *r = (struct blob_reader){.fd = fd, .size = (uint64_t)st.st_size};
    *out = r;
    return ERR_OK;
}

uint64_t blob_reader_get_size(const struct blob_reader *r)
{
    return r->size;
}

enum err blob_reader_get(struct blob_reader *r, uint64_t offset, size_t n, struct buf *out)
{
    while (n > 0) {
        char *to = buf_reserve(out, n);
        if (to == NULL) {
            return ERR_LIMIT;
        }
        ssize_t got = pread(r->fd, to, n, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            log_error("store: read blob: %s", strerror(errno));
            return ERR_IO;
        }
        if (got == 0) {
            return ERR_CORRUPT;
        }
        buf_commit(out, (size_t)got);
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return ERR_OK;
}

enum err blob_reader_map(struct blob_reader *r, struct str *out)
{
    if (r->size == 0) {
        *out = STR_EMPTY;
        return ERR_OK;
    }
    if (r->map == NULL) {
        void *map = mmap(NULL, (size_t)r->size, PROT_READ, MAP_PRIVATE, r->fd, 0);
        if (map == MAP_FAILED) {
            log_error("store: map blob: %s", strerror(errno));
            return ERR_IO;
        }
        r->map = map;
    }
    *out = str_make(r->map, (size_t)r->size);
    return ERR_OK;
}

void blob_reader_free(struct blob_reader **r)
{
    if (*r == NULL) {
        return;
    }
    if ((*r)->map != NULL) {
        (void)munmap((*r)->map, (size_t)(*r)->size);
    }
    (void)close((*r)->fd);
    free(*r);
    *r = NULL;
}

enum err engine_blob_delete(struct engine *e, uint64_t id)
{
    char path[PATH_SIZE];
    get_blob_path(e, id, path);
    if (unlink(path) != 0 && errno != ENOENT) {
        return fail(e, "delete blob");
    }
    return ERR_OK;
}

/* Sixteen hex digits; false for any other name. */
static bool parse_blob_name(const char *name, uint64_t *id)
{
    uint64_t v = 0;
    size_t n = 0;
    for (; name[n] != '\0'; n++) {
        int digit = ascii_hex_value(name[n]);
        if (digit < 0 || n >= BLOB_NAME_DIGITS) {
            return false;
        }
        v = (v << 4) | (uint64_t)digit;
    }
    *id = v;
    return n == BLOB_NAME_DIGITS;
}

enum err engine_blob_list(struct engine *e, void (*on_blob)(void *owner, uint64_t id), void *owner)
{
    char path[PATH_SIZE];
    get_path(e, "blobs", path);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return errno == ENOENT ? ERR_OK : fail(e, "list blobs");
    }
    for (const struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        uint64_t id;
        if (parse_blob_name(d->d_name, &id)) {
            on_blob(owner, id);
        }
    }
    (void)closedir(dir);
    return ERR_OK;
}
