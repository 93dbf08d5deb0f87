/* From a stream of octets to whole IMAP commands.
 *
 * A command is a line, but a line that ends in "{n}" goes on after n octets; so only its reader can say where it ends. The
 * framer reads just that much grammar: a line end, and what stands right before it. Everything else is left to parsers
 * that see the whole command at once (imap_scan).
 *
 *     in:   [ handed out | the command so far ............ | not yet looked at ]
 *           0            start                             at                  len
 *
 * A gathered command is a slice of the input, copied nowhere. Only when a literal was streamed is the text before it moved
 * to `head`, with "{n!}" in the literal's place, because the literal's octets have left the input by then; the text is then
 * the head with [start, at) behind it.
 *
 * States: TEXT (looking for a line end), ASKED (a literal waits for the owner's answer), LITERAL (gathering), STREAM and
 * STREAM_END (handing out), REFUSED, SWALLOW_TEXT and SWALLOW_LITERAL (a dropped command goes by), FATAL.
 *
 * A dropped command is over at the next line end without "{n+}" before it: a peer that sent "{n}" waits for us and sends
 * nothing more of it (RFC 3501, 7.5), one that sent "{n+}" has sent the octets already (RFC 7888, 4). What is swallowed
 * is bounded; beyond that the connection has to end. */
#include "wire/imap_framing.h"

#include "base/scan.h"
#include "wire/imap_scan.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LINE_MOST = 64 * 1024,
    LITERAL_MOST = 64 * 1024,
    COMMAND_MOST = 256 * 1024,
    SWALLOW_MOST = 1024 * 1024,
    BACKLOG_MOST = 128 * 1024,
    MARK_MOST = 32,  /* "~{18446744073709551615+}" CRLF and some leading zeros */
    BEGIN_MOST = 256 /* of a dropped command, kept for its tag */
};

enum state {
    TEXT,
    ASKED,
    LITERAL,
    STREAM,
    STREAM_END,
    REFUSED,
    SWALLOW_TEXT,
    SWALLOW_LITERAL,
    FATAL
};

struct imap_framing {
    struct imap_framing_limits limits;
    enum state state;

    /* Positions in `in`: start <= mark_at, line_at <= at <= in.len. */
    struct buf in;
    size_t start;
    size_t line_at; /* where the line in hand begins: the command's start, or behind a literal */
    size_t mark_at; /* ASKED: where "{n}" stands */
    size_t at;

    struct buf head;    /* the command's text up to the last streamed literal */
    bool is_whole;      /* the command was handed out: forget it at the next call */
    size_t text_octets; /* of this command, outside literals */
    struct imap_literal literal;
    uint64_t left; /* octets of the literal to come */

    uint64_t swallowed;
    uint64_t go_aheads; /* of a dropped command: literals to come that the peer was asked for */
    bool is_endless;    /* the dropped command may be of any size */
    char tail
        [MARK_MOST]; /* last octets of a line that is swallowed: its "{n+}" may come in pieces */
    size_t tail_len;
    struct buf begin; /* beginning of a dropped command */

    /* What the owner is told. */
    struct str text;
    struct str octets;
    enum err err;
};

static size_t or_default(size_t v, size_t otherwise)
{
    return v == 0 ? otherwise : v;
}

struct imap_framing *imap_framing_new(struct imap_framing_limits limits)
{
    struct imap_framing *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        abort();
    }
    f->limits.line_most = or_default(limits.line_most, LINE_MOST);
    f->limits.literal_most = or_default(limits.literal_most, LITERAL_MOST);
    f->limits.command_most = or_default(limits.command_most, COMMAND_MOST);
    f->limits.swallow_most = limits.swallow_most == 0 ? SWALLOW_MOST : limits.swallow_most;
    size_t most = f->limits.command_most + f->limits.line_most;
    /* Twice, because compact() lets half of the buffer be spent octets. */
    buf_init(&f->in, 2 * (most + BACKLOG_MOST));
    /* Twice, because "{0!}" CRLF is longer than "{0}" LF. */
    buf_init(&f->head, 2 * most);
    buf_init(&f->begin, BEGIN_MOST);
    return f;
}

