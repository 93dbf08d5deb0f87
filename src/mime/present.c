/* Showing binary parts in an encoding that everybody can take.
 *
 * A binary part may hold NUL, which IMAP's literals cannot carry, so what FETCH BODY shows of it is base64, and
 * BODYSTRUCTURE, sizes and line counts must agree with that to the octet (RFC 3516, 6). The stored octets stay as they
 * came, for BINARY and for signatures. Between the two stands a list of pieces:
 *
 *     stored      header   "...Encoding: binary"   header   binary octets   "--boundary" ...
 *                   | raw            | text          | raw        | base64        | raw
 *     presented   header   "...Encoding: base64"   header   base64 lines    "--boundary" ...
 *
 * Base64 lines have a fixed size, so an offset in the presented message is an offset in the stored one by arithmetic, and a
 * read from the middle costs no more than one from the beginning.
 *
 * A multipart or a message that is labelled binary because of its parts becomes 8bit. A new field is never shorter than the one
 * it replaces (blanks fill it up) and an encoded body is always longer: so a presented message is larger than its stored
 * one, and the two sizes tell whether there is something to present. NUL where no encoding is possible, in headers and
 * between parts, is shown as octet 128. Fields are looked for in the first HEADER_MOST octets of a header. */
#include "mime/present.h"

#include "base/base64.h"
#include "base/vec.h"
#include "mime/field.h"

#include <string.h>

enum {
    HEADER_MOST = 256 * 1024,
    LINE_IN = 57,  /* octets in a line of base64 */
    LINE_OUT = 78, /* with its CRLF */
};

enum piece_kind { PIECE_RAW, PIECE_TEXT, PIECE_BASE64 };

struct present_piece {
    enum piece_kind kind;
    uint64_t at;   /* in the presented message */
    uint64_t size; /* there */
    uint64_t from; /* stored offset, but of PIECE_TEXT */
    uint64_t from_size;
    struct str text;
};

static bool is_binary(const struct part *p)
{
    return str_eq_nocase(p->encoding, STR("binary"));
}

static bool must_encode(const struct part *p)
{
    return p->child_count == 0 && p->body_size > 0 && (p->has_nul || is_binary(p));
}

/* The depth is bounded by SHAPE_DEPTH_MOST. */
static bool has_binary(const struct part *p)
{
    bool has = must_encode(p);
    for (uint32_t i = 0; !has && i < p->child_count; i++) {
        has = has_binary(&p->children[i]);
    }
    return has;
}

bool present_is_needed(const struct shape *stored)
{
    return has_binary(&stored->root);
}

/* ---- building ---- */

struct builder {
    struct arena *arena;
    const struct present_source *source;
    VEC(struct present_piece) pieces;
    uint64_t from;  /* stored octets that have their piece */
    uint64_t at;    /* presented octets */
    uint64_t lines; /* how many lines more the presented octets have (modulo 2^64) */
    enum err err;
};

static void add_piece(struct builder *b, struct present_piece piece)
{
    if (piece.size > 0) {
        piece.at = b->at;
        b->at += piece.size;
        vec_push(&b->pieces, piece);
    }
}

static void copy_up_to(struct builder *b, uint64_t offset)
{
    if (offset > b->from) {
        add_piece(b, (struct present_piece){.kind = PIECE_RAW,
                                            .size = offset - b->from,
                                            .from = b->from,
                                            .from_size = offset - b->from});
        b->from = offset;
    }
}

static uint64_t count_base64_lines(uint64_t size)
{
    return (size - 1) / LINE_IN; /* the last one has no line end */
}

static uint64_t get_base64_size(uint64_t size)
{
    return (size + 2) / 3 * 4 + 2 * count_base64_lines(size);
}

/* A field that says encoding, at least n octets of it. */
static void add_field(struct builder *b, struct str encoding, size_t n)
{
    struct str name = STR("Content-Transfer-Encoding: ");
    size_t bare = name.n + encoding.n + 2;
    size_t size = bare > n ? bare : n;
    char *p = arena_alloc(b->arena, size);
    if (p == NULL) {
        b->err = ERR_LIMIT;
        return;
    }
    memset(p, ' ', size);
    memcpy(p, name.p, name.n);
    memcpy(p + name.n, encoding.p, encoding.n);
    memcpy(p + size - 2, "\r\n", 2);
    add_piece(b,
              (struct present_piece){.kind = PIECE_TEXT, .size = size, .text = str_make(p, size)});
    b->lines++;
}

