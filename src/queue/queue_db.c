/* Opening the queue: the tables, their versions, and the sweep.
 *
 *     message      id, arrived_ms, expires_ms, return_path, envid, ret, kind, size, sender, blob (name or NULL), and the
 *                  sender's terms: is_utf8, release_ms, by_mode (0 none, 1 return, 2 notify), by_ms, by_trace, priority,
 *                  tls_required, tls_optional, release_request
 *     body         message_id, octets: small bodies, beside the rows that lists walk over
 *     recipient    id, message_id, address, user ('' foreign), orcpt, notify, attempts, next_ms, is_delay_told (bits: 1 of
 *                  the delay, 2 of the sender's own time), last_reply, destination, priority, tell_ms, via, last_host
 *     destination  id, key, due_ms, failures, wait_ms, reply
 *     token        name, expires_ms: what outboxes have handed over (queue_add)
 *     tally        one row: how much there is of everything
 *
 * A million messages behind a dead host must cost the others nothing. So each recipient stands in the line of its
 * destination (index: destination, priority, next_ms), and a destination knows when the first of its line is due, or, while
 * it waits after failures, when that ends (due_ms). What is to be done now is then a question to a small table, and the lines
 * that wait are never looked at. Two destinations are ours: 1 holds what has no destination yet, 2 what the operator
 * holds back. A line that is empty has no row.
 *
 * The start must not depend on how much waits: nothing is counted (the tally is kept with each commit), nothing is loaded, and
 * the folder of blobs is swept in steps while we serve. Blobs of this process begin with its generation, so the sweep tells
 * what a crash left from what is just arriving. */
#include "queue/queue_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"

#define RECIPIENT_COLUMNS                                                                          \
    "id, address, user, orcpt, notify, attempts, next_ms, is_delay_told, last_reply, "             \
    "destination, tell_ms, via, last_host"

