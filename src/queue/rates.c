/* Limits on what one user or one address submits in an hour need a memory that outlives the process, or a restart would be a
 * way around them; but they are no mail, and must not cost a sync for each message. So they have a database of their own,
 * beside the queue's:
 *
 *     rate    key, slot (five minutes since 1970), messages, recipients, octets
 *
 * in WAL mode with synchronous=NORMAL: what was counted survives the end of the process at any moment, and a power failure
 * may forget the last seconds. The hour is the last twelve slots and the one that runs, so a limit is a sliding one.
 * Slots that nobody asks for any more go when a new one begins. */
#include "queue/rates.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

enum { SLOT_MS = 5 * 60 * 1000, SLOTS = 12, PATH_CAP = 4096 };

static const char SCHEMA[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    "CREATE TABLE IF NOT EXISTS rate(key BLOB, slot INTEGER, messages INTEGER NOT NULL,"
    " recipients INTEGER NOT NULL, octets INTEGER NOT NULL, PRIMARY KEY(key, slot)) WITHOUT ROWID;";

static const char GET[] = "SELECT ifnull(sum(messages), 0), ifnull(sum(recipients), 0),"
                          " ifnull(sum(octets), 0) FROM rate WHERE key=? AND slot>=?";
static const char ADD[] = "INSERT INTO rate VALUES (?1,?2,?3,?4,?5) ON CONFLICT DO UPDATE SET"
                          " messages=messages+?3, recipients=recipients+?4, octets=octets+?5";
static const char FORGET[] = "DELETE FROM rate WHERE slot<?";

struct rates {
    sqlite3 *db;
    sqlite3_stmt *get;
    sqlite3_stmt *add;
    sqlite3_stmt *forget;
    int64_t slot; /* the last one that was added to */
};

static enum err from_sqlite(struct rates *r, int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE) {
        return ERR_OK;
    }
    log_error("rates: %s", r->db != NULL ? sqlite3_errmsg(r->db) : sqlite3_errstr(rc));
    return (rc & 0xff) == SQLITE_FULL ? ERR_NO_SPACE : ERR_IO;
}

static enum err prepare(struct rates *r, const char *text, sqlite3_stmt **out)
{
    return from_sqlite(r,
                       sqlite3_prepare_v3(r->db, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL));
}

static enum err try_open(struct rates *r, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    TRY(from_sqlite(r, sqlite3_open_v2(path, &r->db, flags, NULL)));
    TRY(from_sqlite(r, sqlite3_exec(r->db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL)));
    TRY(from_sqlite(r, sqlite3_exec(r->db, SCHEMA, NULL, NULL, NULL)));
    TRY(prepare(r, GET, &r->get));
    TRY(prepare(r, ADD, &r->add));
    return prepare(r, FORGET, &r->forget);
}

static void close_db(struct rates *r)
{
    (void)sqlite3_finalize(r->get);
    (void)sqlite3_finalize(r->add);
    (void)sqlite3_finalize(r->forget);
    (void)sqlite3_close(r->db);
    *r = (struct rates){.db = NULL};
}

static void remove_files(const struct buf *path)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        CLEANUP(buf_release) struct buf name = BUF_INIT(PATH_CAP);
        buf_addf(&name, "%s%s", path->p, tails[i]);
        (void)unlink(name.p);
    }
}

enum err rates_open(struct str dir, struct rates **out)
{
    CLEANUP(buf_release) struct buf path = BUF_INIT(PATH_CAP);
    buf_addf(&path, "%.*s/rates.db", STR_ARG(dir));
    TRY(buf_err(&path));
    struct rates *r = mem_new(sizeof(*r));
    enum err e = try_open(r, path.p);
    if (e == ERR_IO) {
        /* It only remembers an hour: a broken one is not worth a server that does not start. */
        log_warn("rates: made anew");
        close_db(r);
        remove_files(&path);
        e = try_open(r, path.p);
    }
    if (e != ERR_OK) {
        rates_close(&r);
        return e;
    }
    *out = r;
    return ERR_OK;
}

void rates_close(struct rates **r)
{
    if (*r != NULL) {
        close_db(*r);
        free(*r);
        *r = NULL;
    }
}

static uint64_t column(sqlite3_stmt *st, int at)
{
    sqlite3_int64 v = sqlite3_column_int64(st, at);
    return v < 0 ? 0 : (uint64_t)v;
}

enum err rates_get(struct rates *r, struct str key, uint64_t now_ms, struct rates_sum *out)
{
    int64_t slot = (int64_t)(now_ms / SLOT_MS);
    (void)sqlite3_reset(r->get);
    (void)sqlite3_bind_blob64(r->get, 1, key.n > 0 ? key.p : "", key.n, SQLITE_STATIC);
    (void)sqlite3_bind_int64(r->get, 2, slot - SLOTS);
    int rc = sqlite3_step(r->get);
    if (rc == SQLITE_ROW) {
        *out = (struct rates_sum){column(r->get, 0), column(r->get, 1), column(r->get, 2)};
    }
    enum err e = from_sqlite(r, rc);
    (void)sqlite3_reset(r->get);
    return e;
}

static enum err run(struct rates *r, sqlite3_stmt *st)
{
    enum err e = from_sqlite(r, sqlite3_step(st));
    (void)sqlite3_reset(st);
    return e;
}

enum err rates_add(struct rates *r, struct str key, uint64_t now_ms, const struct rates_sum *sum)
{
    int64_t slot = (int64_t)(now_ms / SLOT_MS);
    if (slot != r->slot) {
        (void)sqlite3_bind_int64(r->forget, 1, slot - SLOTS);
        TRY(run(r, r->forget));
        r->slot = slot;
    }
    (void)sqlite3_bind_blob64(r->add, 1, key.n > 0 ? key.p : "", key.n, SQLITE_STATIC);
    (void)sqlite3_bind_int64(r->add, 2, slot);
    (void)sqlite3_bind_int64(r->add, 3, (sqlite3_int64)sum->messages);
    (void)sqlite3_bind_int64(r->add, 4, (sqlite3_int64)sum->recipients);
    (void)sqlite3_bind_int64(r->add, 5, (sqlite3_int64)sum->octets);
    return run(r, r->add);
}
