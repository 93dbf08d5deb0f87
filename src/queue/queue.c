/* What we have answered 250 for is ours: it must survive kill -9 and power loss until somebody else has said 250, or the
 * sender has been told (RFC 5321, 6.1). The queue is a database of envelopes and small bodies, and blobs for large
 * bodies:
 *
 *     queue_dir/queue.db        message and recipient rows (below)
 *     queue_dir/blobs/<name>    bodies above the inline bound; the name is 32 random hex digits
 *
 *     message    id, arrived_ms, expires_ms, return_path, envid, ret, kind, size, sender, blob (name or NULL),
 *                body (octets or NULL), and the sender's terms: is_utf8, release_ms, by_mode (0 none, 1 return, 2 notify),
 *                by_ms, by_trace, priority, tls_required, tls_optional, release_request
 *     recipient  id, message_id, address, user ('' foreign), orcpt, notify, attempts, next_ms, is_delay_told, last_reply
 *     token      name, expires_ms: what outboxes have handed over (queue_add)
 *
 * Group commit: every change of a loop turn lands in one transaction, and everyone who waits hears after it. A blob's
 * folder is synced before the commit that names it, and a blob is unlinked after the commit that forgot it; what a crash
 * leaves between the two is swept at the next start. WAL with synchronous=FULL: a committed transaction is on disk.
 *
 * One process owns the queue, held by a lock on the database for as long as it is open. */
#include "queue/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

enum { PATH_CAP = 4096 };

enum statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_ADD_MESSAGE,
    ST_ADD_RECIPIENT,
    ST_UPDATE,
    ST_SET_USER,
    ST_HURRY_LOCAL,
    ST_REMOVE_RECIPIENT,
    ST_COUNT_LEFT,
    ST_GET_BLOB,
    ST_REMOVE_MESSAGE,
    ST_FIND_DUE,
    ST_NEXT_MS,
    ST_LOAD_MESSAGE,
    ST_LOAD_RECIPIENTS,
    ST_READ,
    ST_COUNT,
    ST_HAS_BLOB,
    ST_ADD_TOKEN,
    ST_FORGET_TOKENS,
    STATEMENT_COUNT
};

static const char *const statement_texts[STATEMENT_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_ADD_MESSAGE] = "INSERT INTO message(arrived_ms, expires_ms, return_path, envid, ret, kind, "
                       "size, sender, blob, body, is_utf8, release_ms, by_mode, by_ms, by_trace, "
                       "priority, tls_required, tls_optional, release_request) "
                       "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [ST_ADD_RECIPIENT] = "INSERT INTO recipient(message_id, address, user, orcpt, notify, next_ms) "
                         "VALUES (?,?,?,?,?,?)",
    [ST_UPDATE] = "UPDATE recipient SET attempts=?, next_ms=?, is_delay_told=?, last_reply=? "
                  "WHERE id=?",
    [ST_SET_USER] = "UPDATE recipient SET user=? WHERE id=?",
    [ST_HURRY_LOCAL] = "UPDATE recipient SET next_ms=? WHERE user<>x'' AND next_ms>?1",
    [ST_REMOVE_RECIPIENT] = "DELETE FROM recipient WHERE id=? AND message_id=?",
    [ST_COUNT_LEFT] = "SELECT count(*) FROM recipient WHERE message_id=?",
    [ST_GET_BLOB] = "SELECT blob FROM message WHERE id=?",
    [ST_REMOVE_MESSAGE] = "DELETE FROM message WHERE id=?",
    [ST_FIND_DUE] = "SELECT message_id, id FROM recipient WHERE next_ms<=? "
                    "AND (user<>x'')=? ORDER BY message_id, id LIMIT ?",
    [ST_NEXT_MS] = "SELECT min(next_ms) FROM recipient WHERE next_ms>?",
    [ST_LOAD_MESSAGE] = "SELECT arrived_ms, expires_ms, return_path, envid, ret, kind, size, "
                        "sender, is_utf8, release_ms, by_mode, by_ms, by_trace, priority, "
                        "tls_required, tls_optional, release_request FROM message WHERE id=?",
    [ST_LOAD_RECIPIENTS] =
        "SELECT id, address, user, orcpt, notify, attempts, next_ms, "
        "is_delay_told, last_reply FROM recipient WHERE message_id=? ORDER BY id",
    [ST_READ] = "SELECT blob, body FROM message WHERE id=?",
    [ST_COUNT] = "SELECT count(*) FROM message",
    [ST_HAS_BLOB] = "SELECT 1 FROM message WHERE blob=?",
    [ST_ADD_TOKEN] = "INSERT OR IGNORE INTO token(name, expires_ms) VALUES (?,?)",
    [ST_FORGET_TOKENS] = "DELETE FROM token WHERE expires_ms<=?",
};

