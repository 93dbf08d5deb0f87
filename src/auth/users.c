/* The verifier database.
 *
 *     site    one row: the site key
 *     user    name, kind, Argon2id string, SCRAM salt, iterations, stored key, server key
 *     alias   address, target: who gets the mail of an address that is no account (aliases.c)
 *     sender  user, address: what a user may send as, besides what is delivered to him (aliases.c)
 *
 * Rollback journal, not WAL: the file changes a few times a day and is read on every login, and so one descriptor and
 * one folder are all that auth needs. SQLite's change counter tells a reader that somebody else wrote (PRAGMA
 * data_version); auth asks on every login and then forgets what it remembered, so a changed password or a deleted user
 * counts from the next login on. synchronous=FULL: a `limetta user` that said yes is on disk. */
#include "auth/users.h"

#include "auth/users_priv.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x4c6d5573, SCHEMA_VERSION = 2, BUSY_TIMEOUT_MS = 5000 };

static const char SCHEMA[] =
    "CREATE TABLE site(site_key BLOB NOT NULL) STRICT;"
    "CREATE TABLE user(name TEXT PRIMARY KEY, kind INTEGER NOT NULL, argon2 TEXT NOT NULL,"
    " scram_salt BLOB NOT NULL, scram_iterations INTEGER NOT NULL,"
    " scram_stored_key BLOB NOT NULL, scram_server_key BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO site VALUES(randomblob(32));"
    "PRAGMA application_id=1282233715; PRAGMA user_version=1;";

/* The way from each version to the next; an old file takes the steps that it lacks. Never changed, only added to. */
static const char *const STEPS[SCHEMA_VERSION] = {
    [1] = "CREATE TABLE alias(address TEXT NOT NULL, target TEXT NOT NULL,"
          " PRIMARY KEY(address, target)) STRICT, WITHOUT ROWID;"
          "CREATE TABLE sender(user TEXT NOT NULL, address TEXT NOT NULL,"
          " PRIMARY KEY(user, address)) STRICT, WITHOUT ROWID;"
          "PRAGMA user_version=2;",
};

_Static_assert(APPLICATION_ID == 1282233715, "the two spellings agree");

static const char *const SQL[USERS_STATEMENT_COUNT] = {
    [USERS_FIND] = "SELECT kind, argon2, scram_salt, scram_iterations, scram_stored_key,"
                   " scram_server_key FROM user WHERE name=?1",
    [USERS_ADD] = "INSERT INTO user VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [USERS_SET] = "UPDATE user SET argon2=?3, scram_salt=?4, scram_iterations=?5,"
                  " scram_stored_key=?6, scram_server_key=?7 WHERE name=?1",
    [USERS_DELETE] = "DELETE FROM user WHERE name=?1",
    [USERS_LIST] = "SELECT name, kind FROM user ORDER BY name",
    [USERS_DATA_VERSION] = "PRAGMA data_version",
    [ALIAS_ADD] = "INSERT INTO alias VALUES(?1, ?2)",
    [ALIAS_REMOVE] = "DELETE FROM alias WHERE address=?1 AND (?2 IS NULL OR target=?2)",
    [ALIAS_LIST] = "SELECT address, target FROM alias WHERE ?1 IS NULL OR address=?1 ORDER BY 1, 2",
    [ALIAS_FIND] = "SELECT address, target FROM alias WHERE address=?1 ORDER BY 2",
    [SENDER_ADD] = "INSERT INTO sender VALUES(?1, ?2)",
    [SENDER_REMOVE] = "DELETE FROM sender WHERE user=?1 AND (?2 IS NULL OR address=?2)",
    [SENDER_LIST] = "SELECT user, address FROM sender WHERE ?1 IS NULL OR user=?1 ORDER BY 1, 2",
    [SENDER_FIND] = "SELECT user, address FROM sender WHERE user=?1 AND address=?2",
};

enum err users_err(const struct users *u, const char *what)
{
    int rc = u->db == NULL ? SQLITE_NOMEM : sqlite3_extended_errcode(u->db);
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY) {
        return ERR_EXISTS;
    }
    log_error("users database: %s: %s", what, u->db == NULL ? "no memory" : sqlite3_errmsg(u->db));
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_IN_USE;
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return ERR_NO_PERMISSION;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    default:
        return ERR_IO;
    }
}

/* One integer from a statement of our own without parameters; -1 on error. */
static int64_t query_int(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t v = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
        v = sqlite3_column_int64(s, 0);
    }
    (void)sqlite3_finalize(s);
    return v;
}

/* Makes an empty file of ours before SQLite does, so that it never is readable to others, and belongs to whoever owns
 * the folder: root may add a user for an auth that runs as somebody else. */
