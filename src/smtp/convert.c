/* The next host lacks BINARYMIME, 8BITMIME or SMTPUTF8, and we have accepted the message: so it is recoded, part by part,
 * using the shape (mime/shape.h) to know where parts are.
 *
 *     leaf whose body the host can take     copied, stray CR and LF made line ends
 *     text                                  quoted-printable; base64 when it holds NUL or is binary
 *     any other leaf                        base64
 *     multipart, message                    copied around their parts; a label of 8bit or binary becomes 7bit, for so it
 *                                           is when all is done (RFC 2045, 6.4: no other encoding is allowed there)
 *
 * Only Content-Transfer-Encoding fields are replaced (and MIME-Version added where a message had none), and header lines
 * that are too long are folded; everything else passes. A part that is labelled base64 or quoted-printable is never recoded.
 * What is under a signature may not change by an octet (RFC 1847, 2.1), not even its line ends: a multipart/signed that
 * the host cannot take makes the conversion fail. So does a multipart/encrypted, whose inside is to be left alone by everybody
 * but the recipient (RFC 1847, 2.2). An application/pkcs7-mime part is one object, signed as what it decodes to; its
 * transfer encoding is nobody's but the transport's (RFC 8551, 3.1.2), so it is recoded as any leaf. A DKIM signature breaks
 * with any of this; who signs, signs what leaves last.
 *
 * For a host without SMTPUTF8 every header, those of parts and of messages inside included, becomes ASCII
 * (mime/header_ascii.h), and a message/global, with its header in ASCII, a message/rfc822 (RFC 6532, 3.7). What cannot be
 * written in ASCII, a local part for one, makes the conversion fail.
 *
 * The lines of an encoded text part are the CRLF lines it had; the octets of an encoded binary part are kept exactly. */
#include "smtp/convert.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/buf.h"
#include "mime/header_ascii.h"
#include "mime/shape.h"

enum { SERIALISED_MOST = 16 * 1024 * 1024, TREE_MOST = 64 * 1024 * 1024, PIECE_MOST = 32 * 1024 };
enum { HEADER_MOST = 16 * 1024 * 1024 };
enum { QP_LINE_MOST = 76, BASE64_LINE_OCTETS = 57 };

struct convert {
    struct str message;
    struct content_able able;
    enum err (*add)(void *owner, struct str octets);
    void *owner;
    struct buf out;
    bool is_after_cr; /* of the lines being copied */
    enum err err;
};

static void flush(struct convert *c)
{
    if (c->err == ERR_OK && c->out.len > 0) {
        c->err = c->add(c->owner, buf_str(&c->out));
    }
    buf_clear(&c->out);
}

static void flush_large(struct convert *c)
{
    if (c->out.len >= PIECE_MOST) {
        flush(c);
    }
}

/* ---- writing ---- */

/* Copies octets; a CR or LF that stands alone becomes CRLF. */
static void copy_lines(struct convert *c, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        if (c->is_after_cr && ch != '\n') {
            buf_add_char(&c->out, '\n');
        } else if (ch == '\n' && !c->is_after_cr) {
            buf_add_char(&c->out, '\r');
        }
        c->is_after_cr = ch == '\r';
        buf_add_char(&c->out, ch);
        flush_large(c);
    }
}

/* Before anything but more lines is written: a CR at the end gets its LF. */
static void end_lines(struct convert *c)
{
    if (c->is_after_cr) {
        buf_add_char(&c->out, '\n');
        c->is_after_cr = false;
    }
}

static void write_base64(struct convert *c, struct str s)
{
    while (s.n > 0) {
        base64_write(&c->out, str_sub(s, 0, BASE64_LINE_OCTETS));
        buf_add(&c->out, STR("\r\n"));
        s = str_skip(s, BASE64_LINE_OCTETS);
        flush_large(c);
    }
}

/* May the octet at s[i] stand for itself? (RFC 2045, 6.7) */
static bool is_qp_plain(struct str s, size_t i)
{
    unsigned char o = (unsigned char)s.p[i];
    if (o == ' ' || o == '\t') {
        return i + 1 < s.n && s.p[i + 1] != '\r';
    }
    return o >= 33 && o <= 126 && o != '=';
}

static void write_qp(struct convert *c, struct str s)
{
    size_t column = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n') {
            buf_add(&c->out, STR("\r\n"));
            column = 0;
            i++;
            continue;
        }
        size_t width = is_qp_plain(s, i) ? 1 : 3;
        if (column + width >= QP_LINE_MOST) {
            buf_add(&c->out, STR("=\r\n"));
            column = 0;
        }
        if (width == 1) {
            buf_add_char(&c->out, s.p[i]);
        } else {
            buf_addf(&c->out, "=%02X", (unsigned)(unsigned char)s.p[i]);
        }
        column += width;
        flush_large(c);
    }
}

/* ---- headers ---- */

