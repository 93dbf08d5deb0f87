/* From a stream of octets to SMTP lines, DATA content and BDAT chunks.
 *
 * What ends the content of DATA decides which octets are mail and which are commands; two readers that disagree about it
 * can be made to see different messages ("SMTP smuggling"). So there is one rule here, the RFC's own (RFC 5321, 4.1.1.4):
 * CR LF "." CR LF ends it, where the first CR LF may be that of the DATA command, and nothing else does. A bare CR or bare LF
 * is content like any octet. Command lines with a bare CR or LF are refused rather than guessed at.
 *
 * Content is handed out in slices of the input. A slice ends before a dot that must go, and never between CR and LF, so
 * no state but "at the beginning of a line" is kept. */
#include "wire/smtp_framing.h"

#include <assert.h>
#include <stdlib.h>

enum { BACKLOG_MOST = 1024 * 1024 };

enum mode { LINES, SKIP_LINE, DATA, CHUNK };

struct smtp_framing {
    struct buf in;
    size_t at; /* spent octets of in */
    enum mode mode;
    uint64_t left; /* CHUNK: octets to come */
    bool is_line_start;
    bool has_bare_newline;
    struct str octets;
    enum err err;
};

struct smtp_framing *smtp_framing_new(void)
{
    struct smtp_framing *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        abort();
    }
    /* Twice, because half of the buffer may be spent octets. */
    buf_init(&f->in, (size_t)2 * BACKLOG_MOST);
    return f;
}

void smtp_framing_free(struct smtp_framing **f)
{
    if (*f == NULL) {
        return;
    }
    buf_wipe(&(*f)->in); /* AUTH may have come in it */
    free(*f);
    *f = NULL;
}

static void compact(struct smtp_framing *f)
{
    if (f->at == f->in.len || f->at > f->in.len / 2) {
        buf_consume(&f->in, f->at);
        f->at = 0;
    }
}

void smtp_framing_feed(struct smtp_framing *f, struct str octets)
{
    f->octets = STR_EMPTY;
    compact(f);
    buf_add(&f->in, octets);
}

size_t smtp_framing_get_backlog(const struct smtp_framing *f)
{
    return f->in.len - f->at;
}

static struct str unread(const struct smtp_framing *f)
{
    return str_skip(buf_str(&f->in), f->at);
}

static enum smtp_frame give(struct smtp_framing *f, enum smtp_frame event, struct str octets,
                            size_t spent)
{
    f->octets = octets;
    f->at += spent;
    return event;
}

static enum smtp_frame go_bad(struct smtp_framing *f, enum err e, struct str octets, size_t spent)
{
    f->err = e;
    return give(f, SMTP_FRAME_BAD, octets, spent);
}

/* ---- lines ---- */

static bool is_clean(struct str line)
{
    return str_find_char(line, '\r') == line.n && str_find_char(line, '\0') == line.n;
}

static enum smtp_frame next_line(struct smtp_framing *f)
{
    struct str rest = unread(f);
    size_t end = str_find_char(rest, '\n');
    bool has_end = end < rest.n;
    struct str line = str_sub(rest, 0, end);
    bool has_cr = str_ends(line, STR("\r"));
    line.n -= has_cr ? 1 : 0;
    if (line.n > SMTP_LINE_MOST) {
        f->mode = has_end ? LINES : SKIP_LINE;
        return go_bad(f, ERR_TOO_LONG, str_sub(line, 0, SMTP_LINE_MOST), has_end ? end + 1 : end);
    }
    if (!has_end) {
        return give(f, SMTP_FRAME_MORE, STR_EMPTY, 0);
    }
    if (!has_cr || !is_clean(line)) {
        return go_bad(f, ERR_SYNTAX, line, end + 1);
    }
    return give(f, SMTP_FRAME_LINE, line, end + 1);
}

static enum smtp_frame skip_line(struct smtp_framing *f)
{
    struct str rest = unread(f);
    size_t end = str_find_char(rest, '\n');
    if (end == rest.n) {
        return give(f, SMTP_FRAME_MORE, STR_EMPTY, rest.n);
    }
    f->at += end + 1;
    f->mode = LINES;
    return next_line(f);
}

/* ---- DATA ---- */

/* In a slice that holds its CRLFs whole. */
static bool find_bare_newline(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool is_pair = s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n';
        if (!is_pair && (s.p[i] == '\r' || s.p[i] == '\n')) {
            return true;
        }
        i += is_pair ? 1 : 0;
    }
    return false;
}

static enum smtp_frame give_content(struct smtp_framing *f, struct str content)
{
    f->is_line_start = str_ends(content, STR("\r\n"));
    f->has_bare_newline = f->has_bare_newline || find_bare_newline(content);
    return give(f, SMTP_FRAME_OCTETS, content, content.n);
}