/* Step i makes version i + 1 of the database; append, and never change one. (Files of version 1 were made in one go, hence
 * "IF NOT EXISTS".) */
static const char *const schema[] = {
    "CREATE TABLE IF NOT EXISTS message(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " arrived_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, return_path BLOB NOT NULL,"
    " envid BLOB NOT NULL, ret INTEGER NOT NULL, kind INTEGER NOT NULL, size INTEGER NOT NULL,"
    " sender BLOB NOT NULL, blob TEXT UNIQUE, body BLOB);"
    "CREATE TABLE IF NOT EXISTS recipient(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " message_id INTEGER NOT NULL REFERENCES message(id), address BLOB NOT NULL,"
    " user BLOB NOT NULL, orcpt BLOB NOT NULL, notify INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0, next_ms INTEGER NOT NULL,"
    " is_delay_told INTEGER NOT NULL DEFAULT 0, last_reply BLOB NOT NULL DEFAULT x'');"
    "CREATE INDEX IF NOT EXISTS recipient_due ON recipient(next_ms);"
    "CREATE INDEX IF NOT EXISTS recipient_message ON recipient(message_id);",
    "ALTER TABLE message ADD COLUMN is_utf8 INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN release_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN by_mode INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN by_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN by_trace INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN tls_required INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN tls_optional INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN release_request BLOB NOT NULL DEFAULT x'';",
    "CREATE TABLE token(name BLOB PRIMARY KEY, expires_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX token_expires ON token(expires_ms);",
};
enum { SCHEMA_VERSION = sizeof(schema) / sizeof(schema[0]) };

struct blob_name {
    char c[SPOOL_NAME_SIZE + 1];
};

struct queue {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct buf blobs_dir;
    bool is_open; /* a transaction is open */
    bool has_new_blob;
    enum err failure;              /* of a pending change: the transaction cannot be whole */
    VEC(struct blob_name) added;   /* to unlink when the transaction fails */
    VEC(struct blob_name) removed; /* to unlink when it succeeds */
    struct list waits;
};

static enum err from_sqlite(struct queue *q, int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE) {
        return ERR_OK;
    }
    log_error("queue: %s", q->db != NULL ? sqlite3_errmsg(q->db) : sqlite3_errstr(rc));
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_IN_USE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    default:
        return ERR_IO;
    }
}

/* The statement, reset and ready for binding. */
static sqlite3_stmt *use(struct queue *q, enum statement which)
{
    sqlite3_stmt *st = q->statements[which];
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return st;
}

static enum err run(struct queue *q, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    enum err e = from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

static void bind_str(sqlite3_stmt *st, int at, struct str s)
{
    (void)sqlite3_bind_blob64(st, at, s.n > 0 ? s.p : "", s.n, SQLITE_STATIC);
}

static void bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
    (void)sqlite3_bind_int64(st, at, v > INT64_MAX ? INT64_MAX : (sqlite3_int64)v);
}

static struct str column_str(sqlite3_stmt *st, int at)
{
    const char *p = sqlite3_column_blob(st, at);
    int n = sqlite3_column_bytes(st, at);
    return str_make(p, n > 0 ? (size_t)n : 0);
}

