/* zlib over one piece of memory. What comes out of it is bounded by the buffer that it is for, piece by piece, whatever the octets
 * promise: some that were packed are a thousand times smaller than they were. */
#include "net/pack.h"

#include <stdlib.h>
#include <zlib.h>

enum { PIECE = 4096 };

void pack_write(struct str plain, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)plain.p, .avail_in = (uInt)plain.n};
    if (deflateInit(&z, Z_BEST_SPEED) != Z_OK) {
        abort();
    }
    int result = Z_OK;
    while (result == Z_OK && !out->is_full) {
        char piece[PIECE];
        z.next_out = (Bytef *)piece;
        z.avail_out = sizeof(piece);
        result = deflate(&z, Z_FINISH);
        buf_add(out, str_make(piece, sizeof(piece) - z.avail_out));
    }
    (void)deflateEnd(&z);
}

enum err pack_read(struct str packed, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.p, .avail_in = (uInt)packed.n};
    if (inflateInit(&z) != Z_OK) {
        abort();
    }
    int result = Z_OK;
    while (result == Z_OK && !out->is_full) {
        char piece[PIECE];
        z.next_out = (Bytef *)piece;
        z.avail_out = sizeof(piece);
        result = inflate(&z, Z_NO_FLUSH);
        buf_add(out, str_make(piece, sizeof(piece) - z.avail_out));
    }
    bool is_whole = result == Z_STREAM_END && z.avail_in == 0;
    (void)inflateEnd(&z);
    return out->is_full ? ERR_LIMIT : is_whole ? ERR_OK : ERR_CORRUPT;
}
