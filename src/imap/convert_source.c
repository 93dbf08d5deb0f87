/* A part's octets for its conversion: read from the store window by window, transfer encoding undone. */
#include "imap/convert_item.h"

#include "base/mem.h"
#include "mime/transfer.h"

#include <stdlib.h>

enum { WINDOW_SIZE = 32 * 1024, DECODED_MOST = 2 * WINDOW_SIZE };

struct convert_source {
    struct body_reader *reader;
    uint64_t at; /* in the message */
    uint64_t end;
    struct transfer transfer;
    struct buf decoded;
};

enum err convert_source_new(struct account *a, uint64_t body_id, const struct part *part,
                            struct convert_source **out)
{
    enum transfer_kind kind = TRANSFER_IDENTITY;
    TRY(transfer_find(part->encoding, &kind));
    struct convert_source *s = mem_new(sizeof(*s));
    s->at = part->body_offset;
    s->end = part->body_offset + part->body_size;
    transfer_init(&s->transfer, kind);
    buf_init(&s->decoded, DECODED_MOST);
    enum err e = body_reader_new(a, body_id, &s->reader);
    if (e != ERR_OK) {
        convert_source_free(&s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

void convert_source_free(struct convert_source **s)
{
    if (*s == NULL) {
        return;
    }
    if ((*s)->reader != NULL) {
        body_reader_free(&(*s)->reader);
    }
    buf_release(&(*s)->decoded);
    free(*s);
    *s = NULL;
}

enum err convert_source_read(struct convert_source *s, struct str *out, bool *is_last)
{
    uint64_t left = s->end - s->at;
    struct str window = STR_EMPTY;
    if (left > 0) {
        TRY(body_reader_get(s->reader, s->at, left < WINDOW_SIZE ? (size_t)left : WINDOW_SIZE,
                            &window));
        if (window.n == 0) {
            return ERR_CORRUPT;
        }
    }
    s->at += window.n;
    *is_last = s->at == s->end;
    buf_clear(&s->decoded);
    transfer_decode(&s->transfer, window, *is_last, &s->decoded);
    *out = buf_str(&s->decoded);
    return buf_err(&s->decoded);
}

/* The part whose header it is: a message inside for HEADER, the part itself for MIME. NULL: there is none. */
static const struct part *find_header(const struct shape *shape, const struct section *section)
{
    const struct part *part = shape_find_part(shape, section->path, section->depth);
    if (part == NULL || section->text == SECTION_MIME || section->depth == 0) {
        return part;
    }
    return part->is_message ? &part->children[0] : NULL;
}

static enum err copy_octets(struct body_reader *r, uint64_t at, uint64_t size, struct buf *out)
{
    while (size > 0 && !out->is_full) {
        struct str window;
        TRY(body_reader_get(r, at, size < WINDOW_SIZE ? (size_t)size : WINDOW_SIZE, &window));
        if (window.n == 0) {
            return ERR_CORRUPT;
        }
        buf_add(out, window);
        at += window.n;
        size -= window.n;
    }
    return buf_err(out);
}

enum err convert_source_read_header(struct account *a, uint64_t body_id, const struct shape *shape,
                                    const struct section *section, struct buf *out)
{
    struct body_reader *r = NULL;
    const struct part *part = find_header(shape, section);
    if (part == NULL) {
        return ERR_NO_PART;
    }
    TRY(body_reader_new(a, body_id, &r));
    enum err e = copy_octets(r, part->header_offset, part->header_size, out);
    body_reader_free(&r);
    return e;
}