static uint64_t column_u64(sqlite3_stmt *st, int at)
{
    sqlite3_int64 v = sqlite3_column_int64(st, at);
    return v < 0 ? 0 : (uint64_t)v;
}

static void unlink_blob(struct queue *q, const char *name)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_CAP);
    buf_addf(&path, "%.*s/%s", STR_ARG(buf_str(&q->blobs_dir)), name);
    if (unlink(path.p) != 0 && errno != ENOENT) {
        log_warn("queue: cannot remove blob %s", name);
    }
}

/* ---- opening ---- */

/* Removes the blobs that no message names: left by a crash between file and commit. */
static enum err sweep(struct queue *q)
{
    DIR *dir = opendir(q->blobs_dir.p);
    if (dir == NULL) {
        return err_from_errno(errno);
    }
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        if (d->d_name[0] == '.') {
            continue;
        }
        sqlite3_stmt *st = use(q, ST_HAS_BLOB);
        (void)sqlite3_bind_text(st, 1, d->d_name, -1, SQLITE_STATIC);
        int rc = sqlite3_step(st);
        (void)sqlite3_reset(st);
        if (rc == SQLITE_DONE) {
            unlink_blob(q, d->d_name);
        }
    }
    (void)closedir(dir);
    return ERR_OK;
}

static enum err exec(struct queue *q, const char *text)
{
    return from_sqlite(q, sqlite3_exec(q->db, text, NULL, NULL, NULL));
}

static enum err get_version(struct queue *q, int *out)
{
    sqlite3_stmt *st = NULL;
    TRY(from_sqlite(q, sqlite3_prepare_v2(q->db, "PRAGMA user_version", -1, &st, NULL)));
    int rc = sqlite3_step(st);
    *out = rc == SQLITE_ROW ? sqlite3_column_int(st, 0) : 0;
    (void)sqlite3_finalize(st);
    return from_sqlite(q, rc);
}

static enum err take_steps(struct queue *q, int version)
{
    for (int i = version; i < SCHEMA_VERSION; i++) {
        CLEANUP(buf_release) struct buf note = BUF_INIT(64);
        buf_addf(&note, "PRAGMA user_version=%d", i + 1);
        TRY(exec(q, schema[i]));
        TRY(exec(q, note.p));
    }
    return ERR_OK;
}

/* Makes the tables, or brings those of an older file up to date: all of it or nothing. */
static enum err bring_up(struct queue *q)
{
    int version = 0;
    TRY(get_version(q, &version));
    if (version > SCHEMA_VERSION) {
        log_error("queue: made by a newer version of this server");
        return ERR_CORRUPT;
    }
    if (version == SCHEMA_VERSION) {
        return ERR_OK;
    }
    TRY(exec(q, "BEGIN IMMEDIATE"));
    TRY(take_steps(q, version < 0 ? 0 : version));
    return exec(q, "COMMIT");
}

static enum err open_db(struct queue *q, struct str dir)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_CAP);
    buf_addf(&path, "%.*s/queue.db", STR_ARG(dir));
    TRY(buf_err(&path));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    TRY(from_sqlite(q, sqlite3_open_v2(path.p, &q->db, flags, NULL)));
    (void)sqlite3_extended_result_codes(q->db, 1);
    TRY(exec(q, "PRAGMA locking_mode=EXCLUSIVE"));
    TRY(exec(q, "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL"));
    TRY(bring_up(q));
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        TRY(from_sqlite(q, sqlite3_prepare_v3(q->db, statement_texts[i], -1,
                                              SQLITE_PREPARE_PERSISTENT, &q->statements[i], NULL)));
    }
    return ERR_OK;
}

enum err queue_open(struct str dir, struct queue **out)
{
    struct queue *q = mem_new(sizeof(*q));
    list_init(&q->waits);
    buf_init(&q->blobs_dir, PATH_CAP);
    buf_addf(&q->blobs_dir, "%.*s/blobs", STR_ARG(dir));
    enum err e = buf_err(&q->blobs_dir);
    if (e == ERR_OK && mkdir(q->blobs_dir.p, 0700) != 0 && errno != EEXIST) {
        e = err_from_errno(errno);
    }
    e = e == ERR_OK ? open_db(q, dir) : e;
    e = e == ERR_OK ? sweep(q) : e;
    if (e != ERR_OK) {
        queue_close(&q);
        return e;
    }
    *out = q;
    return ERR_OK;
}

