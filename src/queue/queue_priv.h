#ifndef LIMETTA_QUEUE_QUEUE_PRIV_H
#define LIMETTA_QUEUE_QUEUE_PRIV_H

#include "base/buf.h"
#include "base/vec.h"
#include "queue/queue.h"

#include <dirent.h>
#include <sqlite3.h>

/* What queue_db.c (opening), queue.c (changing) and queue_find.c (asking) share. */

enum { QUEUE_PATH_CAP = 4096 };

enum queue_statement {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_ADD_MESSAGE,
    ST_ADD_BODY,
    ST_ADD_RECIPIENT,
    ST_UPDATE,
    ST_SET_USER,
    ST_SORT,
    ST_HOLD,
    ST_RELEASE,
    ST_FLUSH,
    ST_POSTPONE,
    ST_REMOVE_RECIPIENT,
    ST_HAS_RECIPIENT,
    ST_REMOVE_MESSAGE,
    ST_REMOVE_BODY,
    ST_FIND_KEY,
    ST_ADD_KEY,
    ST_SET_WAIT,
    ST_END_WAIT,
    ST_END_WAIT_ID,
    ST_SET_DUE,
    ST_REMOVE_DESTINATION,
    ST_NEXT_PRIORITY,
    ST_FIRST_DUE,
    ST_SAVE_COUNTS,
    ST_LOAD_COUNTS,
    ST_FIND_DESTINATIONS,
    ST_FIND_NAMED,
    ST_FIND_WAITING,
    ST_LOAD_DESTINATION,
    ST_FIND_DUE,
    ST_FIND_TELL,
    ST_NEXT_DUE_MS,
    ST_NEXT_TELL_MS,
    ST_LOAD_MESSAGE,
    ST_LOAD_RECIPIENTS,
    ST_LOAD_DUE,
    ST_LOAD_TELL,
    ST_COUNT_RECIPIENTS,
    ST_DESTINATIONS_OF,
    ST_READ,
    ST_READ_BODY,
    ST_HAS_BLOB,
    ST_ADD_TOKEN,
    ST_FORGET_TOKENS,
    ST_OLDEST,
    ST_FIND_MESSAGES,
    ST_FIND_HELD,
    ST_SUM_HELD,
    STATEMENT_COUNT
};

struct blob_name {
    char c[SPOOL_NAME_SIZE + 1];
};

struct queue {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct buf blobs_dir;
    char generation[SPOOL_GENERATION_SIZE + 1]; /* how the names of this process's blobs begin */
    struct queue_rules rules;
    struct queue_counts counts; /* with the open transaction's changes */
    bool has_new_counts;
    bool is_open; /* a transaction is open */
    bool has_new_blob;
    enum err failure;              /* of a pending change: the transaction cannot be whole */
    VEC(struct blob_name) added;   /* to unlink when the transaction fails */
    VEC(struct blob_name) removed; /* to unlink when it succeeds */
    VEC(uint64_t) stale;           /* destinations whose line changed in this transaction */
    DIR *sweep;                    /* NULL: done */
    struct list waits;
};

enum err queue_from_sqlite(struct queue *q, int rc);
/* The statement, reset and ready for binding. */
sqlite3_stmt *queue_use(struct queue *q, enum queue_statement which);
/* Steps once and resets: for what returns no rows. */
enum err queue_run(struct queue *q, sqlite3_stmt *st);
enum err queue_load_counts(struct queue *q);
void queue_unlink_blob(struct queue *q, const char *name);
/* The next lower priority than *priority in a line. */
MUST_USE enum err queue_next_priority(struct queue *q, uint64_t destination, int64_t *priority,
                                      bool *is_found);
/* The transaction is over: forgets what it was about. */
void queue_forget(struct queue *q, bool is_committed);

static inline void bind_str(sqlite3_stmt *st, int at, struct str s)
{
    (void)sqlite3_bind_blob64(st, at, s.n > 0 ? s.p : "", s.n, SQLITE_STATIC);
}

static inline void bind_u64(sqlite3_stmt *st, int at, uint64_t v)
{
    (void)sqlite3_bind_int64(st, at, v > INT64_MAX ? INT64_MAX : (sqlite3_int64)v);
}

static inline struct str column_str(sqlite3_stmt *st, int at)
{
    const char *p = sqlite3_column_blob(st, at);
    int n = sqlite3_column_bytes(st, at);
    return str_make(p, n > 0 ? (size_t)n : 0);
}

static inline uint64_t column_u64(sqlite3_stmt *st, int at)
{
    sqlite3_int64 v = sqlite3_column_int64(st, at);
    return v < 0 ? 0 : (uint64_t)v;
}

#endif