static const char *const statement_texts[STATEMENT_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_ADD_MESSAGE] = "INSERT INTO message(arrived_ms, expires_ms, return_path, envid, ret, kind, "
                       "size, sender, blob, is_utf8, release_ms, by_mode, by_ms, by_trace, "
                       "priority, tls_required, tls_optional, release_request) "
                       "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [ST_ADD_BODY] = "INSERT INTO body(message_id, octets) VALUES (?,?)",
    [ST_ADD_RECIPIENT] = "INSERT INTO recipient(message_id, address, user, orcpt, notify, next_ms, "
                         "destination, priority, tell_ms, via) VALUES (?,?,?,?,?,?,?,?,?,?)",
    [ST_UPDATE] = "UPDATE recipient SET attempts=?, next_ms=?, is_delay_told=?, last_reply=?, "
                  "tell_ms=?, last_host=? WHERE id=? RETURNING destination",
    [ST_SET_USER] = "UPDATE recipient SET user=? WHERE id=?",
    [ST_SORT] = "UPDATE recipient SET destination=? WHERE id=? AND destination<>2",
    [ST_HOLD] = "UPDATE recipient SET destination=2, tell_ms=0x7fffffffffffffff "
                "WHERE message_id=? AND destination<>2",
    [ST_RELEASE] = "UPDATE recipient SET destination=1, tell_ms=?2 "
                   "WHERE message_id=?1 AND destination=2",
    [ST_FLUSH] = "UPDATE recipient SET next_ms=?1 "
                 "WHERE message_id=?2 AND next_ms>?1 AND destination<>2",
    [ST_POSTPONE] = "UPDATE recipient SET next_ms=?1 WHERE message_id=?2 AND next_ms<?1",
    [ST_REMOVE_RECIPIENT] = "DELETE FROM recipient WHERE id=? AND message_id=? "
                            "RETURNING destination, attempts",
    [ST_HAS_RECIPIENT] = "SELECT 1 FROM recipient WHERE message_id=? LIMIT 1",
    [ST_REMOVE_MESSAGE] = "DELETE FROM message WHERE id=? RETURNING size, blob",
    [ST_REMOVE_BODY] = "DELETE FROM body WHERE message_id=?",
    [ST_FIND_KEY] = "SELECT id FROM destination WHERE key=?",
    [ST_ADD_KEY] = "INSERT INTO destination(key, due_ms) VALUES (?, 0x7fffffffffffffff)",
    [ST_SET_WAIT] = "UPDATE destination SET failures=?, wait_ms=?, reply=? WHERE id=?",
    [ST_END_WAIT] = "UPDATE destination SET failures=0, wait_ms=0 WHERE key=? AND failures>0 "
                    "RETURNING id",
    [ST_END_WAIT_ID] = "UPDATE destination SET failures=0, wait_ms=0 WHERE id=? AND failures>0",
    [ST_SET_DUE] = "UPDATE destination SET due_ms=max(wait_ms,?1) "
                   "WHERE id=?2 AND due_ms<>max(wait_ms,?1)",
    [ST_REMOVE_DESTINATION] = "DELETE FROM destination WHERE id=?",
    [ST_NEXT_PRIORITY] = "SELECT priority FROM recipient WHERE destination=? AND priority<? "
                         "ORDER BY priority DESC LIMIT 1",
    [ST_FIRST_DUE] = "SELECT next_ms FROM recipient WHERE destination=? AND priority=? "
                     "ORDER BY next_ms LIMIT 1",
    [ST_SAVE_COUNTS] = "UPDATE tally SET messages=?, octets=?, recipients=?, held=?, deferred=?",
    [ST_LOAD_COUNTS] = "SELECT messages, octets, recipients, held, deferred FROM tally",
    [ST_FIND_NAMED] = "SELECT id, key, failures, wait_ms FROM destination WHERE key>=? AND key<? "
                      "AND due_ms<=? LIMIT ?",
    [ST_FIND_WAITING] = "SELECT id, key, failures, wait_ms, reply FROM destination "
                        "WHERE failures>0 ORDER BY wait_ms LIMIT ?",
    [ST_LOAD_DESTINATION] = "SELECT id, key, failures, wait_ms, reply FROM destination WHERE id=?",
    [ST_FIND_DESTINATIONS] = "SELECT id, key, failures, wait_ms FROM destination WHERE due_ms<=? "
                             "ORDER BY due_ms LIMIT ?",
    [ST_FIND_DUE] = "SELECT message_id, id, next_ms FROM recipient WHERE destination=? AND "
                    "priority=? AND next_ms<=? ORDER BY next_ms, id LIMIT ?",
    [ST_FIND_TELL] = "SELECT message_id, id FROM recipient WHERE tell_ms<=? ORDER BY tell_ms "
                     "LIMIT ?",
    [ST_NEXT_DUE_MS] = "SELECT due_ms FROM destination WHERE due_ms>? ORDER BY due_ms LIMIT 1",
    [ST_NEXT_TELL_MS] = "SELECT tell_ms FROM recipient WHERE tell_ms>? ORDER BY tell_ms LIMIT 1",
    [ST_LOAD_MESSAGE] = "SELECT arrived_ms, expires_ms, return_path, envid, ret, kind, size, "
                        "sender, is_utf8, release_ms, by_mode, by_ms, by_trace, priority, "
                        "tls_required, tls_optional, release_request FROM message WHERE id=?",
    [ST_LOAD_RECIPIENTS] =
        "SELECT " RECIPIENT_COLUMNS " FROM recipient WHERE message_id=? ORDER BY id LIMIT ?",
    [ST_LOAD_DUE] = "SELECT " RECIPIENT_COLUMNS " FROM recipient WHERE message_id=? "
                    "AND destination=? AND next_ms<=? ORDER BY id LIMIT ?",
    [ST_LOAD_TELL] = "SELECT " RECIPIENT_COLUMNS " FROM recipient WHERE message_id=? "
                     "AND tell_ms<=? ORDER BY id LIMIT ?",
    [ST_COUNT_RECIPIENTS] = "SELECT count(*) FROM recipient WHERE message_id=?",
    [ST_DESTINATIONS_OF] = "SELECT DISTINCT destination FROM recipient WHERE message_id=?",
    [ST_READ] = "SELECT blob FROM message WHERE id=?",
    [ST_READ_BODY] = "SELECT octets FROM body WHERE message_id=?",
    [ST_HAS_BLOB] = "SELECT 1 FROM message WHERE blob=?",
    [ST_ADD_TOKEN] = "INSERT OR IGNORE INTO token(name, expires_ms) VALUES (?,?)",
    [ST_FORGET_TOKENS] = "DELETE FROM token WHERE expires_ms<=?",
    [ST_OLDEST] = "SELECT arrived_ms FROM message ORDER BY id LIMIT 1",
    [ST_FIND_MESSAGES] = "SELECT id FROM message WHERE id>? ORDER BY id LIMIT ?",
    [ST_FIND_HELD] = "SELECT id FROM message WHERE release_ms>0 AND sender=? AND release_ms>? "
                     "AND id>? ORDER BY id LIMIT ?",
    [ST_SUM_HELD] = "SELECT count(*), coalesce(sum(size), 0) FROM message "
                    "WHERE release_ms>0 AND sender=? AND release_ms>?",
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
    "CREATE TABLE body(message_id INTEGER PRIMARY KEY, octets BLOB NOT NULL);"
    "INSERT INTO body SELECT id, body FROM message WHERE body IS NOT NULL;"
    "ALTER TABLE message DROP COLUMN body;"
    "CREATE TABLE destination(id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE,"
    " due_ms INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0,"
    " wait_ms INTEGER NOT NULL DEFAULT 0, reply BLOB NOT NULL DEFAULT x'');"
    "CREATE INDEX destination_due ON destination(due_ms);"
    "INSERT INTO destination(id, key, due_ms) VALUES (1, CAST('unsorted' AS BLOB),"
    " (SELECT ifnull(min(next_ms), 0x7fffffffffffffff) FROM recipient)),"
    " (2, CAST('held' AS BLOB), 0x7fffffffffffffff);"
    "ALTER TABLE recipient ADD COLUMN destination INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE recipient ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recipient ADD COLUMN tell_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recipient ADD COLUMN via BLOB NOT NULL DEFAULT x'';"
    "UPDATE recipient SET priority=(SELECT priority FROM message WHERE id=message_id);"
    "DROP INDEX IF EXISTS recipient_due;"
    "CREATE INDEX recipient_due ON recipient(destination, priority, next_ms);"
    "CREATE INDEX recipient_tell ON recipient(tell_ms);"
    "CREATE TABLE tally(messages INTEGER NOT NULL, octets INTEGER NOT NULL,"
    " recipients INTEGER NOT NULL, held INTEGER NOT NULL, deferred INTEGER NOT NULL);"
    "INSERT INTO tally SELECT count(*), ifnull(sum(size), 0), (SELECT count(*) FROM recipient), 0,"
    " (SELECT count(*) FROM recipient WHERE attempts>0) FROM message;",
    "CREATE INDEX message_held ON message(sender, release_ms) WHERE release_ms>0;",
    "CREATE INDEX destination_waiting ON destination(wait_ms) WHERE failures>0;",
    "ALTER TABLE recipient ADD COLUMN last_host BLOB NOT NULL DEFAULT x'';",
};
enum { SCHEMA_VERSION = sizeof(schema) / sizeof(schema[0]) };

