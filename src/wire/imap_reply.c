/* Where an answer ends.
 *
 * Octets of untagged responses are handed on as they come; all that has to be known of them is where lines begin, and for
 * that, which lines go on behind a literal. A line is looked at when it begins (is it tagged?) and when it ends (does it
 * announce a literal?). So that the mark of a literal is seen whole, what follows the last brace of an unfinished line is
 * held back.
 *
 * The peer is our own server: it writes no text that ends like a literal. One that did would cost its own client the
 * conversation, nobody else's. */
#include "wire/imap_reply.h"

#include "base/scan.h"

enum { MARK_MOST = 32, DIGITS_MOST = 20 };

/* Both begin alike, as far as the shorter one goes. */
static bool may_start(struct str in, struct str word)
{
    return str_starts(in, word) || str_starts(word, in);
}

static bool is_tagged(const struct imap_reply *r, struct str in)
{
    return str_starts(in, r->tag) && (in.n == r->tag.n || in.p[r->tag.n] == ' ');
}

/* The line ends in "{n}", "~{n}": how many octets follow. */
static uint64_t find_literal(struct str line)
{
    uint64_t n = 0;
    line.n -= line.n > 0 && line.p[line.n - 1] == '\r';
    size_t brace = str_find_last_char(line, '{');
    if (brace == line.n || line.p[line.n - 1] != '}') {
        return 0;
    }
    struct str digits = str_sub(line, brace + 1, line.n - brace - 2);
    if (digits.n > DIGITS_MOST) {
        return 0; /* a mark that was not held back whole is none, in whatever pieces it came */
    }
    return str_to_u64(digits, INT64_MAX, &n) ? n : 0;
}

static enum imap_reply_event take_whole_line(enum imap_reply_event event, struct str in,
                                             size_t *used)
{
    size_t end = str_find_char(in, '\n');
    if (end == in.n) {
        return IMAP_REPLY_MORE;
    }
    *used = end + 1;
    return event;
}

/* What is left of a line, or as much as cannot be the mark of a literal. */
static enum imap_reply_event take_line(struct imap_reply *r, struct str in, size_t *used)
{
    size_t end = str_find_char(in, '\n');
    if (end < in.n) {
        r->literal = find_literal(str_sub(in, 0, end));
        r->is_in_line = r->literal > 0;
        *used = end + 1;
        return IMAP_REPLY_OCTETS;
    }
    size_t from = in.n > MARK_MOST ? in.n - MARK_MOST : 0;
    size_t brace = from + str_find_last_char(str_skip(in, from), '{');
    *used = brace < in.n ? brace : in.n;
    return *used > 0 ? IMAP_REPLY_OCTETS : IMAP_REPLY_MORE;
}

enum imap_reply_event imap_reply_next(struct imap_reply *r, struct str in, size_t *used)
{
    *used = 0;
    if (in.n == 0) {
        return IMAP_REPLY_MORE;
    }
    if (r->literal > 0) {
        *used = in.n < r->literal ? in.n : (size_t)r->literal;
        r->literal -= *used;
        return IMAP_REPLY_OCTETS;
    }
    if (r->is_in_line) {
        return take_line(r, in, used);
    }
    if (in.p[0] == '+') {
        return take_whole_line(IMAP_REPLY_CONTINUE, in, used);
    }
    if (is_tagged(r, in)) {
        return take_whole_line(IMAP_REPLY_TAGGED, in, used);
    }
    bool is_short = in.n < r->tag.n + 1 || in.n < STR("* BYE").n;
    bool is_undecided = may_start(in, r->tag) || may_start(in, STR("* BYE"));
    if (is_short && is_undecided && str_find_char(in, '\n') == in.n) {
        return IMAP_REPLY_MORE;
    }
    r->has_said_bye = r->has_said_bye || str_starts(in, STR("* BYE"));
    r->is_in_line = true;
    return take_line(r, in, used);
}

bool imap_reply_is_ok(const struct imap_reply *r, struct str line)
{
    return str_starts(str_skip(line, r->tag.n), STR(" OK"));
}