static enum err make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST ? ERR_OK : err_from_errno(errno);
    }
    enum err e = ERR_OK;
    if (geteuid() == 0) {
        const char *slash = strrchr(path, '/');
        struct str folder = slash == NULL ? STR(".") : str_make(path, (size_t)(slash - path) + 1);
        char *c = strndup(folder.p, folder.n);
        struct stat st;
        if (c == NULL || stat(c, &st) != 0 || fchown(fd, st.st_uid, st.st_gid) != 0) {
            e = err_from_errno(errno);
        }
        free(c);
    }
    (void)close(fd);
    return e;
}

/* Makes all of it in an empty file, takes the missing steps in one of ours; inside a transaction. */
static enum err take_steps(struct users *u)
{
    int64_t application = query_int(u->db, "PRAGMA application_id");
    int64_t version = query_int(u->db, "PRAGMA user_version");
    int64_t tables = query_int(u->db, "SELECT count(*) FROM sqlite_schema");
    if (application == 0 && version == 0 && tables == 0) {
        if (sqlite3_exec(u->db, SCHEMA, NULL, NULL, NULL) != SQLITE_OK) {
            return users_err(u, "create");
        }
        version = 1;
    } else if (application != APPLICATION_ID || version < 1 || version > SCHEMA_VERSION) {
        log_error("users database: not ours, or of another version (%lld)", (long long)version);
        return ERR_CORRUPT;
    }
    for (; version < SCHEMA_VERSION; version++) {
        if (sqlite3_exec(u->db, STEPS[version], NULL, NULL, NULL) != SQLITE_OK) {
            return users_err(u, "a step of the schema");
        }
    }
    return ERR_OK;
}