void imap_framing_free(struct imap_framing **f)
{
    if (*f == NULL) {
        return;
    }
    buf_wipe(&(*f)->in); /* LOGIN may have come in it */
    buf_wipe(&(*f)->head);
    buf_release(&(*f)->begin);
    free(*f);
    *f = NULL;
}

/* ---- input ---- */

/* Drops spent octets, when they are most of the buffer: so each octet moves a bounded number of times. */
static void compact(struct imap_framing *f)
{
    size_t spent = f->start;
    if (spent == 0 || (spent < f->in.len && spent <= f->in.len / 2)) {
        return;
    }
    buf_consume(&f->in, spent);
    f->start = 0;
    f->line_at -= spent;
    f->mark_at = f->mark_at > spent ? f->mark_at - spent : 0;
    f->at -= spent;
}

static void forget_command(struct imap_framing *f)
{
    f->start = f->at;
    f->line_at = f->at;
    f->is_whole = false;
    f->text_octets = 0;
    f->swallowed = 0;
    f->go_aheads = 0;
    f->is_endless = false;
    f->tail_len = 0;
    f->text = STR_EMPTY;
    f->octets = STR_EMPTY;
    buf_clear(&f->head);
}

void imap_framing_feed(struct imap_framing *f, struct str octets)
{
    if (f->is_whole) {
        forget_command(f);
    }
    compact(f);
    if (f->state != FATAL) {
        buf_add(&f->in, octets);
    }
}

size_t imap_framing_get_backlog(const struct imap_framing *f)
{
    return f->in.len - f->at;
}

static struct str unread(const struct imap_framing *f)
{
    return str_skip(buf_str(&f->in), f->at);
}

static struct str between(const struct imap_framing *f, size_t from, size_t to)
{
    return str_sub(buf_str(&f->in), from, to - from);
}

/* ---- literals ---- */

static bool is_digit(unsigned char octet)
{
    return ascii_is_digit((char)octet);
}

static struct str without_line_end(struct str line)
{
    line.n -= line.n > 0 && line.p[line.n - 1] == '\n' ? 1 : 0;
    line.n -= line.n > 0 && line.p[line.n - 1] == '\r' ? 1 : 0;
    return line;
}

/* Does the line (without its line end) announce a literal? *mark_size: the octets of "~{n+}". A number of more than 63
 * bits is taken for the largest: it is refused all the same. */
static bool find_literal(struct str line, struct imap_literal *out, size_t *mark_size)
{
    size_t brace = str_find_last_char(line, '{');
    if (line.n == 0 || line.p[line.n - 1] != '}' || brace == line.n) {
        return false;
    }
    struct scan c = scan_make(str_skip(line, brace + 1));
    struct str digits = scan_run(&c, is_digit);
    out->is_sync = !scan_accept(&c, '+');
    if (digits.n == 0 || !scan_accept(&c, '}') || !scan_is_end(&c)) {
        return false;
    }
    if (!str_to_u64(digits, INT64_MAX, &out->size)) {
        out->size = INT64_MAX;
    }
    out->is_binary = brace > 0 && line.p[brace - 1] == '~';
    *mark_size = line.n - brace + (out->is_binary ? 1 : 0);
    return true;
}

/* The command's text up to `end` in the input, in one piece. */
static struct str gather_text(struct imap_framing *f, size_t end)
{
    if (f->head.len == 0) {
        return between(f, f->start, end);
    }
    buf_add(&f->head, between(f, f->start, end));
    f->start = end;
    return buf_str(&f->head);
}

static size_t get_gathered_octets(const struct imap_framing *f)
{
    return f->head.len + (f->at - f->start);
}

