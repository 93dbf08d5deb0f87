#ifndef LIMETTA_STORE_DB_H
#define LIMETTA_STORE_DB_H

#include "base/err.h"
#include "base/str.h"
#include "store/engine.h"

#include <stdbool.h>
#include <stdint.h>

/* One open account database: the handle and its prepared statements. Nothing outside db.c calls SQLite's statement
 * interface. Failures are logged here, once, with the account's name. */
struct db;

enum statement {
#define STATEMENT(name, sql) STATEMENT_##name,
#include "store/statements.def"
#undef STATEMENT
    STATEMENT_COUNT
};

/* must_create: makes the tables when there are none, in one transaction. user: for the log, copied.
 * Errors: ERR_NOT_FOUND (no database, or one that was never finished), ERR_CORRUPT, ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err db_open(struct engine *e, struct str user, bool must_create, struct db **out);
/* The account's text index; made when it is not there. Statements that begin with TEXT_ are for it, and those about meta, BEGIN
 * and COMMIT serve both. Errors: ERR_CORRUPT, ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err db_open_index(struct engine *e, struct str user, struct db **out);
/* Whoever had the database open before closed it in good order, as far as can be seen. */
bool db_was_closed(const struct db *db);
/* Closing the handle checkpoints and removes the log, if the disk lets it. */
void db_close(struct db **db);

/* What is bound to a statement's parameters, in order. Octets are borrowed during the call. */
struct value {
    enum value_kind { VALUE_END, VALUE_INT, VALUE_TEXT, VALUE_BLOB } kind;
    int64_t i;
    struct str s;
};

static inline struct value value_int(int64_t i)
{
    return (struct value){.kind = VALUE_INT, .i = i};
}
/* Ids, modseqs and sizes: below 2^63. */
static inline struct value value_id(uint64_t id)
{
    return (struct value){.kind = VALUE_INT, .i = (int64_t)id};
}
static inline struct value value_text(struct str s)
{
    return (struct value){.kind = VALUE_TEXT, .s = s};
}
static inline struct value value_blob(struct str s)
{
    return (struct value){.kind = VALUE_BLOB, .s = s};
}

/* Runs a statement that gives no rows. Errors: ERR_NO_SPACE, ERR_CORRUPT, ERR_IO. */
enum { DB_VALUES_MOST = 8 };
#define DB_VALUES(...)                                                                             \
    (const struct value[DB_VALUES_MOST + 1])                                                       \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define DB_RUN(db, statement, ...) db_run((db), STATEMENT_##statement, DB_VALUES(__VA_ARGS__))
MUST_USE enum err db_run(struct db *db, enum statement s, const struct value *values);

/* Rows: DB_QUERY, then db_next() until has_row is false or there is an error. A query that is left early must be ended
 * by db_end(). One query of a statement at a time. */
#define DB_QUERY(db, statement, rows, ...)                                                         \
    db_query((db), STATEMENT_##statement, DB_VALUES(__VA_ARGS__), (rows))
struct rows {
    struct db *db;
    sqlite3_stmt *at;
};
MUST_USE enum err db_query(struct db *db, enum statement s, const struct value *values,
                           struct rows *out);
MUST_USE enum err db_next(struct rows *rows, bool *has_row);
void db_end(struct rows *rows);
/* Columns of the row at hand, from 0. Octets are borrowed until the next db_next() or db_end(). */
int64_t row_int(const struct rows *rows, int column);
uint64_t row_id(const struct rows *rows, int column);
struct str row_str(const struct rows *rows, int column);

/* The number in the first column of the first row; 0: there is none. */
#define DB_GET(db, statement, out, ...)                                                            \
    db_get((db), STATEMENT_##statement, DB_VALUES(__VA_ARGS__), (out))
MUST_USE enum err db_get(struct db *db, enum statement s, const struct value *values,
                         uint64_t *out);

/* Which syncing the coming transactions get: is_durable (on disk when committed) or not (in the log only).
 * Not inside a transaction. */
MUST_USE enum err db_set_durable(struct db *db, bool is_durable);
/* Ends the transaction, if the failure did not end it, without its changes. */
void db_rollback(struct db *db);
/* Makes what was committed so far durable. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err db_sync(struct db *db);
/* Pages in the log since it was last emptied. */
uint32_t db_get_log_pages(const struct db *db);
/* Moves the log into the database. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err db_checkpoint(struct db *db);
/* Gives back the memory of cached pages. */
void db_shrink(struct db *db);
/* Runs SQLite's own check; on_problem hears one line each. Errors: ERR_CORRUPT when there were problems, ERR_IO. */
MUST_USE enum err db_verify(struct db *db, void (*on_problem)(void *owner, const char *line),
                            void *owner);

#endif