enum err users_begin(struct users *u)
{
    int rc = sqlite3_exec(u->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : users_err(u, "begin");
}

enum err users_end(struct users *u, enum err e)
{
    const char *end = e == ERR_OK ? "COMMIT" : "ROLLBACK";
    if (sqlite3_exec(u->db, end, NULL, NULL, NULL) != SQLITE_OK && e == ERR_OK) {
        e = users_err(u, "commit");
        (void)sqlite3_exec(u->db, "ROLLBACK", NULL, NULL, NULL);
    }
    u->own_changes++;
    return e;
}

static enum err make_schema(struct users *u)
{
    TRY(users_begin(u));
    return users_end(u, take_steps(u));
}

static enum err read_site_key(struct users *u)
{
    sqlite3_stmt *s = NULL;
    enum err e = ERR_CORRUPT;
    if (sqlite3_prepare_v2(u->db, "SELECT site_key FROM site", -1, &s, NULL) == SQLITE_OK
        && sqlite3_step(s) == SQLITE_ROW && sqlite3_column_bytes(s, 0) == SITE_KEY_SIZE) {
        memcpy(u->site_key, sqlite3_column_blob(s, 0), SITE_KEY_SIZE);
        e = ERR_OK;
    }
    (void)sqlite3_finalize(s);
    return e;
}

static enum err open_database(struct users *u, const char *path)
{
    TRY(make_file(path));
    if (sqlite3_open_v2(path, &u->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL)
        != SQLITE_OK) {
        return users_err(u, "open");
    }
    (void)sqlite3_busy_timeout(u->db, BUSY_TIMEOUT_MS);
    if (sqlite3_exec(u->db,
                     "PRAGMA trusted_schema=OFF; PRAGMA journal_mode=DELETE;"
                     " PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY",
                     NULL, NULL, NULL)
        != SQLITE_OK) {
        return users_err(u, "prepare");
    }
    if (query_int(u->db, "PRAGMA application_id") != APPLICATION_ID
        || query_int(u->db, "PRAGMA user_version") != SCHEMA_VERSION) {
        TRY(make_schema(u));
    }
    for (size_t i = 0; i < USERS_STATEMENT_COUNT; i++) {
        if (sqlite3_prepare_v3(u->db, SQL[i], -1, SQLITE_PREPARE_PERSISTENT, &u->statements[i],
                               NULL)
            != SQLITE_OK) {
            return users_err(u, "prepare");
        }
    }
    return read_site_key(u);
}

enum err users_open(const char *path, struct users **out)
{
    struct users *u = calloc(1, sizeof(*u));
    if (u == NULL) {
        abort();
    }
    enum err e = open_database(u, path);
    if (e != ERR_OK) {
        users_close(&u);
        return e;
    }
    *out = u;
    return ERR_OK;
}

void users_close(struct users **u)
{
    struct users *dead = *u;
    *u = NULL;
    if (dead == NULL) {
        return;
    }
    for (size_t i = 0; i < USERS_STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(dead->statements[i]);
    }
    (void)sqlite3_close(dead->db);
    explicit_bzero(dead, sizeof(*dead));
    free(dead);
}

static void bind_name(sqlite3_stmt *s, struct str name)
{
    (void)sqlite3_bind_text(s, 1, name.p, (int)name.n, SQLITE_STATIC);
}

static void bind_verifier(sqlite3_stmt *s, const struct verifier *v)
{
    (void)sqlite3_bind_text(s, 3, v->argon2, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob(s, 4, v->scram_salt, SCRAM_SALT_SIZE, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 5, v->scram_iterations);
    (void)sqlite3_bind_blob(s, 6, v->scram_stored_key, SCRAM_KEY_SIZE, SQLITE_STATIC);
    (void)sqlite3_bind_blob(s, 7, v->scram_server_key, SCRAM_KEY_SIZE, SQLITE_STATIC);
}

enum err users_run_change(struct users *u, sqlite3_stmt *s, const char *what)
{
    int rc = sqlite3_step(s);
    enum err e = rc == SQLITE_DONE ? ERR_OK : users_err(u, what);
    if (e == ERR_OK && sqlite3_changes(u->db) == 0) {
        e = ERR_NOT_FOUND;
    }
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    u->own_changes++;
    return e;
}

enum err users_add(struct users *u, struct str name, enum user_kind kind, const struct verifier *v)
{
    sqlite3_stmt *s = u->statements[USERS_ADD];
    bind_name(s, name);
    (void)sqlite3_bind_int(s, 2, (int)kind);
    bind_verifier(s, v);
    return users_run_change(u, s, "add");
}

enum err users_set(struct users *u, struct str name, const struct verifier *v)
{
    sqlite3_stmt *s = u->statements[USERS_SET];
    bind_name(s, name);
    bind_verifier(s, v);
    return users_run_change(u, s, "set");
}

enum err users_delete(struct users *u, struct str name)
{
    sqlite3_stmt *rights = u->statements[SENDER_REMOVE];
    sqlite3_stmt *s = u->statements[USERS_DELETE];
    TRY(users_begin(u));
    bind_name(rights, name);
    enum err e = users_run_change(u, rights, "delete addresses");
    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        bind_name(s, name);
        e = users_run_change(u, s, "delete");
    }
    return users_end(u, e);
}

static bool read_blob(sqlite3_stmt *s, int column, uint8_t *out, int size)
{
    if (sqlite3_column_bytes(s, column) != size) {
        return false;
    }
    memcpy(out, sqlite3_column_blob(s, column), (size_t)size);
    return true;
}

/* The row of FIND; every field is checked, for the file may have been edited. */
static enum err read_verifier(sqlite3_stmt *s, struct verifier *out)
{
    int64_t iterations = sqlite3_column_int64(s, 3);
    int argon2_size = sqlite3_column_bytes(s, 1);
    struct verifier v = {.scram_iterations = (uint32_t)iterations};
    if (argon2_size >= ARGON2_MOST || iterations < SCRAM_ITERATIONS_LEAST
        || iterations > SCRAM_ITERATIONS_MOST || !read_blob(s, 2, v.scram_salt, SCRAM_SALT_SIZE)
        || !read_blob(s, 4, v.scram_stored_key, SCRAM_KEY_SIZE)
        || !read_blob(s, 5, v.scram_server_key, SCRAM_KEY_SIZE)) {
        return ERR_CORRUPT;
    }
    memcpy(v.argon2, sqlite3_column_text(s, 1), (size_t)argon2_size);
    *out = v;
    return ERR_OK;
}

enum err users_find(struct users *u, struct str name, struct verifier *out, enum user_kind *kind)
{
    sqlite3_stmt *s = u->statements[USERS_FIND];
    bind_name(s, name);
    int rc = sqlite3_step(s);
    enum err e = rc == SQLITE_ROW    ? ERR_OK
                 : rc == SQLITE_DONE ? ERR_NOT_FOUND
                                     : users_err(u, "find");
    if (e == ERR_OK && out != NULL) {
        e = read_verifier(s, out);
    }
    if (e == ERR_OK && kind != NULL) {
        *kind = sqlite3_column_int(s, 0) == USER_PERSON ? USER_PERSON : USER_ENTITY;
    }
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    return e;
}

enum err users_list(struct users *u,
                    void (*on_user)(void *owner, struct str name, enum user_kind kind), void *owner)
{
    sqlite3_stmt *s = u->statements[USERS_LIST];
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct str name =
            str_make((const char *)sqlite3_column_text(s, 0), (size_t)sqlite3_column_bytes(s, 0));
        on_user(owner, name, sqlite3_column_int(s, 1) == USER_PERSON ? USER_PERSON : USER_ENTITY);
    }
    enum err e = rc == SQLITE_DONE ? ERR_OK : users_err(u, "list");
    (void)sqlite3_reset(s);
    return e;
}

uint64_t users_get_version(struct users *u)
{
    sqlite3_stmt *s = u->statements[USERS_DATA_VERSION];
    uint64_t version = 0;
    if (sqlite3_step(s) == SQLITE_ROW) {
        version = ((uint64_t)sqlite3_column_int64(s, 0) << 32) | (u->own_changes & 0xffffffffU);
    }
    (void)sqlite3_reset(s);
    return version;
}

void users_get_site_key(const struct users *u, uint8_t out[SITE_KEY_SIZE])
{
    memcpy(out, u->site_key, SITE_KEY_SIZE);
}