/* ---- dropping ---- */

static enum imap_frame go_fatal(struct imap_framing *f)
{
    f->state = FATAL;
    f->text = buf_str(&f->begin);
    return IMAP_FRAME_FATAL;
}

/* The command will be dropped: keeps its beginning for the owner, and lets go of the rest. */
static void start_dropping(struct imap_framing *f, enum err why)
{
    struct str text = f->head.len > 0 ? buf_str(&f->head) : between(f, f->start, f->at);
    text = str_sub(text, 0, BEGIN_MOST);
    buf_clear(&f->begin);
    buf_add(&f->begin, without_line_end(str_sub(text, 0, str_find_char(text, '\n'))));
    buf_clear(&f->head);
    f->err = why;
    f->start = f->at;
    f->line_at = f->at;
    f->tail_len = 0;
}

static enum imap_frame finish_dropping(struct imap_framing *f)
{
    forget_command(f);
    f->state = TEXT;
    f->text = buf_str(&f->begin);
    return IMAP_FRAME_DROPPED;
}

static void keep_tail(struct imap_framing *f, struct str octets)
{
    octets = octets.n > MARK_MOST ? str_skip(octets, octets.n - MARK_MOST) : octets;
    size_t keep = f->tail_len + octets.n > MARK_MOST ? MARK_MOST - octets.n : f->tail_len;
    memmove(f->tail, f->tail + (f->tail_len - keep), keep);
    if (octets.n > 0) {
        memcpy(f->tail + keep, octets.p, octets.n);
    }
    f->tail_len = keep + octets.n;
}

/* False when that was too much. */
static bool swallow(struct imap_framing *f, size_t n)
{
    f->at += n;
    f->start = f->at;
    f->line_at = f->at;
    f->swallowed += n;
    return f->is_endless || f->swallowed <= f->limits.swallow_most;
}

/* The steps answer whether there is news for the owner; if not, another step follows at once. */

/* A literal of a command that is being dropped was announced. */
static bool step_refused(struct imap_framing *f, enum imap_frame *event)
{
    if (f->literal.is_sync && f->go_aheads == 0) {
        *event = finish_dropping(f);
        return true;
    }
    f->go_aheads -= f->literal.is_sync ? 1 : 0;
    if (!f->is_endless && f->literal.size > f->limits.swallow_most - f->swallowed) {
        *event = go_fatal(f);
        return true;
    }
    f->left = f->literal.size;
    f->state = SWALLOW_LITERAL;
    return false;
}

static bool step_swallow_literal(struct imap_framing *f, enum imap_frame *event)
{
    size_t n = f->in.len - f->at;
    n = n > f->left ? (size_t)f->left : n;
    f->left -= n;
    if (!swallow(f, n)) {
        *event = go_fatal(f);
        return true;
    }
    if (f->left > 0) {
        *event = IMAP_FRAME_MORE;
        return true;
    }
    f->state = SWALLOW_TEXT;
    return false;
}

static bool step_swallow_text(struct imap_framing *f, enum imap_frame *event)
{
    struct str rest = unread(f);
    size_t end = str_find_char(rest, '\n');
    struct str part = str_sub(rest, 0, end < rest.n ? end + 1 : rest.n);
    size_t mark_size = 0;
    keep_tail(f, part);
    if (!swallow(f, part.n)) {
        *event = go_fatal(f);
        return true;
    }
    if (end == rest.n) {
        *event = IMAP_FRAME_MORE;
        return true;
    }
    struct str line = without_line_end(str_make(f->tail, f->tail_len));
    f->tail_len = 0;
    if (find_literal(line, &f->literal, &mark_size)) {
        f->state = REFUSED;
        return false;
    }
    *event = finish_dropping(f);
    return true;
}

/* ---- gathering ---- */

