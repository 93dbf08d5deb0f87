#ifndef LIMETTA_QUEUE_SPOOL_H
#define LIMETTA_QUEUE_SPOOL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "smtp/content.h"

#include <stdbool.h>
#include <stdint.h>

/* The octets of one message on their way into the queue: in memory up to SPOOL_INLINE_MOST, above that in a blob file.
 * Nothing of it outlives a crash before queue_add() and queue_commit(). */
struct spool;

enum { SPOOL_INLINE_MOST = 64 * 1024, SPOOL_NAME_SIZE = 32, SPOOL_GENERATION_SIZE = 8 };

/* dir: folder of the blobs, copied. generation: how a blob's name begins, SPOOL_GENERATION_SIZE octets, copied; empty: at random.
 * most: largest size in octets. */
struct spool *spool_new(struct str dir, struct str generation, uint64_t most);
/* Errors: ERR_TOO_BIG, ERR_NO_SPACE, ERR_IO; sticky. */
MUST_USE enum err spool_add(struct spool *s, struct str octets);
uint64_t spool_get_size(const struct spool *s);
const struct content_scan *spool_get_scan(const struct spool *s);
/* Everything written is in the blob file, if there is one. */
MUST_USE enum err spool_flush(struct spool *s);
/* Makes the blob durable (fsync), if there is one. */
MUST_USE enum err spool_sync(struct spool *s);
/* The blob file's name in dir; empty: the octets are inline. */
struct str spool_get_name(const struct spool *s);
struct str spool_get_inline(const struct spool *s);
/* The blob now belongs to somebody else: spool_free() leaves the file. */
void spool_keep(struct spool *s);
void spool_free(struct spool **s);

/* Reads spooled octets back. */
struct spool_reader;

/* name empty: reads inline_octets, which are copied. Errors: ERR_NOT_FOUND, ERR_IO. */
MUST_USE enum err spool_reader_new(struct str dir, struct str name, struct str inline_octets,
                                   struct spool_reader **out);
uint64_t spool_reader_get_size(const struct spool_reader *r);
/* At most n octets (n <= 64 KiB) from offset, fewer only at the end; borrowed until the next call. Errors: ERR_IO. */
MUST_USE enum err spool_reader_get(struct spool_reader *r, uint64_t offset, size_t n,
                                   struct str *out);
/* All octets at once, mapped: borrowed while r lives. Errors: ERR_IO. */
MUST_USE enum err spool_reader_map(struct spool_reader *r, struct str *out);
void spool_reader_free(struct spool_reader **r);

#endif