/* A line that begins with a dot: the end, or a dot too many (RFC 5321, 4.5.2). */
static bool has_taken_dot(struct smtp_framing *f, enum smtp_frame *event)
{
    struct str rest = unread(f);
    struct str end = STR(".\r\n");
    if (str_starts(rest, end)) {
        f->mode = LINES;
        *event = give(f, SMTP_FRAME_END, STR_EMPTY, end.n);
        return true;
    }
    if (str_starts(end, rest)) {
        *event = give(f, SMTP_FRAME_MORE, STR_EMPTY, 0);
        return true;
    }
    f->at += rest.p[0] == '.' ? 1 : 0;
    f->is_line_start = false;
    return false;
}

static enum smtp_frame next_data(struct smtp_framing *f)
{
    enum smtp_frame event = SMTP_FRAME_MORE;
    if (f->is_line_start && has_taken_dot(f, &event)) {
        return event;
    }
    struct str rest = unread(f);
    size_t dot = str_find_str(rest, STR("\r\n."));
    if (dot < rest.n) {
        return give_content(f, str_sub(rest, 0, dot + 2));
    }
    /* A CR at the end waits: it may be half of a CRLF. */
    rest.n -= str_ends(rest, STR("\r")) ? 1 : 0;
    return rest.n == 0 ? give(f, SMTP_FRAME_MORE, STR_EMPTY, 0) : give_content(f, rest);
}

static enum smtp_frame next_chunk(struct smtp_framing *f)
{
    struct str rest = unread(f);
    rest.n = rest.n > f->left ? (size_t)f->left : rest.n;
    if (f->left == 0) {
        f->mode = LINES;
        return give(f, SMTP_FRAME_END, STR_EMPTY, 0);
    }
    f->left -= rest.n;
    return give(f, rest.n == 0 ? SMTP_FRAME_MORE : SMTP_FRAME_OCTETS, rest, rest.n);
}

enum smtp_frame smtp_framing_next(struct smtp_framing *f)
{
    if (f->in.is_full) {
        f->err = ERR_TOO_BIG;
        return SMTP_FRAME_FATAL;
    }
    switch (f->mode) {
    case LINES:
        return next_line(f);
    case SKIP_LINE:
        return skip_line(f);
    case DATA:
        return next_data(f);
    case CHUNK:
    default:
        return next_chunk(f);
    }
}

struct str smtp_framing_get_octets(const struct smtp_framing *f)
{
    return f->octets;
}

enum err smtp_framing_get_err(const struct smtp_framing *f)
{
    return f->err;
}

void smtp_framing_start_data(struct smtp_framing *f)
{
    assert(f->mode == LINES);
    f->mode = DATA;
    f->is_line_start = true;
    f->has_bare_newline = false;
}

void smtp_framing_start_chunk(struct smtp_framing *f, uint64_t n)
{
    assert(f->mode == LINES);
    f->mode = CHUNK;
    f->left = n;
}

bool smtp_framing_has_bare_newline(const struct smtp_framing *f)
{
    return f->has_bare_newline;
}

/* The modes, and DATA at the beginning of a line. */
enum { DATA_LINE = CHUNK + 1 };

struct smtp_framing_place smtp_framing_get_place(const struct smtp_framing *f)
{
    bool is_line = f->mode == DATA && f->is_line_start;
    return (struct smtp_framing_place){
        .mode = is_line ? DATA_LINE : (uint8_t)f->mode,
        .left = f->mode == CHUNK ? f->left : 0,
    };
}

enum err smtp_framing_set_place(struct smtp_framing *f, struct smtp_framing_place p)
{
    if (p.mode > DATA_LINE) {
        return ERR_SYNTAX;
    }
    f->is_line_start = p.mode == DATA_LINE;
    f->mode = p.mode == DATA_LINE ? DATA : (enum mode)p.mode;
    f->left = p.left;
    return ERR_OK;
}

bool smtp_framing_is_in_data(const struct smtp_framing *f)
{
    return f->mode == DATA;
}

bool smtp_framing_is_in_chunk(const struct smtp_framing *f)
{
    return f->mode == CHUNK;
}

void smtp_framing_drop_rest(struct smtp_framing *f)
{
    f->at = f->in.len;
    f->octets = STR_EMPTY;
    compact(f);
}

struct str smtp_framing_get_rest(const struct smtp_framing *f)
{
    return unread(f);
}

void smtp_framing_shrink(struct smtp_framing *f)
{
    f->octets = STR_EMPTY;
    compact(f);
    buf_shrink(&f->in);
}
