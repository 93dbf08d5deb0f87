/* Copying an account, for backups: also while another process owns it and writes.
 *
 *     blobs that are there  ->  the database, as of one moment  ->  blobs that came meanwhile  ->  is every blob it names there?
 *
 * SQLite's backup reads one snapshot, whoever writes; blobs are written once. What the snapshot names was there before it, or came
 * while the first blobs were copied. Only a blob that was deleted just after the snapshot can be missed: then the database is
 * copied once more, and no longer names it. Everything is durable before the answer. */
#include "store/engine.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, COPY_STEP = 1024 * 1024, TRIES_MOST = 5 };

static enum err fail(const char *path, const char *what)
{
    int errnum = errno;
    log_error("store: %s: %s: %s", path, what, strerror(errnum));
    return err_from_errno(errnum);
}

static void join(char path[static PATH_SIZE], struct str folder, const char *name)
{
    (void)snprintf(path, PATH_SIZE, "%.*s/%s", STR_ARG(folder), name);
}

static enum err sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(path, "open");
    }
    enum err result = fsync(fd) == 0 ? ERR_OK : fail(path, "fsync");
    (void)close(fd);
    return result;
}

/* ---- blobs ---- */

static enum err copy_octets(const char *name, int from, int to)
{
    ssize_t n = 0;
    do {
        n = copy_file_range(from, NULL, to, NULL, COPY_STEP, 0);
    } while (n > 0);
    if (n < 0 || fsync(to) != 0) {
        return fail(name, "copy");
    }
    return ERR_OK;
}

/* A blob that is there already is the same one. */
static enum err copy_blob(int from_folder, int to_folder, const char *name)
{
    int to = openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0) {
        return errno == EEXIST ? ERR_OK : fail(name, "create");
    }
    int from = openat(from_folder, name, O_RDONLY | O_CLOEXEC);
    enum err result = ERR_OK;
    if (from >= 0) {
        result = copy_octets(name, from, to);
        (void)close(from);
    } else if (errno != ENOENT) {
        result = fail(name, "open");
    }
    if ((from < 0 || result != ERR_OK) && unlinkat(to_folder, name, 0) != 0) {
        result = fail(name, "unlink");
    }
    (void)close(to);
    return result;
}

static enum err copy_names(DIR *from, int to)
{
    const struct dirent *entry;
    while ((entry = readdir(from)) != NULL) {
        if (entry->d_name[0] != '.') {
            TRY(copy_blob(dirfd(from), to, entry->d_name));
        }
    }
    return fsync(to) == 0 ? ERR_OK : fail("blobs", "fsync");
}

static enum err copy_blobs(const char *from_path, const char *to_path)
{
    DIR *from = opendir(from_path);
    if (from == NULL) {
        return errno == ENOENT ? ERR_OK : fail(from_path, "open");
    }
    enum err result = ERR_OK;
    if (mkdir(to_path, 0700) != 0 && errno != EEXIST) {
        result = fail(to_path, "mkdir");
    }
    int to = result == ERR_OK ? open(to_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (to >= 0) {
        result = copy_names(from, to);
        (void)close(to);
    } else if (result == ERR_OK) {
        result = fail(to_path, "open");
    }
    (void)closedir(from);
    return result;
}

/* ---- the database ---- */

static enum err fail_sqlite(const char *path, sqlite3 *db)
{
    log_error("store: %s: %s", path, sqlite3_errmsg(db));
    return (sqlite3_errcode(db) & 0xff) == SQLITE_FULL ? ERR_NO_SPACE : ERR_IO;
}

static enum err copy_pages(sqlite3 *from, sqlite3 *to, const char *path)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL) {
        return fail_sqlite(path, to);
    }
    (void)sqlite3_backup_step(backup, -1);
    return sqlite3_backup_finish(backup) == SQLITE_OK ? ERR_OK : fail_sqlite(path, to);
}

static enum err copy_database(const char *from_path, const char *to_path)
{
    sqlite3 *from = NULL;
    sqlite3 *to = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    enum err result = ERR_OK;
    if (sqlite3_open_v2(from_path, &from, flags, NULL) != SQLITE_OK) {
        result = access(from_path, F_OK) != 0 ? ERR_NOT_FOUND : fail_sqlite(from_path, from);
    } else if (sqlite3_open_v2(to_path, &to, flags | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
        result = fail_sqlite(to_path, to);
    } else {
        (void)sqlite3_busy_timeout(from, 5000);
        result = copy_pages(from, to, to_path);
    }
    (void)sqlite3_close(from);
    (void)sqlite3_close(to);
    return result == ERR_OK ? sync_path(to_path) : result;
}

/* Is every blob that the copied database names there? */
static enum err check_blobs(struct str to, bool *are_there)
{
    char path[PATH_SIZE];
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    join(path, to, "account.db");
    *are_there = true;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v2(db, "SELECT id FROM body WHERE is_blob", -1, &s, NULL);
    }
    while (rc == SQLITE_OK && *are_there && sqlite3_step(s) == SQLITE_ROW) {
        char name[64];
        (void)snprintf(name, sizeof(name), "blobs/%016llx",
                       (unsigned long long)sqlite3_column_int64(s, 0));
        join(path, to, name);
        *are_there = access(path, F_OK) == 0;
    }
    enum err result = rc == SQLITE_OK ? ERR_OK : fail_sqlite(path, db);
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(db);
    return result;
}

static enum err copy_all(struct str from, struct str to)
{
    char db_from[PATH_SIZE];
    char db_to[PATH_SIZE];
    char blobs_from[PATH_SIZE];
    char blobs_to[PATH_SIZE];
    join(db_from, from, "account.db");
    join(db_to, to, "account.db");
    join(blobs_from, from, "blobs");
    join(blobs_to, to, "blobs");
    TRY(copy_blobs(blobs_from, blobs_to));
    bool are_there = false;
    for (unsigned i = 0; i < TRIES_MOST && !are_there; i++) {
        TRY(copy_database(db_from, db_to));
        TRY(copy_blobs(blobs_from, blobs_to));
        TRY(check_blobs(to, &are_there));
    }
    if (!are_there) {
        log_error("store: %.*s: a body that the database names is missing", STR_ARG(from));
        return ERR_CORRUPT;
    }
    return ERR_OK;
}

enum err engine_copy(struct str from, struct str to)
{
    char path[PATH_SIZE];
    if (from.n > PATH_SIZE - 64 || to.n > PATH_SIZE - 64) {
        return ERR_LIMIT;
    }
    join(path, from, "account.db");
    if (access(path, F_OK) != 0) {
        return errno == ENOENT ? ERR_NOT_FOUND : fail(path, "open");
    }
    join(path, to, "");
    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST ? ERR_EXISTS : fail(path, "mkdir");
    }
    TRY(copy_all(from, to));
    TRY(sync_path(path));
    join(path, to, "..");
    return sync_path(path);
}