enum err queue_from_sqlite(struct queue *q, int rc)
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

sqlite3_stmt *queue_use(struct queue *q, enum queue_statement which)
{
    sqlite3_stmt *st = q->statements[which];
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return st;
}

enum err queue_run(struct queue *q, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    enum err e = queue_from_sqlite(q, rc);
    (void)sqlite3_reset(st);
    return e;
}

void queue_unlink_blob(struct queue *q, const char *name)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(QUEUE_PATH_CAP);
    buf_addf(&path, "%.*s/%s", STR_ARG(buf_str(&q->blobs_dir)), name);
    if (unlink(path.p) != 0 && errno != ENOENT) {
        log_warn("queue: cannot remove blob %s", name);
    }
}

/* ---- opening ---- */

static enum err exec(struct queue *q, const char *text)
{
    return queue_from_sqlite(q, sqlite3_exec(q->db, text, NULL, NULL, NULL));
}

static enum err get_version(struct queue *q, int *out)
{
    sqlite3_stmt *st = NULL;
    TRY(queue_from_sqlite(q, sqlite3_prepare_v2(q->db, "PRAGMA user_version", -1, &st, NULL)));
    int rc = sqlite3_step(st);
    *out = rc == SQLITE_ROW ? sqlite3_column_int(st, 0) : 0;
    (void)sqlite3_finalize(st);
    return queue_from_sqlite(q, rc);
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

enum err queue_load_counts(struct queue *q)
{
    sqlite3_stmt *st = queue_use(q, ST_LOAD_COUNTS);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        q->counts = (struct queue_counts){
            .messages = column_u64(st, 0),
            .octets = column_u64(st, 1),
            .recipients = column_u64(st, 2),
            .held = column_u64(st, 3),
            .deferred = column_u64(st, 4),
        };
    }
    (void)sqlite3_reset(st);
    q->has_new_counts = false;
    return rc == SQLITE_DONE ? ERR_CORRUPT : queue_from_sqlite(q, rc);
}