static bool step_text(struct imap_framing *f, bool has_literals, enum imap_frame *event)
{
    struct str rest = unread(f);
    size_t end = str_find_char(rest, '\n');
    size_t seen = end < rest.n ? end + 1 : rest.n;
    if (f->text_octets + seen > f->limits.line_most) {
        /* Up to the bound it was gathered, the rest is swallowed: in whatever pieces it came. */
        f->at += f->limits.line_most - f->text_octets;
        struct str line = between(f, f->line_at, f->at);
        start_dropping(f, ERR_TOO_LONG);
        keep_tail(f, line);
        f->state = SWALLOW_TEXT;
        return false;
    }
    f->at += seen;
    f->text_octets += seen;
    if (end == rest.n) {
        *event = IMAP_FRAME_MORE;
        return true;
    }
    struct str line = without_line_end(between(f, f->line_at, f->at));
    size_t mark_size = 0;
    if (has_literals && find_literal(line, &f->literal, &mark_size)) {
        f->mark_at = f->line_at + line.n - mark_size;
        f->text = gather_text(f, f->mark_at);
        f->state = ASKED;
        *event = IMAP_FRAME_LITERAL;
        return true;
    }
    f->text = gather_text(f, f->line_at + line.n);
    f->is_whole = true;
    *event = IMAP_FRAME_COMMAND;
    return true;
}

static bool step_literal(struct imap_framing *f, enum imap_frame *event)
{
    size_t n = f->in.len - f->at;
    n = n > f->left ? (size_t)f->left : n;
    f->at += n;
    f->left -= n;
    if (f->left > 0) {
        *event = IMAP_FRAME_MORE;
        return true;
    }
    f->line_at = f->at;
    f->state = TEXT;
    return false;
}

static bool step_stream(struct imap_framing *f, enum imap_frame *event)
{
    struct str rest = unread(f);
    f->text = buf_str(&f->head);
    f->octets = str_sub(rest, 0, rest.n > f->left ? (size_t)f->left : rest.n);
    f->left -= f->octets.n;
    f->at += f->octets.n;
    f->start = f->at;
    f->line_at = f->at;
    if (f->left == 0) {
        f->state = STREAM_END;
    }
    *event = f->octets.n > 0 ? IMAP_FRAME_OCTETS : IMAP_FRAME_MORE;
    return f->octets.n > 0 || f->left > 0;
}

static bool step_stream_end(struct imap_framing *f, enum imap_frame *event)
{
    f->text = buf_str(&f->head);
    f->octets = STR_EMPTY;
    f->state = TEXT;
    *event = IMAP_FRAME_STREAMED;
    return true;
}

static bool step(struct imap_framing *f, bool has_literals, enum imap_frame *event)
{
    switch (f->state) {
    case TEXT:
        return step_text(f, has_literals, event);
    case LITERAL:
        return step_literal(f, event);
    case STREAM:
        return step_stream(f, event);
    case STREAM_END:
        return step_stream_end(f, event);
    case REFUSED:
        return step_refused(f, event);
    case SWALLOW_TEXT:
        return step_swallow_text(f, event);
    case SWALLOW_LITERAL:
        return step_swallow_literal(f, event);
    case ASKED: /* the owner owes an answer */
    case FATAL:
    default:
        assert(f->state != ASKED);
        *event = IMAP_FRAME_FATAL;
        return true;
    }
}

static enum imap_frame next_event(struct imap_framing *f, bool has_literals)
{
    enum imap_frame event = IMAP_FRAME_MORE;
    if (f->is_whole) {
        forget_command(f);
    }
    if (f->in.is_full && f->state != FATAL) {
        start_dropping(f, ERR_TOO_BIG);
        return go_fatal(f);
    }
    while (!step(f, has_literals, &event)) {
    }
    return event;
}

enum imap_frame imap_framing_next(struct imap_framing *f)
{
    return next_event(f, true);
}

