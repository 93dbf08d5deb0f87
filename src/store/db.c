/* The database of an account: schema, statements, errors.
 *
 *     meta          key, value           settings of the account, see account.c
 *     mailbox       id, name, ...        one row a mailbox
 *     keyword       mailbox, bit, name   what flag bits 8..63 mean in a mailbox
 *     page_hot      id, columns          page.c has the byte tables; id = mailbox << 24 | page number
 *     page_cold     id, columns
 *     expunged      mailbox, modseq, uids   which UIDs went at which modseq; expunged.c has the byte table
 *     body          id, size, refs, is_blob
 *     body_octets   id, octets           bodies that are no blobs
 *     shape         id, shape            mime/shape.h; a table of its own, so that lists read nothing else
 *     release       seq, mailbox, delta, bodies   reference changes still to be applied, see release.c
 *     subscription  name
 *     urlauth       mailbox, access_key
 *     acl           mailbox, identifier, rights   see acl.c
 *     grantor       owner                whose mailboxes the account's user was given rights to
 *     annotation    mailbox, owner, name, modseq, value   see annotations.c
 *     script        name, is_active, text   Sieve scripts, see script.c
 *     outbox        id, token, kind, ...   what the account sends, see outbox.c
 *     seen          kind, key, expires_s   what it remembers for a while, see seen.c
 *
 * The text index (textindex.c) is a second database with a handle of its own:
 *
 *     meta     key, value     mark, count, rules
 *     trigram  (FTS5)         rowid = body id
 *     term     (FTS5)         the trigrams there are
 *     partial  id             bodies whose text is not indexed, or not all of it
 *
 * The account's database is in WAL mode and never checkpoints by itself: a checkpoint inside a commit would make one unlucky append
 * pay for a thousand. The store checkpoints when nothing else is to be done (store_tick). */
#include "store/db.h"

#include "base/log.h"

#include <assert.h>