/* The header of p with another encoding. */
static void recode_header(struct builder *b, const struct part *p, struct str encoding)
{
    CLEANUP(buf_release) struct buf copy = BUF_INIT(HEADER_MOST);
    struct str header = STR_EMPTY;
    bool has_field = false;
    size_t n = p->header_size < HEADER_MOST ? (size_t)p->header_size : HEADER_MOST;
    b->err = n == 0 ? ERR_OK : b->source->get(b->source->owner, p->header_offset, n, &header);
    if (b->err != ERR_OK) {
        return;
    }
    buf_add(&copy, header);
    struct field field;
    size_t at = 0;
    while (b->err == ERR_OK && field_next(buf_str(&copy), &at, &field)) {
        if (!str_eq_nocase(field.name, STR("Content-Transfer-Encoding"))) {
            continue;
        }
        copy_up_to(b, p->header_offset + field.offset);
        add_field(b, encoding, field.size);
        b->lines -= str_count_char(str_sub(buf_str(&copy), field.offset, field.size), '\n');
        b->from = p->header_offset + field.offset + field.size;
        has_field = true;
    }
    if (!has_field) {
        add_field(b, encoding, 0);
    }
}

static struct str choose_encoding(const struct part *p)
{
    if (must_encode(p)) {
        return STR("base64");
    }
    return p->child_count > 0 && is_binary(p) ? STR("8bit") : STR_EMPTY;
}

static void present_part(struct builder *b, const struct part *p, struct part *out);

static void present_children(struct builder *b, const struct part *p, struct part *out)
{
    struct part *children = arena_array(b->arena, struct part, p->child_count);
    if (children == NULL) {
        b->err = ERR_LIMIT;
        return;
    }
    for (uint32_t i = 0; i < p->child_count && b->err == ERR_OK; i++) {
        present_part(b, &p->children[i], &children[i]);
    }
    copy_up_to(b, p->body_offset + p->body_size);
    out->children = children;
}

/* The depth is bounded by SHAPE_DEPTH_MOST. */
static void present_part(struct builder *b, const struct part *p, struct part *out)
{
    struct str encoding = choose_encoding(p);
    *out = *p;
    copy_up_to(b, p->header_offset);
    out->header_offset = b->at;
    if (encoding.n > 0) {
        out->encoding = encoding;
        recode_header(b, p, encoding);
    }
    copy_up_to(b, p->body_offset);
    out->header_size = b->at - out->header_offset;
    out->body_offset = b->at;
    uint64_t lines = b->lines;
    if (must_encode(p)) {
        add_piece(b, (struct present_piece){.kind = PIECE_BASE64,
                                            .size = get_base64_size(p->body_size),
                                            .from = p->body_offset,
                                            .from_size = p->body_size});
        b->from = p->body_offset + p->body_size;
        b->lines += count_base64_lines(p->body_size) - p->body_lines;
        out->has_nul = false;
        out->has_8bit = false;
    } else if (p->child_count > 0) {
        present_children(b, p, out);
    } else {
        copy_up_to(b, p->body_offset + p->body_size);
    }
    out->body_size = b->at - out->body_offset;
    out->body_lines = p->body_lines + (b->lines - lines);
}

enum err present_build(struct arena *a, const struct shape *stored,
                       const struct present_source *source, struct present *out)
{
    struct builder b = {.arena = a, .source = source};
    struct present present = {0};
    present_part(&b, &stored->root, &present.shape.root);
    copy_up_to(&b, stored->size);
    present.shape.size = b.at;
    present.count = b.pieces.count;
    struct present_piece *pieces = arena_array(a, struct present_piece, b.pieces.count);
    if (pieces == NULL && b.err == ERR_OK) {
        b.err = ERR_LIMIT;
    }
    for (size_t i = 0; b.err == ERR_OK && i < b.pieces.count; i++) {
        pieces[i] = b.pieces.at[i];
    }
    present.pieces = pieces;
    if (b.err == ERR_OK) {
        *out = present;
    }
    vec_release(&b.pieces);
    return b.err;
}

