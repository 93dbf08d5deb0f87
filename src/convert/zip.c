/* Zip archives.
 *
 *     ... local header, name, octets ... | central directory: an entry a file | end record (22 octets, and a comment)
 *
 * The end record is looked for from the end. Sizes are taken from the central directory; of a local header only the lengths
 * that say where the octets begin. The size that a file claims to have unpacked is not believed and not needed. */
#include "convert/zip.h"

#include "base/scan.h"

#define ZLIB_CONST
#include <zlib.h>

enum {
    END_SIZE = 22,
    END_MOST = END_SIZE + 65535,
    ENTRY_SIZE = 46,
    LOCAL_SIZE = 30,
    PIECE_SIZE = 64 * 1024,
    METHOD_STORED = 0,
    METHOD_DEFLATED = 8
};

static uint16_t get16(struct str s, size_t at)
{
    struct scan c = scan_make(str_skip(s, at));
    return scan_le16(&c);
}

static uint32_t get32(struct str s, size_t at)
{
    struct scan c = scan_make(str_skip(s, at));
    return scan_le32(&c);
}

enum err zip_open(struct str octets, struct zip *out)
{
    size_t least = octets.n > END_MOST ? octets.n - END_MOST : 0;
    for (size_t at = octets.n >= END_SIZE ? octets.n - END_SIZE + 1 : 0; at-- > least;) {
        if (!str_starts(str_skip(octets, at), STR("PK\5\6"))) {
            continue;
        }
        *out = (struct zip){octets, get32(octets, at + 16), get16(octets, at + 10)};
        return out->at < at && out->count <= ZIP_ENTRIES_MOST ? ERR_OK : ERR_SYNTAX;
    }
    return ERR_SYNTAX;
}

/* The octets of the entry whose row of the central directory this is. */
static enum err find_packed(const struct zip *z, struct str row, struct zip_entry *out)
{
    size_t size = get32(row, 20);
    size_t at = get32(row, 42);
    struct str local = str_skip(z->octets, at);
    if (!str_starts(local, STR("PK\3\4")) || local.n < LOCAL_SIZE) {
        return ERR_SYNTAX;
    }
    size_t before = (size_t)LOCAL_SIZE + get16(local, 26) + get16(local, 28);
    out->packed = str_sub(local, before, size);
    return out->packed.n == size ? ERR_OK : ERR_SYNTAX;
}

enum err zip_find(const struct zip *z, struct str name, struct zip_entry *out)
{
    size_t at = z->at;
    for (unsigned i = 0; i < z->count; i++) {
        struct str row = str_skip(z->octets, at);
        if (row.n < ENTRY_SIZE || !str_starts(row, STR("PK\1\2"))) {
            return ERR_SYNTAX;
        }
        size_t name_n = get16(row, 28);
        out->name = str_sub(row, ENTRY_SIZE, name_n);
        out->method = get16(row, 10);
        if (str_eq(out->name, name)) {
            return find_packed(z, row, out);
        }
        at += (size_t)ENTRY_SIZE + name_n + get16(row, 30) + get16(row, 32);
    }
    return ERR_NOT_FOUND;
}

static enum err inflate_all(z_stream *stream, struct buf *out)
{
    int r = Z_OK;
    while (r == Z_OK) {
        char *room = buf_reserve(out, PIECE_SIZE);
        if (room == NULL) {
            return ERR_LIMIT;
        }
        stream->next_out = (unsigned char *)room;
        stream->avail_out = PIECE_SIZE;
        r = inflate(stream, Z_NO_FLUSH);
        size_t made = PIECE_SIZE - stream->avail_out;
        buf_commit(out, made);
        if (made == 0 && r == Z_OK) {
            return ERR_SYNTAX;
        }
    }
    return r == Z_STREAM_END ? ERR_OK : ERR_SYNTAX;
}

enum err zip_read(const struct zip_entry *e, struct buf *out)
{
    z_stream stream = {.avail_in = (unsigned)e->packed.n};
    if (e->method == METHOD_STORED) {
        buf_add(out, e->packed);
        return buf_err(out);
    }
    if (e->method != METHOD_DEFLATED || e->packed.n > UINT32_MAX
        || inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
        return ERR_SYNTAX;
    }
    stream.next_in = (z_const unsigned char *)e->packed.p;
    enum err err = inflate_all(&stream, out);
    (void)inflateEnd(&stream);
    return err;
}