enum imap_frame imap_framing_next_line(struct imap_framing *f)
{
    return next_event(f, false);
}

struct str imap_framing_get_text(const struct imap_framing *f)
{
    return f->text;
}

struct str imap_framing_get_octets(const struct imap_framing *f)
{
    return f->octets;
}

const struct imap_literal *imap_framing_get_literal(const struct imap_framing *f)
{
    return &f->literal;
}

enum err imap_framing_get_err(const struct imap_framing *f)
{
    return f->err;
}

/* The text before the literal moves to the head, with a placeholder behind it. */
static void start_stream(struct imap_framing *f)
{
    buf_add(&f->head, between(f, f->start, f->mark_at));
    buf_add_c(&f->head, f->literal.is_binary ? "~{" : "{");
    buf_add_u64(&f->head, f->literal.size);
    buf_add_c(&f->head, "!}\r\n");
    f->start = f->at;
    f->line_at = f->at;
    f->state = STREAM;
}

enum imap_literal_answer imap_framing_answer(struct imap_framing *f,
                                             enum imap_literal_answer answer, enum err why)
{
    assert(f->state == ASKED);
    bool is_too_big = f->literal.size > f->limits.literal_most
                      || f->literal.size + get_gathered_octets(f) > f->limits.command_most;
    if (answer == IMAP_LITERAL_BUFFER && is_too_big) {
        answer = IMAP_LITERAL_REFUSE;
        why = ERR_TOO_BIG;
    }
    f->left = f->literal.size;
    if (answer == IMAP_LITERAL_BUFFER) {
        f->state = LITERAL;
    } else if (answer == IMAP_LITERAL_STREAM) {
        start_stream(f);
    } else {
        start_dropping(f, why);
        f->state = REFUSED;
    }
    return answer;
}

struct str imap_framing_get_rest(const struct imap_framing *f)
{
    return unread(f);
}

void imap_framing_drop_rest(struct imap_framing *f)
{
    f->at = f->in.len;
    forget_command(f);
    compact(f);
}

static bool is_dropping(const struct imap_framing *f)
{
    return f->state == REFUSED || f->state == SWALLOW_TEXT || f->state == SWALLOW_LITERAL;
}

struct str imap_framing_get_partial(const struct imap_framing *f)
{
    if (is_dropping(f)) {
        return str_make(f->tail, f->tail_len);
    }
    bool is_partial = (f->state == TEXT || f->state == LITERAL) && !f->is_whole;
    return is_partial ? between(f, f->start, f->at) : STR_EMPTY;
}

bool imap_framing_is_lost(const struct imap_framing *f, struct imap_lost *out)
{
    bool is_lost = is_dropping(f) || f->state == STREAM || f->state == STREAM_END
                   || (f->head.len > 0 && !f->is_whole);
    if (!is_lost) {
        return false;
    }
    *out = (struct imap_lost){.err = is_dropping(f) ? f->err : ERR_UNAVAILABLE};
    out->left = f->state == STREAM || f->state == SWALLOW_LITERAL ? f->left : 0;
    out->tag = imap_find_tag(is_dropping(f) ? buf_str(&f->begin) : buf_str(&f->head));
    return true;
}

void imap_framing_swallow(struct imap_framing *f, const struct imap_lost *lost)
{
    buf_add(&f->begin, str_sub(lost->tag, 0, BEGIN_MOST - 1));
    buf_add_char(&f->begin, ' ');
    f->err = lost->err;
    f->left = lost->left;
    f->go_aheads = lost->go_aheads;
    f->is_endless = true;
    f->state = lost->left > 0 ? SWALLOW_LITERAL : SWALLOW_TEXT;
}

void imap_framing_shrink(struct imap_framing *f)
{
    if (f->is_whole) {
        forget_command(f);
    }
    compact(f);
    buf_shrink(&f->in);
    buf_shrink(&f->head);
    buf_shrink(&f->begin);
}