/* ---- measuring ---- */

static enum err get_octets(void *owner, uint64_t offset, size_t n, struct str *out)
{
    *out = str_sub(*(const struct str *)owner, (size_t)offset, n);
    return ERR_OK;
}

/* A look that spares nearly all messages the reading of their shape: no NUL, and no part says "binary". */
static bool may_be_binary(struct str octets, struct str serialised)
{
    bool may = octets.n > 0 && memchr(octets.p, '\0', octets.n) != NULL;
    for (size_t i = 0; !may && i < serialised.n; i++) {
        may = ascii_lower(serialised.p[i]) == 'b'
              && str_starts_nocase(str_skip(serialised, i), STR("binary"));
    }
    return may;
}

static enum err measure(struct arena *a, struct str octets, struct str serialised, uint64_t *size)
{
    struct present_source source = {get_octets, &octets};
    struct shape shape;
    struct present present;
    TRY(shape_parse(a, serialised, &shape));
    if (present_is_needed(&shape)) {
        TRY(present_build(a, &shape, &source, &present));
        *size = present.shape.size;
    }
    return ERR_OK;
}

enum err present_measure(struct str octets, struct str serialised, uint64_t *size)
{
    uint64_t measured = octets.n;
    if (may_be_binary(octets, serialised)) {
        struct arena *a = arena_new(2 * (size_t)SHAPE_ARENA_MOST);
        enum err e = measure(a, octets, serialised, &measured);
        arena_free(&a);
        TRY(e);
    }
    *size = measured;
    return ERR_OK;
}

/* ---- reading ---- */

/* The piece that holds offset, which is less than the presented size. */
static const struct present_piece *find_piece(const struct present *p, uint64_t offset)
{
    size_t low = 0;
    size_t high = p->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (p->pieces[middle].at <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &p->pieces[low];
}

static enum err read_raw(const struct present_piece *piece, const struct present_source *source,
                         uint64_t skip, size_t n, struct buf *out)
{
    struct str octets;
    TRY(source->get(source->owner, piece->from + skip, n, &octets));
    size_t start = out->len;
    buf_add(out, octets);
    for (size_t i = start; i < out->len; i++) {
        out->p[i] = out->p[i] == '\0' ? '\x80' : out->p[i];
    }
    return octets.n == 0 ? ERR_CORRUPT : buf_err(out);
}

/* Whole lines around what is wanted, cut afterwards. */
static enum err read_base64(const struct present_piece *piece, const struct present_source *source,
                            uint64_t skip, size_t n, struct buf *out)
{
    uint64_t line = skip / LINE_OUT;
    size_t cut = (size_t)(skip % LINE_OUT);
    size_t lines = (cut + n + LINE_OUT - 1) / LINE_OUT;
    uint64_t left = piece->from_size - line * LINE_IN;
    size_t want = left < lines * LINE_IN ? (size_t)left : lines * LINE_IN;
    CLEANUP(buf_release) struct buf text = BUF_INIT(lines * LINE_OUT);
    struct str octets;
    TRY(source->get(source->owner, piece->from + line * LINE_IN, want, &octets));
    if (octets.n != want) {
        return ERR_CORRUPT;
    }
    for (size_t i = 0; i < octets.n; i += LINE_IN) {
        base64_write(&text, str_sub(octets, i, LINE_IN));
        buf_add(&text, i + LINE_IN < left ? STR("\r\n") : STR_EMPTY);
    }
    buf_add(out, str_sub(buf_str(&text), cut, n));
    return buf_err(out);
}

enum err present_read(const struct present *p, const struct present_source *source, uint64_t offset,
                      size_t n, struct buf *out)
{
    if (offset >= p->shape.size || n == 0) {
        return ERR_OK;
    }
    const struct present_piece *piece = find_piece(p, offset);
    uint64_t skip = offset - piece->at;
    n = piece->size - skip < n ? (size_t)(piece->size - skip) : n;
    switch (piece->kind) {
    case PIECE_TEXT:
        buf_add(out, str_sub(piece->text, (size_t)skip, n));
        return buf_err(out);
    case PIECE_BASE64:
        return read_base64(piece, source, skip, n, out);
    case PIECE_RAW:
        break;
    }
    return read_raw(piece, source, skip, n, out);
}