/* The field at the start of s with its folded lines. */
static struct str next_field(struct str s)
{
    size_t at = 0;
    do {
        at += str_find_char(str_skip(s, at), '\n');
        at += at < s.n;
    } while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t'));
    return str_sub(s, 0, at);
}

static bool is_empty_line(struct str s)
{
    return str_starts(s, STR("\r\n")) || str_starts(s, STR("\n"));
}

/* Where a line longer than CONTENT_LINE_MOST can be folded (RFC 5322, 2.2.3): at the last blank that leaves something to
 * either side. 0: nowhere. */
static size_t find_fold(struct str line)
{
    size_t at = CONTENT_LINE_MOST;
    while (at > 0 && line.p[at] != ' ' && line.p[at] != '\t') {
        at--;
    }
    return str_trim(str_sub(line, 0, at)).n > 0 ? at : 0;
}

/* Copies header lines; a host that does not take long lines does not take them in headers, either. */
static void copy_ascii_header(struct convert *c, struct str h)
{
    while (h.n > 0) {
        size_t n = str_find_char(h, '\n');
        struct str line = str_sub(h, 0, n + 1);
        h = str_skip(h, line.n);
        size_t fold = 1;
        while (line.n > CONTENT_LINE_MOST + 2 && fold > 0) {
            fold = find_fold(line);
            if (fold > 0) {
                copy_lines(c, str_sub(line, 0, fold));
                copy_lines(c, STR("\r\n"));
                line = str_skip(line, fold);
            }
        }
        copy_lines(c, line);
    }
}

/* The same, in ASCII where the host needs it. */
static void copy_header(struct convert *c, struct str h)
{
    if (c->able.is_utf8 || !header_has_8bit(h)) {
        copy_ascii_header(c, h);
        return;
    }
    CLEANUP(buf_release) struct buf ascii = BUF_INIT(HEADER_MOST);
    enum err e = header_to_ascii(h, &ascii);
    if (e == ERR_OK) {
        end_lines(c);
        copy_ascii_header(c, buf_str(&ascii));
    } else if (c->err == ERR_OK) {
        c->err = e == ERR_LIMIT ? ERR_CONVERSION : e;
    }
}

/* message/global is message/rfc822 once its header is ASCII. */
static bool is_renamed(const struct convert *c, const struct part *p)
{
    return !c->able.is_utf8 && p->is_message && str_eq_nocase(p->subtype, STR("global"));
}

/* The header of p with another Content-Transfer-Encoding; encoding empty: as it is, but folded where it must be. */
static void write_header(struct convert *c, const struct part *p, bool is_root, struct str encoding)
{
    struct str h = str_sub(c->message, (size_t)p->header_offset, (size_t)p->header_size);
    if (encoding.n == 0 && !is_renamed(c, p)) {
        copy_header(c, h);
        return;
    }
    bool has_version = false;
    while (h.n > 0 && !is_empty_line(h)) {
        struct str field = next_field(h);
        h = str_skip(h, field.n);
        has_version = has_version || str_starts_nocase(field, STR("MIME-Version:"));
        bool is_type = is_renamed(c, p) && str_starts_nocase(field, STR("Content-Type:"));
        bool is_encoding =
            encoding.n > 0 && str_starts_nocase(field, STR("Content-Transfer-Encoding:"));
        if (!is_type && !is_encoding) {
            copy_header(c, field);
        }
    }
    end_lines(c);
    if (is_renamed(c, p)) {
        buf_add(&c->out, STR("Content-Type: message/rfc822\r\n"));
    }
    if (is_root && !has_version) {
        buf_add(&c->out, STR("MIME-Version: 1.0\r\n"));
    }
    if (encoding.n > 0) {
        buf_addf(&c->out, "Content-Transfer-Encoding: %.*s\r\n", STR_ARG(encoding));
    }
    copy_lines(c, h.n > 0 ? h : STR("\r\n"));
}

/* ---- parts ---- */

static bool is_unencoded(struct str encoding)
{
    return str_eq_nocase(encoding, STR("7bit")) || str_eq_nocase(encoding, STR("8bit"))
           || str_eq_nocase(encoding, STR("binary"));
}

static enum content_kind find_kind(struct str octets, bool is_binary)
{
    struct content_scan scan = {0};
    content_scan_add(&scan, octets);
    /* Stray CR and LF in text are line ends that will be repaired; in binary data they are data. */
    scan.has_bare = scan.has_bare && is_binary;
    scan.is_after_cr = scan.is_after_cr && is_binary;
    return content_get_kind(&scan);
}

static struct str choose_encoding(struct convert *c, const struct part *p, struct str body)
{
    bool is_binary = str_eq_nocase(p->encoding, STR("binary"));
    if (!is_unencoded(p->encoding) || find_kind(body, is_binary) <= c->able.kind) {
        return STR_EMPTY;
    }
    bool is_text = str_eq_nocase(p->type, STR("text")) && !is_binary && !p->has_nul;
    return is_text ? STR("quoted-printable") : STR("base64");
}

