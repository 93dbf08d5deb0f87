#ifndef LIMETTA_STORE_ENGINE_H
#define LIMETTA_STORE_ENGINE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* What the store asks of the place where an account's octets live: an exclusive lock, one database, and write-once
 * blobs named by number. All the rest of the store is above this line and knows no paths.
 *
 * engine_local.c keeps an account in a folder:
 *
 *     account.db (-wal, -shm)   the database
 *     index.db (-wal, -shm)     the text index, which can be made again from the rest
 *     blobs/0000000000000123    one body each, 16 hex digits
 *     lock                      held by flock(2) while open */
struct engine;

/* Opens the account kept in folder and takes its lock. must_create: makes the folder, durably.
 * Errors: ERR_NOT_FOUND, ERR_IN_USE, ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err engine_open(struct str folder, bool must_create, struct engine **out);
/* Gives the lock back. The database must be closed. */
void engine_close(struct engine **e);
/* Removes the account kept in folder, for ever. It is gone at once, under a name that no account has, and what was in it
 * goes after that. Errors: ERR_NOT_FOUND, ERR_IN_USE, ERR_IO. */
MUST_USE enum err engine_remove(struct str folder);

/* Copies the account kept in folder `from` to the new folder `to`: its database as of one moment, and the blobs that names. `from`
 * may be in use. Durable; after an error something may be left in `to`.
 * Errors: ERR_NOT_FOUND, ERR_EXISTS (to), ERR_CORRUPT (a blob is missing), ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err engine_copy(struct str from, struct str to);

/* Opens the database; made when must_create. The caller closes it. Errors: ERR_NOT_FOUND, ERR_IO. */
MUST_USE enum err engine_open_database(struct engine *e, bool must_create, sqlite3 **out);
/* The database was last closed in good order, as far as can be seen: it has no log. Ask before opening it. */
bool engine_is_closed(const struct engine *e);
/* The same for the text index, which is made when it is not there. Errors: ERR_IO. */
MUST_USE enum err engine_open_index(struct engine *e, sqlite3 **out);
bool engine_has_index(const struct engine *e);
/* Removes the text index; it must be closed. Errors: ERR_IO. */
MUST_USE enum err engine_remove_index(struct engine *e);
/* Makes every transaction committed so far durable. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err engine_sync_database(struct engine *e, sqlite3 *db);

/* ---- blobs ---- */

/* One blob being written. */
struct blob_writer;
/* Errors: ERR_NO_SPACE, ERR_IO (also when the blob is there already). */
MUST_USE enum err engine_blob_create(struct engine *e, uint64_t id, struct blob_writer **out);
MUST_USE enum err blob_writer_add(struct blob_writer *w, struct str octets);
/* The octets and the name are durable when it says ERR_OK; *w is gone in any case, on an error with the blob. */
MUST_USE enum err blob_writer_finish(struct blob_writer **w);
/* Drops an unfinished blob without trace. */
void blob_writer_free(struct blob_writer **w);

/* A blob being read; stays readable after engine_blob_delete(). */
struct blob_reader;
/* Errors: ERR_NOT_FOUND, ERR_IO. */
MUST_USE enum err engine_blob_open(struct engine *e, uint64_t id, struct blob_reader **out);
uint64_t blob_reader_get_size(const struct blob_reader *r);
/* Appends exactly n octets from offset, which must be there. Errors: ERR_IO, ERR_CORRUPT (cut short). */
MUST_USE enum err blob_reader_get(struct blob_reader *r, uint64_t offset, size_t n,
                                  struct buf *out);
/* The whole blob in memory, page by page as it is touched; borrowed until the reader is freed. Errors: ERR_IO. */
MUST_USE enum err blob_reader_map(struct blob_reader *r, struct str *out);
void blob_reader_free(struct blob_reader **r);

/* Deleting what is not there is no error. Errors: ERR_IO. */
MUST_USE enum err engine_blob_delete(struct engine *e, uint64_t id);
/* on_blob hears every blob there is; it may delete it. Errors: ERR_IO. */
MUST_USE enum err engine_blob_list(struct engine *e, void (*on_blob)(void *owner, uint64_t id),
                                   void *owner);

#endif