struct db {
    struct engine *engine; /* borrowed */
    sqlite3 *handle;
    char *user;
    uint32_t log_pages;
    bool is_durable;
    bool was_closed;
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

static const char *const SQL[STATEMENT_COUNT] = {
#define STATEMENT(name, sql) [STATEMENT_##name] = sql,
#include "store/statements.def"
#undef STATEMENT
};

/* Step i brings a database from version i to i + 1. A step that was released is never changed: append one. */
static const char *const SCHEMA[] = {
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE mailbox (id INTEGER PRIMARY KEY, name TEXT NOT NULL, special_use INTEGER NOT "
    "NULL,"
    " uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL, highestmodseq INTEGER NOT NULL,"
    " first_recent INTEGER NOT NULL, next_page INTEGER NOT NULL);"
    "CREATE TABLE keyword (mailbox INTEGER NOT NULL, bit INTEGER NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY (mailbox, bit)) WITHOUT ROWID;"
    "CREATE TABLE page_hot (id INTEGER PRIMARY KEY, columns BLOB NOT NULL);"
    "CREATE TABLE page_cold (id INTEGER PRIMARY KEY, columns BLOB NOT NULL);"
    "CREATE TABLE expunged (mailbox INTEGER NOT NULL, modseq INTEGER NOT NULL, uids BLOB NOT NULL,"
    " PRIMARY KEY (mailbox, modseq)) WITHOUT ROWID;"
    "CREATE TABLE body (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, refs INTEGER NOT NULL,"
    " is_blob INTEGER NOT NULL);"
    "CREATE TABLE body_octets (id INTEGER PRIMARY KEY, octets BLOB NOT NULL);"
    "CREATE TABLE shape (id INTEGER PRIMARY KEY, shape BLOB NOT NULL);"
    "CREATE TABLE release (seq INTEGER PRIMARY KEY, mailbox INTEGER NOT NULL, delta INTEGER NOT "
    "NULL,"
    " bodies BLOB NOT NULL);"
    "CREATE TABLE subscription (name TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE urlauth (mailbox INTEGER PRIMARY KEY, access_key BLOB NOT NULL);"
    "PRAGMA application_id = 0x4c696d65;",

    "INSERT INTO meta (key, value) VALUES ('object_seed', random() & 0x7fffffffffffffff);",
    "CREATE TABLE acl (mailbox INTEGER NOT NULL, identifier TEXT NOT NULL, rights INTEGER NOT NULL,"
    " PRIMARY KEY (mailbox, identifier)) WITHOUT ROWID;"
    "CREATE TABLE grantor (owner TEXT PRIMARY KEY) WITHOUT ROWID;",

    "CREATE TABLE annotation (id INTEGER PRIMARY KEY, mailbox INTEGER NOT NULL, owner TEXT NOT "
    "NULL,"
    " name TEXT NOT NULL COLLATE NOCASE, modseq INTEGER NOT NULL, value BLOB);"
    "CREATE UNIQUE INDEX annotation_name ON annotation (mailbox, owner, name);"
    "CREATE INDEX annotation_modseq ON annotation (modseq);",

    "CREATE TABLE origin (body INTEGER PRIMARY KEY, email TEXT NOT NULL);",

    "CREATE TABLE script (name TEXT PRIMARY KEY, is_active INTEGER NOT NULL, text BLOB NOT NULL);",

    "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL,"
    " kind INTEGER NOT NULL, due_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, head BLOB NOT NULL, text BLOB NOT NULL, body INTEGER NOT NULL,"
    " skip INTEGER NOT NULL);"
    "CREATE TABLE seen (kind INTEGER NOT NULL, key BLOB NOT NULL, expires_s INTEGER NOT NULL,"
    " PRIMARY KEY (kind, key)) WITHOUT ROWID;"
    "CREATE INDEX seen_expires ON seen (kind, expires_s);",
};

/* The index has no versions: what is out of date is made again. No contents, no positions, no sizes are kept: it only names
 * candidates. */
static const char *const INDEX_SCHEMA[] = {
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE partial (id INTEGER PRIMARY KEY);"
    "CREATE VIRTUAL TABLE trigram USING fts5 (text, content='', columnsize=0, detail=none,"
    " tokenize='trigram case_sensitive 1');"
    "INSERT INTO trigram (trigram, rank) VALUES ('automerge', 0);"
    "CREATE VIRTUAL TABLE term USING fts5vocab (trigram, 'row');",
};

/* What differs between the two kinds of database. */
struct db_kind {
    const char *name;
    const char *const *schema;
    int version;
    const char *pragmas;
    bool has_log_hook; /* checkpoints are made by db_checkpoint() only */
    bool keeps_log;    /* closing makes none */
};

#define COMMON_PRAGMAS                                                                             \
    "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-1024; PRAGMA journal_mode=WAL;"                 \
    "PRAGMA temp_store=MEMORY;"

static const struct db_kind ACCOUNT_KIND = {
    .name = "account.db",
    .schema = SCHEMA,
    .version = sizeof(SCHEMA) / sizeof(SCHEMA[0]),
    .pragmas = COMMON_PRAGMAS "PRAGMA secure_delete=FAST; PRAGMA synchronous=FULL",
    .has_log_hook = true,
};

/* Syncs at its checkpoints only, every 4 MB: a power cut takes the last commits and no more. A new message costs no sync more than it
 * did without an index. */
static const struct db_kind INDEX_KIND = {
    .name = "index.db",
    .schema = INDEX_SCHEMA,
    .version = sizeof(INDEX_SCHEMA) / sizeof(INDEX_SCHEMA[0]),
    .pragmas = COMMON_PRAGMAS "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=1000",
    .keeps_log = true,
};

/* ---- errors ---- */

/* Never ERR_OK. */
static enum err err_from_sqlite(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    default:
        return ERR_IO;
    }
}

static enum err fail(const struct db *db, int rc, const char *what)
{
    log_error("store: %s: %s: %s", db->user, what, sqlite3_errmsg(db->handle));
    bool is_full = (rc & 0xff) == SQLITE_IOERR
                   && err_from_errno(sqlite3_system_errno(db->handle)) == ERR_NO_SPACE;
    return is_full ? ERR_NO_SPACE : err_from_sqlite(rc);
}

static enum err execute(struct db *db, const char *sql)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : fail(db, rc, "execute");
}