static void choose_generation(struct queue *q)
{
    unsigned char random[SPOOL_GENERATION_SIZE / 2];
    CLEANUP(buf_release) struct buf text = BUF_INIT(SPOOL_GENERATION_SIZE);
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        abort();
    }
    hex_write(&text, str_make((const char *)random, sizeof(random)));
    memcpy(q->generation, text.p, SPOOL_GENERATION_SIZE);
}

static enum err open_db(struct queue *q, struct str dir)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(QUEUE_PATH_CAP);
    buf_addf(&path, "%.*s/queue.db", STR_ARG(dir));
    TRY(buf_err(&path));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    TRY(queue_from_sqlite(q, sqlite3_open_v2(path.p, &q->db, flags, NULL)));
    (void)sqlite3_extended_result_codes(q->db, 1);
    TRY(exec(q, "PRAGMA locking_mode=EXCLUSIVE"));
    TRY(exec(q, "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL"));
    TRY(bring_up(q));
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        TRY(queue_from_sqlite(q, sqlite3_prepare_v3(q->db, statement_texts[i], -1,
                                                    SQLITE_PREPARE_PERSISTENT, &q->statements[i],
                                                    NULL)));
    }
    return queue_load_counts(q);
}

enum err queue_open(struct str dir, struct queue **out)
{
    struct queue *q = mem_new(sizeof(*q));
    list_init(&q->waits);
    buf_init(&q->blobs_dir, QUEUE_PATH_CAP);
    buf_addf(&q->blobs_dir, "%.*s/blobs", STR_ARG(dir));
    enum err e = buf_err(&q->blobs_dir);
    if (e == ERR_OK && mkdir(q->blobs_dir.p, 0700) != 0 && errno != EEXIST) {
        e = err_from_errno(errno);
    }
    e = e == ERR_OK ? open_db(q, dir) : e;
    if (e == ERR_OK) {
        choose_generation(q);
        q->sweep = opendir(q->blobs_dir.p);
        e = q->sweep == NULL ? err_from_errno(errno) : ERR_OK;
    }
    if (e != ERR_OK) {
        queue_close(&q);
        return e;
    }
    *out = q;
    return ERR_OK;
}

void queue_close(struct queue **q)
{
    if (*q == NULL) {
        return;
    }
    struct queue *gone = *q;
    *q = NULL;
    if (gone->is_open) {
        (void)queue_run(gone, queue_use(gone, ST_ROLLBACK));
        queue_forget(gone, false);
    }
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(gone->statements[i]);
    }
    (void)sqlite3_close(gone->db);
    vec_release(&gone->removed);
    vec_release(&gone->added);
    vec_release(&gone->stale);
    if (gone->sweep != NULL) {
        (void)closedir(gone->sweep);
    }
    buf_release(&gone->blobs_dir);
    free(gone);
}

struct spool *queue_spool_new(const struct queue *q, uint64_t most)
{
    return spool_new(buf_str(&q->blobs_dir), str_from_c(q->generation), most);
}

/* ---- the sweep ---- */

static enum err sweep_one(struct queue *q, const char *name)
{
    if (name[0] == '.' || str_starts(str_from_c(name), str_from_c(q->generation))) {
        return ERR_OK;
    }
    sqlite3_stmt *st = queue_use(q, ST_HAS_BLOB);
    (void)sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    (void)sqlite3_reset(st);
    if (rc == SQLITE_DONE) {
        queue_unlink_blob(q, name);
    }
    return queue_from_sqlite(q, rc);
}

bool queue_sweep(struct queue *q, unsigned most)
{
    for (unsigned i = 0; i < most && q->sweep != NULL; i++) {
        const struct dirent *d = readdir(q->sweep);
        if (d == NULL || sweep_one(q, d->d_name) != ERR_OK) {
            (void)closedir(q->sweep);
            q->sweep = NULL;
        }
    }
    return q->sweep != NULL;
}