static void forget(struct queue *q, bool is_committed)
{
    for (size_t i = 0; is_committed && i < q->removed.count; i++) {
        unlink_blob(q, q->removed.at[i].c);
    }
    for (size_t i = 0; !is_committed && i < q->added.count; i++) {
        unlink_blob(q, q->added.at[i].c);
    }
    vec_clear(&q->removed);
    vec_clear(&q->added);
    q->has_new_blob = false;
    q->failure = ERR_OK;
    q->is_open = false;
}

void queue_close(struct queue **q)
{
    if (*q == NULL) {
        return;
    }
    struct queue *gone = *q;
    *q = NULL;
    if (gone->is_open) {
        (void)run(gone, use(gone, ST_ROLLBACK));
        forget(gone, false);
    }
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(gone->statements[i]);
    }
    (void)sqlite3_close(gone->db);
    vec_release(&gone->removed);
    vec_release(&gone->added);
    buf_release(&gone->blobs_dir);
    free(gone);
}

struct spool *queue_spool_new(const struct queue *q, uint64_t most)
{
    return spool_new(buf_str(&q->blobs_dir), most);
}

/* ---- changing ---- */

/* Keeps the first failure of a change: with it the transaction is not committed, and takes no more changes (SQLite may
 * have rolled it back already, and would commit each of them by itself). What failed before there was a transaction does
 * no harm to the next one. */
static enum err note(struct queue *q, enum err e)
{
    if (e != ERR_OK && q->is_open && q->failure == ERR_OK) {
        q->failure = e;
    }
    return e;
}

static enum err begin(struct queue *q)
{
    if (q->is_open) {
        return q->failure;
    }
    TRY(run(q, use(q, ST_BEGIN)));
    q->is_open = true;
    return ERR_OK;
}

static struct blob_name blob_name_make(struct str name)
{
    struct blob_name b = {{0}};
    memcpy(b.c, name.p, name.n < SPOOL_NAME_SIZE ? name.n : SPOOL_NAME_SIZE);
    return b;
}

static void bind_terms(sqlite3_stmt *st, int at, const struct mail_terms *t)
{
    bind_u64(st, at, t->is_utf8);
    bind_u64(st, at + 1, t->release_ms);
    bind_u64(st, at + 2, t->by);
    bind_u64(st, at + 3, t->deliver_by_ms);
    bind_u64(st, at + 4, t->is_by_traced);
    (void)sqlite3_bind_int(st, at + 5, t->priority);
    bind_u64(st, at + 6, t->is_tls_required);
    bind_u64(st, at + 7, t->is_tls_optional);
    bind_str(st, at + 8, t->release_request);
}

static struct mail_terms column_terms(sqlite3_stmt *st, struct arena *a, int at)
{
    return (struct mail_terms){
        .is_utf8 = column_u64(st, at) != 0,
        .release_ms = column_u64(st, at + 1),
        .by = (enum smtp_by)column_u64(st, at + 2),
        .deliver_by_ms = column_u64(st, at + 3),
        .is_by_traced = column_u64(st, at + 4) != 0,
        .priority = (int8_t)sqlite3_column_int(st, at + 5),
        .is_tls_required = column_u64(st, at + 6) != 0,
        .is_tls_optional = column_u64(st, at + 7) != 0,
        .release_request = arena_str(a, column_str(st, at + 8)),
    };
}