/* ---- open and close ---- */

/* After each commit SQLite says how long the log is; it must not checkpoint then. */
static int on_log(void *owner, sqlite3 *handle, const char *name, int pages)
{
    struct db *db = owner;
    (void)handle;
    (void)name;
    db->log_pages = (uint32_t)pages;
    return SQLITE_OK;
}

static enum err read_version(struct db *db, int *version)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA user_version", -1, &s, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(s);
    }
    if (rc != SQLITE_ROW) {
        enum err result = fail(db, rc, "version");
        (void)sqlite3_finalize(s);
        return result;
    }
    *version = sqlite3_column_int(s, 0);
    (void)sqlite3_finalize(s);
    return ERR_OK;
}

/* All steps or none: another program may open what is there at any moment. */
static enum err upgrade(struct db *db, const struct db_kind *kind, int version)
{
    TRY(execute(db, "BEGIN IMMEDIATE"));
    enum err result = ERR_OK;
    for (int i = version; i < kind->version && result == ERR_OK; i++) {
        result = execute(db, kind->schema[i]);
    }
    if (result == ERR_OK) {
        char sql[64];
        (void)snprintf(sql, sizeof(sql), "PRAGMA user_version = %d; COMMIT", kind->version);
        result = execute(db, sql);
    }
    if (result != ERR_OK) {
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    }
    return result;
}

static enum err prepare_database(struct db *db, const struct db_kind *kind, bool must_create)
{
    (void)sqlite3_busy_timeout(db->handle, 2000);
    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, kind->keeps_log, NULL);
    TRY(execute(db, kind->pragmas));
    db->is_durable = true;
    if (kind->has_log_hook) {
        (void)sqlite3_wal_hook(db->handle, on_log, db);
    }
    int version = 0;
    TRY(read_version(db, &version));
    if (version == 0 && !must_create) {
        return ERR_NOT_FOUND;
    }
    if (version < 0 || version > kind->version) {
        log_error("store: %s: %s has version %d, this program knows %d", db->user, kind->name,
                  version, kind->version);
        return ERR_CORRUPT;
    }
    return version == kind->version ? ERR_OK : upgrade(db, kind, version);
}

static struct db *db_new(struct engine *e, struct str user, sqlite3 *handle)
{
    struct db *db = calloc(1, sizeof(*db));
    char *name = strndup(user.p, user.n);
    if (db == NULL || name == NULL) {
        abort();
    }
    db->engine = e;
    db->handle = handle;
    db->user = name;
    return db;
}

enum err db_open(struct engine *e, struct str user, bool must_create, struct db **out)
{
    sqlite3 *handle;
    bool was_closed = engine_is_closed(e);
    TRY(engine_open_database(e, must_create, &handle));
    struct db *db = db_new(e, user, handle);
    db->was_closed = was_closed;
    enum err result = prepare_database(db, &ACCOUNT_KIND, must_create);
    if (result != ERR_OK) {
        db_close(&db);
        return result;
    }
    *out = db;
    return ERR_OK;
}

enum err db_open_index(struct engine *e, struct str user, struct db **out)
{
    sqlite3 *handle;
    TRY(engine_open_index(e, &handle));
    struct db *db = db_new(e, user, handle);
    enum err result = prepare_database(db, &INDEX_KIND, true);
    if (result != ERR_OK) {
        db_close(&db);
        return result;
    }
    *out = db;
    return ERR_OK;
}

bool db_was_closed(const struct db *db)
{
    return db->was_closed;
}

void db_close(struct db **db)
{
    if (*db == NULL) {
        return;
    }
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize((*db)->statements[i]);
    }
    (void)sqlite3_close((*db)->handle);
    free((*db)->user);
    free(*db);
    *db = NULL;
}

/* ---- statements ---- */