/* A binary label over a body that needs none would ask for BINARYMIME again. */
static struct str relabel(struct convert *c, const struct part *p, struct str body)
{
    bool is_high = str_eq_nocase(p->encoding, STR("binary"))
                   || (c->able.kind == CONTENT_7BIT && str_eq_nocase(p->encoding, STR("8bit")));
    if (!is_high) {
        return STR_EMPTY;
    }
    return find_kind(body, false) == CONTENT_8BIT ? STR("8bit") : STR("7bit");
}

static void write_leaf(struct convert *c, const struct part *p, bool is_root)
{
    struct str body = str_sub(c->message, (size_t)p->body_offset, (size_t)p->body_size);
    struct str encoding = choose_encoding(c, p, body);
    write_header(c, p, is_root, encoding.n > 0 ? encoding : relabel(c, p, body));
    end_lines(c);
    if (str_eq(encoding, STR("base64"))) {
        write_base64(c, body);
    } else if (encoding.n > 0) {
        write_qp(c, body);
    } else {
        copy_lines(c, body);
    }
}

static void copy_range(struct convert *c, uint64_t from, uint64_t to)
{
    if (to > from) {
        copy_lines(c, str_sub(c->message, (size_t)from, (size_t)(to - from)));
    }
}

static bool is_sealed(const struct part *p)
{
    bool is_multipart = str_eq_nocase(p->type, STR("multipart"));
    return is_multipart
           && (str_eq_nocase(p->subtype, STR("signed"))
               || str_eq_nocase(p->subtype, STR("encrypted")));
}

/* Is a header inside p beyond ASCII? depth is bounded by SHAPE_DEPTH_MOST. */
static bool has_utf8_inside(const struct convert *c, const struct part *p)
{
    for (uint32_t i = 0; i < p->child_count; i++) {
        const struct part *child = &p->children[i];
        struct str h =
            str_sub(c->message, (size_t)child->header_offset, (size_t)child->header_size);
        if (header_has_8bit(h) || has_utf8_inside(c, child)) {
            return true;
        }
    }
    return false;
}

/* What is signed or encrypted in p, with the headers of its parts, as it is, or not at all. */
static void copy_sealed(struct convert *c, const struct part *p)
{
    if (!c->able.is_utf8 && has_utf8_inside(c, p)) {
        c->err = c->err == ERR_OK ? ERR_UTF8_HEADER : c->err;
        return;
    }
    struct str body = str_sub(c->message, (size_t)p->body_offset, (size_t)p->body_size);
    if (find_kind(body, true) > c->able.kind) {
        c->err = ERR_CONVERSION;
        return;
    }
    copy_lines(c, body);
}

/* depth is bounded by SHAPE_DEPTH_MOST. */
static void write_part(struct convert *c, const struct part *p, bool is_root)
{
    if (p->child_count == 0) {
        write_leaf(c, p, is_root);
        return;
    }
    bool is_high =
        str_eq_nocase(p->encoding, STR("8bit")) || str_eq_nocase(p->encoding, STR("binary"));
    bool is_label_wrong = is_high && (c->able.kind == CONTENT_7BIT || p->encoding.n == 6);
    struct str label = c->able.kind == CONTENT_7BIT ? STR("7bit") : STR("8bit");
    write_header(c, p, is_root, is_label_wrong ? label : STR_EMPTY);
    if (is_sealed(p)) {
        copy_sealed(c, p);
        return;
    }
    uint64_t at = p->body_offset;
    for (uint32_t i = 0; i < p->child_count && c->err == ERR_OK; i++) {
        const struct part *child = &p->children[i];
        copy_range(c, at, child->header_offset);
        write_part(c, child, p->is_message);
        at = child->body_offset + child->body_size;
        /* The CRLF before a boundary belongs to the boundary; an encoded body has ended its own line. */
    }
    copy_range(c, at, p->body_offset + p->body_size);
}

enum err convert_message(struct str message, struct content_able able,
                         enum err (*add)(void *owner, struct str octets), void *owner)
{
    CLEANUP(buf_release) struct buf serialised = BUF_INIT(SERIALISED_MOST);
    struct shape shape;
    struct arena *tree = arena_new(TREE_MOST);
    struct convert c = {message, able, add, owner, BUF_INIT(2 * (size_t)PIECE_MOST), false, ERR_OK};
    enum err e = shape_build(message, &serialised);
    e = e == ERR_OK ? shape_parse(tree, buf_str(&serialised), &shape) : e;
    if (e == ERR_OK) {
        write_part(&c, &shape.root, true);
        end_lines(&c);
        flush(&c);
        e = c.err;
    } else {
        e = ERR_CONVERSION;
    }
    buf_release(&c.out);
    arena_free(&tree);
    return e;
}