static enum err add_message(struct queue *q, struct queue_message *m, struct spool *s)
{
    m->size = spool_get_size(s);
    m->kind = content_get_kind(spool_get_scan(s));
    struct str name = spool_get_name(s);
    sqlite3_stmt *st = use(q, ST_ADD_MESSAGE);
    bind_u64(st, 1, m->arrived_ms);
    bind_u64(st, 2, m->expires_ms);
    bind_str(st, 3, m->return_path);
    bind_str(st, 4, m->envid);
    bind_u64(st, 5, m->ret);
    bind_u64(st, 6, m->kind);
    bind_u64(st, 7, m->size);
    bind_str(st, 8, m->sender);
    if (name.n > 0) {
        (void)sqlite3_bind_text(st, 9, name.p, (int)name.n, SQLITE_STATIC);
    } else {
        bind_str(st, 10, spool_get_inline(s));
    }
    bind_terms(st, 11, &m->terms);
    TRY(run(q, st));
    m->id = (uint64_t)sqlite3_last_insert_rowid(q->db);
    return ERR_OK;
}

static enum err add_recipient(struct queue *q, uint64_t message_id, struct queue_recipient *r)
{
    sqlite3_stmt *st = use(q, ST_ADD_RECIPIENT);
    bind_u64(st, 1, message_id);
    bind_str(st, 2, r->to.address);
    bind_str(st, 3, r->to.user);
    bind_str(st, 4, r->to.orcpt);
    bind_u64(st, 5, r->to.notify);
    bind_u64(st, 6, r->next_ms);
    TRY(run(q, st));
    r->id = (uint64_t)sqlite3_last_insert_rowid(q->db);
    return ERR_OK;
}

/* Notes the token; *is_new: it was not there. */
static enum err add_token(struct queue *q, const struct queue_message *m, bool *is_new)
{
    sqlite3_stmt *st = use(q, ST_FORGET_TOKENS);
    bind_u64(st, 1, m->arrived_ms);
    TRY(run(q, st));
    st = use(q, ST_ADD_TOKEN);
    bind_str(st, 1, m->token);
    bind_u64(st, 2, m->arrived_ms + QUEUE_TOKEN_LIFETIME_MS);
    TRY(run(q, st));
    *is_new = sqlite3_changes(q->db) > 0;
    return ERR_OK;
}

static enum err add(struct queue *q, struct queue_message *m, struct spool *s)
{
    bool is_new = true;
    m->id = 0;
    TRY(begin(q));
    if (m->token.n > 0) {
        TRY(add_token(q, m, &is_new));
    }
    if (!is_new) {
        return ERR_OK;
    }
    TRY(add_message(q, m, s));
    for (size_t i = 0; i < m->recipient_count; i++) {
        TRY(add_recipient(q, m->id, &m->recipients[i]));
    }
    return ERR_OK;
}

enum err queue_add(struct queue *q, struct queue_message *m, struct spool **s)
{
    /* A content that cannot be kept is no reason to lose the changes of others. */
    enum err e = spool_sync(*s);
    e = e == ERR_OK ? note(q, add(q, m, *s)) : e;
    if (e == ERR_OK && m->id != 0 && spool_get_name(*s).n > 0) {
        spool_keep(*s);
        vec_push(&q->added, blob_name_make(spool_get_name(*s)));
        q->has_new_blob = true;
    }
    spool_free(s);
    return e;
}

static enum err update(struct queue *q, const struct queue_recipient *r)
{
    TRY(begin(q));
    sqlite3_stmt *st = use(q, ST_UPDATE);
    bind_u64(st, 1, r->attempts);
    bind_u64(st, 2, r->next_ms);
    bind_u64(st, 3, r->is_delay_told);
    bind_str(st, 4, r->last_reply);
    bind_u64(st, 5, r->id);
    return run(q, st);
}

enum err queue_update(struct queue *q, const struct queue_recipient *r)
{
    return note(q, update(q, r));
}

static enum err set_user(struct queue *q, uint64_t recipient_id, struct str user)
{
    TRY(begin(q));
    sqlite3_stmt *st = use(q, ST_SET_USER);
    bind_str(st, 1, user);
    bind_u64(st, 2, recipient_id);
    return run(q, st);
}

enum err queue_set_user(struct queue *q, uint64_t recipient_id, struct str user)
{
    return note(q, set_user(q, recipient_id, user));
}