static int bind(sqlite3_stmt *s, int at, const struct value *v)
{
    switch (v->kind) {
    case VALUE_INT:
        return sqlite3_bind_int64(s, at, v->i);
    case VALUE_TEXT:
        return sqlite3_bind_text64(s, at, v->s.n > 0 ? v->s.p : "", v->s.n, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case VALUE_BLOB:
        return sqlite3_bind_blob64(s, at, v->s.n > 0 ? v->s.p : "", v->s.n, SQLITE_STATIC);
    case VALUE_END:
    default:
        return SQLITE_MISUSE;
    }
}

enum err db_query(struct db *db, enum statement s, const struct value *values, struct rows *out)
{
    sqlite3_stmt **at = &db->statements[s];
    int rc = SQLITE_OK;
    if (*at == NULL) {
        rc = sqlite3_prepare_v3(db->handle, SQL[s], -1, SQLITE_PREPARE_PERSISTENT, at, NULL);
    }
    for (int i = 0; rc == SQLITE_OK && values[i].kind != VALUE_END; i++) {
        rc = bind(*at, i + 1, &values[i]);
    }
    if (rc != SQLITE_OK) {
        return fail(db, rc, SQL[s]);
    }
    *out = (struct rows){db, *at};
    return ERR_OK;
}

void db_end(struct rows *rows)
{
    (void)sqlite3_reset(rows->at);
    (void)sqlite3_clear_bindings(rows->at);
}

enum err db_next(struct rows *rows, bool *has_row)
{
    int rc = sqlite3_step(rows->at);
    *has_row = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW) {
        return ERR_OK;
    }
    enum err result = rc == SQLITE_DONE ? ERR_OK : fail(rows->db, rc, sqlite3_sql(rows->at));
    db_end(rows);
    return result;
}

enum err db_run(struct db *db, enum statement s, const struct value *values)
{
    struct rows rows = {0};
    TRY(db_query(db, s, values, &rows));
    bool has_row;
    TRY(db_next(&rows, &has_row));
    assert(!has_row);
    return ERR_OK;
}

int64_t row_int(const struct rows *rows, int column)
{
    return sqlite3_column_int64(rows->at, column);
}

uint64_t row_id(const struct rows *rows, int column)
{
    return (uint64_t)sqlite3_column_int64(rows->at, column);
}

struct str row_str(const struct rows *rows, int column)
{
    const char *p = sqlite3_column_blob(rows->at, column);
    return str_make(p, (size_t)sqlite3_column_bytes(rows->at, column));
}

enum err db_get(struct db *db, enum statement s, const struct value *values, uint64_t *out)
{
    struct rows rows;
    bool has_row;
    TRY(db_query(db, s, values, &rows));
    TRY(db_next(&rows, &has_row));
    *out = has_row ? row_id(&rows, 0) : 0;
    if (has_row) {
        db_end(&rows);
    }
    return ERR_OK;
}

/* ---- durability ---- */

enum err db_set_durable(struct db *db, bool is_durable)
{
    if (db->is_durable == is_durable) {
        return ERR_OK;
    }
    /* This pragma acts while it is compiled, so it cannot be kept prepared. */
    TRY(execute(db, is_durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
    db->is_durable = is_durable;
    return ERR_OK;
}

void db_rollback(struct db *db)
{
    if (sqlite3_get_autocommit(db->handle) == 0) {
        err_ignore(execute(db, "ROLLBACK"));
    }
}

enum err db_sync(struct db *db)
{
    return engine_sync_database(db->engine, db->handle);
}

uint32_t db_get_log_pages(const struct db *db)
{
    return db->log_pages;
}

enum err db_checkpoint(struct db *db)
{
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK) {
        return fail(db, rc, "checkpoint");
    }
    db->log_pages = 0;
    return ERR_OK;
}

void db_shrink(struct db *db)
{
    (void)sqlite3_db_release_memory(db->handle);
}

enum err db_verify(struct db *db, void (*on_problem)(void *owner, const char *line), void *owner)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA integrity_check(20)", -1, &s, NULL);
    bool is_good = true;
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(s);
        const char *line = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
        if (line != NULL && !str_eq(str_from_c(line), STR("ok"))) {
            is_good = false;
            on_problem(owner, line);
        }
    }
    enum err result = rc == SQLITE_DONE ? ERR_OK : fail(db, rc, "integrity_check");
    (void)sqlite3_finalize(s);
    return result == ERR_OK && !is_good ? ERR_CORRUPT : result;
}
