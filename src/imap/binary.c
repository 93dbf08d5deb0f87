/* BINARY (RFC 3516, 4): parts, decoded.
 *
 * A literal tells its size first, and needs to be a literal8 when NUL is in it, so a part is read twice: once to
 * measure, once to send. Both go piece by piece with bounded memory, and give way to the neighbours. What the first reading
 * found is remembered, and so is where the last one ended: a phone fetches a picture in pieces, one after the
 * other, and each goes on where the one before ended.
 *
 *     7bit, 8bit, binary   the octets as they are: nothing to measure, unless text has to have its line ends looked at
 *     base64               when all lines are of one length, the place of an octet is arithmetic (binary_lines)
 *     quoted-printable     from the remembered place on, or from the beginning
 *
 * Text is sent with CRLF, whatever its lines end with (RFC 3516, 6): LF alone becomes CRLF. That holds for text in charsets
 * where LF is an octet, and without NUL, for other "text" is no lines. */
#include "imap/binary.h"

#include "base/scan.h"

enum { READ_SIZE = 16 * 1024, DECODED_MOST = 2 * READ_SIZE + 256, PIECES_A_STEP = 64 };

/* ---- which part ---- */

/* Is LF one octet in the part's charset? */
static bool has_octet_lines(const struct part *p)
{
    struct str charset = param_find(&p->params, STR("charset"));
    return !str_starts_nocase(charset, STR("utf-16")) && !str_starts_nocase(charset, STR("utf-32"))
           && !str_starts_nocase(charset, STR("iso-10646"));
}

/* What holds without reading. */
static void presume(struct binary_part *part)
{
    part->decoded_size = part->size;
    part->is_measured = part->kind == TRANSFER_IDENTITY && !part->is_text;
}

enum err binary_describe(uint64_t body_id, const struct shape *shape, const struct part *p,
                         struct binary_part *out)
{
    struct binary_part part = {.body_id = body_id, .size = shape->size, .has_nul = true};
    if (p != NULL) {
        if (p->is_multipart) {
            return ERR_UNKNOWN_CTE;
        }
        TRY(transfer_find(p->encoding, &part.kind));
        part.offset = p->body_offset;
        part.size = p->body_size;
        part.line_count = p->body_lines;
        part.has_nul = p->has_nul && part.kind == TRANSFER_IDENTITY;
        part.is_text = str_eq_nocase(p->type, STR("text")) && !part.has_nul && has_octet_lines(p);
    } else {
        part.has_nul = shape->root.has_nul;
    }
    presume(&part);
    part.line_count = part.is_measured ? part.line_count : 0;
    transfer_init(&part.mark.transfer, part.kind);
    *out = part;
    return ERR_OK;
}

struct binary_part *binary_cache_get(struct binary_cache *cache,
                                     const struct binary_part *described)
{
    for (unsigned i = 0; i < BINARY_CACHE_PARTS; i++) {
        struct binary_part *part = &cache->parts[i];
        if (part->body_id == described->body_id && part->offset == described->offset
            && part->size == described->size && part->kind == described->kind
            && part->is_text == described->is_text) {
            return part;
        }
    }
    struct binary_part *part = &cache->parts[cache->next];
    cache->next = (cache->next + 1) % BINARY_CACHE_PARTS;
    *part = *described;
    return part;
}

/* ---- measuring ---- */

static void end_line(struct binary_lines *l)
{
    unsigned newline = l->is_after_cr ? 2 : 1;
    if (l->line == 0) {
        l->line = l->column;
        l->newline = newline;
    }
    l->is_irregular = l->is_irregular || newline != l->newline || l->line == 0 || l->line % 4 != 0;
    l->is_ended = l->is_ended || l->column != l->line;
    l->column = 0;
    l->is_after_cr = false;
}

static void take_octet(struct binary_lines *l, char c)
{
    if (c == '\n') {
        end_line(l);
    } else if (c == '\r' && !l->is_after_cr) {
        l->is_after_cr = true;
    } else {
        bool is_digit = transfer_is_base64_digit(c);
        l->is_irregular =
            l->is_irregular || l->is_after_cr || !(is_digit ? !l->is_ended : c == '=');
        l->is_ended = l->is_ended || !is_digit;
        l->column++;
    }
}

/* Runs of digits are most of it. */
static void study_lines(struct binary_lines *l, struct str s)
{
    for (size_t i = 0; i < s.n && !l->is_irregular; i++) {
        size_t from = i;
        while (!l->is_ended && !l->is_after_cr && i < s.n && transfer_is_base64_digit(s.p[i])) {
            i++;
        }
        l->column += i - from;
        l->is_irregular = l->line > 0 && l->column > l->line;
        if (i < s.n) {
            take_octet(l, s.p[i]);
        }
    }
}

static void study_text(struct binary_part *part, struct str s)
{
    bool is_after_cr = part->mark.is_after_cr;
    for (size_t i = str_find_char(s, '\n'); i < s.n;) {
        bool has_cr = i > 0 ? s.p[i - 1] == '\r' : is_after_cr;
        part->bare_count += has_cr ? 0 : 1;
        part->line_count++;
        i += 1 + str_find_char(str_skip(s, i + 1), '\n');
    }
    part->mark.is_after_cr = s.n > 0 ? s.p[s.n - 1] == '\r' : is_after_cr;
}

static void end_measuring(struct binary_part *part)
{
    /* with NUL in it, it is no lines of text */
    part->bare_count = part->is_text && !part->has_nul ? part->bare_count : 0;
    part->decoded_size = part->mark.decoded + part->bare_count;
    part->mark = (struct binary_mark){0};
    transfer_init(&part->mark.transfer, part->kind);
    part->is_measured = true;
}