static enum err hurry_local(struct queue *q, uint64_t now_ms)
{
    TRY(begin(q));
    sqlite3_stmt *st = use(q, ST_HURRY_LOCAL);
    bind_u64(st, 1, now_ms);
    return run(q, st);
}

enum err queue_hurry_local(struct queue *q, uint64_t now_ms)
{
    return note(q, hurry_local(q, now_ms));
}

static enum err remove_message(struct queue *q, uint64_t id)
{
    sqlite3_stmt *st = use(q, ST_GET_BLOB);
    bind_u64(st, 1, id);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW && column_str(st, 0).n > 0) {
        vec_push(&q->removed, blob_name_make(column_str(st, 0)));
    }
    (void)sqlite3_reset(st);
    TRY(from_sqlite(q, rc));
    st = use(q, ST_REMOVE_MESSAGE);
    bind_u64(st, 1, id);
    return run(q, st);
}

static enum err remove_recipient(struct queue *q, uint64_t message_id, uint64_t recipient_id)
{
    TRY(begin(q));
    sqlite3_stmt *st = use(q, ST_REMOVE_RECIPIENT);
    bind_u64(st, 1, recipient_id);
    bind_u64(st, 2, message_id);
    TRY(run(q, st));
    st = use(q, ST_COUNT_LEFT);
    bind_u64(st, 1, message_id);
    int rc = sqlite3_step(st);
    uint64_t left = rc == SQLITE_ROW ? column_u64(st, 0) : 1;
    (void)sqlite3_reset(st);
    TRY(from_sqlite(q, rc));
    return left == 0 ? remove_message(q, message_id) : ERR_OK;
}

enum err queue_remove(struct queue *q, uint64_t message_id, uint64_t recipient_id)
{
    return note(q, remove_recipient(q, message_id, recipient_id));
}

/* ---- commit ---- */

void queue_wait_commit(struct queue *q, struct queue_wait *w)
{
    list_append(&q->waits, &w->node);
}

void queue_wait_cancel(struct queue_wait *w)
{
    list_remove(&w->node);
}

bool queue_has_pending(const struct queue *q)
{
    return q->is_open;
}

static enum err sync_folder(struct queue *q)
{
    int fd = open(q->blobs_dir.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err e = fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
    (void)close(fd);
    return e;
}

enum err queue_commit(struct queue *q)
{
    enum err e = q->failure;
    if (q->is_open) {
        e = e == ERR_OK && q->has_new_blob ? sync_folder(q) : e;
        e = e == ERR_OK ? run(q, use(q, ST_COMMIT)) : e;
        if (e != ERR_OK && sqlite3_get_autocommit(q->db) == 0) {
            (void)run(q, use(q, ST_ROLLBACK));
        }
        forget(q, e == ERR_OK);
    }
    while (!list_is_empty(&q->waits)) {
        struct queue_wait *w = (struct queue_wait *)q->waits.next;
        list_remove(&w->node);
        w->on_commit(w, e);
    }
    return e;
}

/* ---- reading ---- */

enum err queue_find_due(struct queue *q, bool is_local, uint64_t now_ms, unsigned most,
                        void (*on_due)(void *owner, uint64_t message_id, uint64_t recipient_id),
                        void *owner)
{
    sqlite3_stmt *st = use(q, ST_FIND_DUE);
    bind_u64(st, 1, now_ms);
    bind_u64(st, 2, is_local);
    bind_u64(st, 3, most);
    int rc = sqlite3_step(st);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(st)) {
        on_due(owner, column_u64(st, 0), column_u64(st, 1));
    }
    (void)sqlite3_reset(st);
    return from_sqlite(q, rc);
}

enum err queue_get_next_ms(struct queue *q, uint64_t now_ms, uint64_t *out)
{
    sqlite3_stmt *st = use(q, ST_NEXT_MS);
    bind_u64(st, 1, now_ms);
    int rc = sqlite3_step(st);
    TRY(from_sqlite(q, rc));
    bool has_one = rc == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL;
    *out = has_one ? column_u64(st, 0) : UINT64_MAX;
    (void)sqlite3_reset(st);
    return ERR_OK;
}

