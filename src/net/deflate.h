#ifndef LIMETTA_NET_DEFLATE_H
#define LIMETTA_NET_DEFLATE_H

#include "base/buf.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/stream.h"

#include <stddef.h>

/* DEFLATE without a header (RFC 1951) both ways over any stream, as RFC 4978 puts it between IMAP and TLS. What is written in a
 * turn leaves at its end, flushed to a whole octet. Octets that arrive are inflated only as fast as they are taken: when the
 * user pauses, the rest waits as it came, so a small bomb stays small. Octets that are no DEFLATE are on_end(ERR_SYNTAX); one can
 * still write. */

/* What all such streams of a process share: compressors, and room to work in. */
struct deflate_pool;

/* compressors_most: how many streams at once have a compressor with a memory (64 KiB each); at least 1. The one that wrote least
 * recently loses it, and begins with an empty memory when it writes again. */
struct deflate_pool *deflate_pool_new(struct loop *l, size_t compressors_most);
/* Streams that use it keep it alive. */
void deflate_pool_free(struct deflate_pool **p);

/* Makes a filter over under (taken). early: octets that came before the filter was there; copied. */
struct stream *deflate_new(struct deflate_pool *p, struct stream *under, struct str early);
/* Ends our side of the layer, in the last octets of this turn if any were written in it. What is written from now on passes
 * as it is. */
void deflate_end(struct stream *s);
/* Takes the layer off: ends our side of it, if that was not done, and appends to rest what arrived and is not inflated yet: behind
 * the peer's end of the layer that is plain. Returns the stream under it, paused and without a handler. s must be a DEFLATE stream. */
struct stream *deflate_strip(struct stream **s, struct buf *rest);

#endif