/* Decodes the next stored octets behind the mark. */
static enum err decode_next(const struct binary_part *part, struct binary_mark *mark,
                            struct body_reader *r, struct buf *out, struct str *raw)
{
    uint64_t left = part->size - mark->raw;
    size_t n = left < READ_SIZE ? (size_t)left : READ_SIZE;
    TRY(body_reader_get(r, part->offset + mark->raw, n, raw));
    if (raw->n != n) {
        return ERR_CORRUPT;
    }
    mark->raw += n;
    transfer_decode(&mark->transfer, *raw, mark->raw == part->size, out);
    return buf_err(out);
}

enum step binary_measure(struct binary_part *part, struct body_reader *r)
{
    CLEANUP(buf_release) struct buf decoded = BUF_INIT(DECODED_MOST);
    for (unsigned i = 0; i < PIECES_A_STEP && !part->is_measured; i++) {
        struct str raw = STR_EMPTY;
        buf_clear(&decoded);
        if (decode_next(part, &part->mark, r, &decoded, &raw) != ERR_OK) {
            return STEP_BAD;
        }
        if (part->kind == TRANSFER_BASE64) {
            study_lines(&part->lines, raw);
        }
        struct str s = buf_str(&decoded);
        study_text(part, s);
        part->has_nul = part->has_nul || (s.n > 0 && memchr(s.p, '\0', s.n) != NULL);
        part->mark.decoded += s.n;
        if (part->mark.raw == part->size) {
            end_measuring(part);
        }
    }
    return part->is_measured ? STEP_DONE : STEP_MORE;
}

/* ---- reading ---- */

/* The place nearest before a decoded offset that arithmetic finds. false: there is none. */
static bool seek(const struct binary_part *part, uint64_t offset, struct binary_mark *out)
{
    const struct binary_lines *l = &part->lines;
    bool is_plain =
        part->bare_count == 0
        && (part->kind == TRANSFER_IDENTITY || (part->kind == TRANSFER_BASE64 && !l->is_irregular));
    if (!is_plain) {
        return false;
    }
    *out = (struct binary_mark){.raw = offset, .decoded = offset};
    transfer_init(&out->transfer, part->kind);
    if (part->kind == TRANSFER_BASE64) {
        uint64_t groups = offset / 3;
        uint64_t in_line = l->line / 4;
        uint64_t ends = in_line > 0 ? groups / in_line * l->newline : 0;
        out->raw = groups * 4 + ends;
        out->decoded = groups * 3;
    }
    out->raw = out->raw < part->size ? out->raw : part->size;
    return true;
}

void binary_open(struct binary_octets *o, struct binary_part *part, struct body_reader *r,
                 uint64_t offset, uint64_t length)
{
    uint64_t total = part->decoded_size;
    offset = offset < total ? offset : total;
    *o = (struct binary_octets){.part = part, .reader = r};
    o->size = total - offset < length ? total - offset : length;
    buf_init(&o->raw, DECODED_MOST);
    buf_init(&o->decoded, 2 * (size_t)DECODED_MOST);
    if (!seek(part, offset, &o->at)) {
        o->at = (struct binary_mark){0};
        transfer_init(&o->at.transfer, part->kind);
        if (part->mark.decoded <= offset) {
            o->at = part->mark;
        }
    }
    o->begun = o->at;
    o->skip = offset - o->at.decoded;
}

/* Appends text with CR before each LF that has none. */
static void add_lines(struct binary_mark *mark, struct str s, struct buf *out)
{
    while (s.n > 0) {
        size_t n = str_find_char(s, '\n');
        buf_add(out, str_sub(s, 0, n));
        bool has_cr = n > 0 ? s.p[n - 1] == '\r' : mark->is_after_cr;
        if (n < s.n) {
            buf_add(out, has_cr ? STR("\n") : STR("\r\n"));
        }
        mark->is_after_cr = n == s.n && has_cr;
        s = str_skip(s, n + 1);
    }
}

static enum err fill(struct binary_octets *o)
{
    struct str raw;
    bool has_lines = o->part->bare_count > 0;
    o->begun = o->at;
    o->decoded_at = 0;
    buf_clear(&o->raw);
    buf_clear(&o->decoded);
    TRY(decode_next(o->part, &o->at, o->reader, has_lines ? &o->raw : &o->decoded, &raw));
    if (has_lines) {
        add_lines(&o->at, buf_str(&o->raw), &o->decoded);
    }
    o->at.decoded += o->decoded.len;
    return buf_err(&o->decoded);
}

enum step binary_read(struct binary_octets *o, size_t n, struct str *out)
{
    for (unsigned i = 0; i < PIECES_A_STEP; i++) {
        struct str s = str_skip(buf_str(&o->decoded), o->decoded_at);
        size_t skipped = o->skip < s.n ? (size_t)o->skip : s.n;
        o->skip -= skipped;
        o->decoded_at += skipped;
        s = str_skip(s, skipped);
        if (s.n > 0) {
            n = o->size < n ? (size_t)o->size : n;
            *out = str_sub(s, 0, n);
            o->decoded_at += out->n;
            o->size -= out->n;
            return STEP_DONE;
        }
        if (o->at.raw == o->part->size || fill(o) != ERR_OK) {
            return STEP_BAD;
        }
    }
    return STEP_MORE;
}

void binary_close(struct binary_octets *o)
{
    if (o->part != NULL) {
        bool is_used_up = o->decoded_at == o->decoded.len;
        o->part->mark = is_used_up ? o->at : o->begun;
    }
    buf_release(&o->raw);
    buf_release(&o->decoded);
    *o = (struct binary_octets){0};
}