static enum err load_recipients(struct queue *q, struct arena *a, struct queue_message *m)
{
    sqlite3_stmt *st = use(q, ST_COUNT_LEFT);
    bind_u64(st, 1, m->id);
    int rc = sqlite3_step(st);
    uint64_t count = rc == SQLITE_ROW ? column_u64(st, 0) : 0;
    (void)sqlite3_reset(st);
    TRY(from_sqlite(q, rc));
    m->recipients = arena_array(a, struct queue_recipient, count);
    if (m->recipients == NULL) {
        return ERR_LIMIT;
    }
    st = use(q, ST_LOAD_RECIPIENTS);
    bind_u64(st, 1, m->id);
    rc = sqlite3_step(st);
    for (; rc == SQLITE_ROW && m->recipient_count < count; rc = sqlite3_step(st)) {
        struct queue_recipient *r = &m->recipients[m->recipient_count++];
        r->id = column_u64(st, 0);
        r->to.address = arena_str(a, column_str(st, 1));
        r->to.user = arena_str(a, column_str(st, 2));
        r->to.orcpt = arena_str(a, column_str(st, 3));
        r->to.notify = (unsigned)column_u64(st, 4);
        r->attempts = (uint32_t)column_u64(st, 5);
        r->next_ms = column_u64(st, 6);
        r->is_delay_told = column_u64(st, 7) != 0;
        r->last_reply = arena_str(a, column_str(st, 8));
    }
    (void)sqlite3_reset(st);
    return from_sqlite(q, rc);
}

enum err queue_load(struct queue *q, struct arena *a, uint64_t id, struct queue_message *out)
{
    sqlite3_stmt *st = use(q, ST_LOAD_MESSAGE);
    bind_u64(st, 1, id);
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW) {
        (void)sqlite3_reset(st);
        return rc == SQLITE_DONE ? ERR_NOT_FOUND : from_sqlite(q, rc);
    }
    struct queue_message m = {.id = id};
    m.arrived_ms = column_u64(st, 0);
    m.expires_ms = column_u64(st, 1);
    m.return_path = arena_str(a, column_str(st, 2));
    m.envid = arena_str(a, column_str(st, 3));
    m.ret = (enum smtp_ret)column_u64(st, 4);
    m.kind = (enum content_kind)column_u64(st, 5);
    m.size = column_u64(st, 6);
    m.sender = arena_str(a, column_str(st, 7));
    m.terms = column_terms(st, a, 8);
    (void)sqlite3_reset(st);
    TRY(load_recipients(q, a, &m));
    *out = m;
    return ERR_OK;
}

enum err queue_read(struct queue *q, uint64_t id, struct spool_reader **out)
{
    sqlite3_stmt *st = use(q, ST_READ);
    bind_u64(st, 1, id);
    int rc = sqlite3_step(st);
    enum err e = rc == SQLITE_DONE ? ERR_NOT_FOUND : from_sqlite(q, rc);
    if (e == ERR_OK) {
        e = spool_reader_new(buf_str(&q->blobs_dir), column_str(st, 0), column_str(st, 1), out);
    }
    (void)sqlite3_reset(st);
    return e;
}

void queue_write_unique(struct buf *out)
{
    unsigned char random[12] = {0};
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        abort();
    }
    hex_write(out, str_make((const char *)random, sizeof(random)));
}

enum err queue_read_spool(struct queue *q, struct spool *s, struct spool_reader **out)
{
    TRY(spool_flush(s));
    return spool_reader_new(buf_str(&q->blobs_dir), spool_get_name(s), spool_get_inline(s), out);
}

enum err queue_count(struct queue *q, uint64_t *out)
{
    sqlite3_stmt *st = use(q, ST_COUNT);
    int rc = sqlite3_step(st);
    TRY(from_sqlite(q, rc));
    *out = column_u64(st, 0);
    (void)sqlite3_reset(st);
    return ERR_OK;
}
