/* Policies that were fetched (RFC 8461, 5.1: a valid one in the cache must be used when no newer can be had), in a small SQLite database
 * beside the queue's:
 *
 *     policy(domain PRIMARY KEY, id, mode, max_age_s, mx, expires_ms)
 *
 * Losing it only means fetching again, so a damaged file is an error to whoever opens it and not a reason to stop. */
#include "queue/sts.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>

struct sts_store {
    sqlite3 *db;
    sqlite3_stmt *find;
    sqlite3_stmt *put;
};

static const char SCHEMA[] =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
    "CREATE TABLE IF NOT EXISTS policy(domain TEXT PRIMARY KEY, id TEXT NOT NULL,"
    " mode INTEGER NOT NULL, max_age_s INTEGER NOT NULL, mx TEXT NOT NULL,"
    " expires_ms INTEGER NOT NULL) WITHOUT ROWID";
static const char FIND[] = "SELECT id, mode, max_age_s, mx, expires_ms FROM policy"
                           " WHERE domain = ? AND expires_ms > ?";
static const char PUT[] = "INSERT OR REPLACE INTO policy VALUES(?, ?, ?, ?, ?, ?)";
static const char DROP_OLD[] = "DELETE FROM policy WHERE expires_ms <= ?";

static enum err from_sqlite(const struct sts_store *s, int rc)
{
    if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW) {
        return ERR_OK;
    }
    log_warn("queue: policies of MTA-STS: %s", sqlite3_errmsg(s->db));
    int primary = rc & 0xff;
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
        return ERR_CORRUPT;
    }
    return primary == SQLITE_FULL ? ERR_NO_SPACE : ERR_IO;
}

static enum err drop_old(struct sts_store *s, uint64_t now_ms)
{
    sqlite3_stmt *st = NULL;
    TRY(from_sqlite(s, sqlite3_prepare_v2(s->db, DROP_OLD, -1, &st, NULL)));
    (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)now_ms);
    int rc = sqlite3_step(st);
    (void)sqlite3_finalize(st);
    return from_sqlite(s, rc);
}

static enum err prepare(struct sts_store *s, const char *path, uint64_t now_ms)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    TRY(from_sqlite(s, sqlite3_open_v2(path, &s->db, flags, NULL)));
    TRY(from_sqlite(s, sqlite3_exec(s->db, SCHEMA, NULL, NULL, NULL)));
    TRY(drop_old(s, now_ms));
    TRY(from_sqlite(
        s, sqlite3_prepare_v3(s->db, FIND, -1, SQLITE_PREPARE_PERSISTENT, &s->find, NULL)));
    return from_sqlite(
        s, sqlite3_prepare_v3(s->db, PUT, -1, SQLITE_PREPARE_PERSISTENT, &s->put, NULL));
}

enum err sts_store_open(struct str path, uint64_t now_ms, struct sts_store **out)
{
    CLEANUP(buf_release) struct buf name = BUF_INIT(PATH_MAX);
    struct sts_store *s = mem_new(sizeof(*s));
    buf_add(&name, path);
    enum err e = name.len == 0 || name.is_full ? ERR_IO : prepare(s, name.p, now_ms);
    if (e != ERR_OK) {
        sts_store_close(&s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void sts_store_close(struct sts_store **s)
{
    if (*s != NULL) {
        (void)sqlite3_finalize((*s)->find);
        (void)sqlite3_finalize((*s)->put);
        (void)sqlite3_close((*s)->db);
        free(*s);
        *s = NULL;
    }
}

static void bind_str(sqlite3_stmt *st, int at, struct str s)
{
    (void)sqlite3_bind_text64(st, at, s.n > 0 ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8);
}

static struct str column_str(sqlite3_stmt *st, int at, struct arena *a)
{
    const char *p = (const char *)sqlite3_column_text(st, at);
    int n = sqlite3_column_bytes(st, at);
    return p == NULL ? STR_EMPTY : arena_str(a, str_make(p, (size_t)n));
}

enum err sts_store_find(struct sts_store *s, struct str domain, uint64_t now_ms, struct arena *a,
                        struct sts_entry *out)
{
    sqlite3_stmt *st = s->find;
    bind_str(st, 1, domain);
    (void)sqlite3_bind_int64(st, 2, (sqlite3_int64)now_ms);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *out = (struct sts_entry){
            .id = column_str(st, 0, a),
            .policy = {.mode = (enum sts_mode)sqlite3_column_int(st, 1),
                       .max_age_s = (uint64_t)sqlite3_column_int64(st, 2),
                       .mx = column_str(st, 3, a)},
            .expires_ms = (uint64_t)sqlite3_column_int64(st, 4),
        };
    }
    enum err e = from_sqlite(s, rc);
    (void)sqlite3_reset(st);
    return rc == SQLITE_DONE ? ERR_NOT_FOUND : e;
}

enum err sts_store_put(struct sts_store *s, struct str domain, const struct sts_entry *entry)
{
    sqlite3_stmt *st = s->put;
    bind_str(st, 1, domain);
    bind_str(st, 2, entry->id);
    (void)sqlite3_bind_int(st, 3, (int)entry->policy.mode);
    (void)sqlite3_bind_int64(st, 4, (sqlite3_int64)entry->policy.max_age_s);
    bind_str(st, 5, entry->policy.mx);
    (void)sqlite3_bind_int64(st, 6, (sqlite3_int64)entry->expires_ms);
    enum err e = from_sqlite(s, sqlite3_step(st));
    (void)sqlite3_reset(st);
    return e;
}
