/* The base subject (RFC 5256, 2.1 and 5).
 *
 *   subject       = *subj-leader [subj-middle] *subj-trailer
 *   subj-leader   = (*subj-blob subj-refwd) / WSP
 *   subj-blob     = "[" *BLOBCHAR "]" *WSP
 *   subj-refwd    = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
 *   subj-trailer  = "(fwd)" / WSP
 *   subj-fwd      = "[fwd:" subject "]"
 *
 * The RFC gives a procedure, in steps (1) to (7), and it is followed to the letter, with one shortcut that changes nothing
 * but the time: a run of blobs is looked at once. If a refwd stands behind the run, all of it is a leader (3). If not, none of its
 * blobs will ever begin a leader, so (4) takes them away one by one up to the end of the run, but for a last one that
 * is all there is. So a subject of ten thousand brackets costs as much as one of ten thousand letters.
 *
 * Blobs hold no brackets, so at most one of "[fwd:" and a blob can be there twice over the same octets; each octet is
 * passed a bounded number of times. */
#include "mime/subject.h"

struct base {
    struct str s; /* what is left */
    bool is_reply;
};

/* (1), the part about spaces; words were decoded before. */
static void collapse(struct str text, struct buf *out)
{
    bool was_space = false;
    char *to = buf_reserve(out, text.n);
    size_t n = 0;
    for (size_t i = 0; to != NULL && i < text.n; i++) {
        char c = text.p[i];
        bool is_space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (!is_space || !was_space) {
            to[n++] = is_space ? ' ' : c;
        }
        was_space = is_space;
    }
    if (to != NULL) {
        buf_commit(out, n);
    }
}

static size_t skip_spaces(struct str s, size_t at)
{
    while (at < s.n && s.p[at] == ' ') {
        at++;
    }
    return at;
}

/* Where the subj-blob at `at` ends; `at` when there is none. */
static size_t skip_blob(struct str s, size_t at)
{
    if (at >= s.n || s.p[at] != '[') {
        return at;
    }
    size_t i = at + 1;
    while (i < s.n && s.p[i] != '[' && s.p[i] != ']' && s.p[i] != '\0') {
        i++;
    }
    return i < s.n && s.p[i] == ']' ? skip_spaces(s, i + 1) : at;
}

/* Where the subj-refwd at `at` ends; `at` when there is none. */
static size_t skip_refwd(struct str s, size_t at)
{
    struct str rest = str_skip(s, at);
    size_t i = at;
    if (str_starts_nocase(rest, STR("re"))) {
        i += 2;
    } else if (str_starts_nocase(rest, STR("fw"))) {
        i += str_starts_nocase(rest, STR("fwd")) ? 3 : 2;
    } else {
        return at;
    }
    i = skip_blob(s, skip_spaces(s, i));
    return i < s.n && s.p[i] == ':' ? i + 1 : at;
}

/* (2) */
static void remove_trailers(struct base *b)
{
    for (;;) {
        if (str_ends(b->s, STR(" "))) {
            b->s.n--;
        } else if (str_ends_nocase(b->s, STR("(fwd)"))) {
            b->s.n -= 5;
            b->is_reply = true;
        } else {
            return;
        }
    }
}

/* (4), for a run of blobs up to end that no refwd follows: as many as leave something behind. */
static void remove_blobs(struct base *b, size_t end)
{
    size_t at = 0;
    while (at < end) {
        size_t next = skip_blob(b->s, at);
        if (next == b->s.n) {
            break;
        }
        at = next;
    }
    b->s = str_skip(b->s, at);
}

/* (3) to (5) */
static void remove_leaders(struct base *b)
{
    for (;;) {
        b->s = str_skip(b->s, skip_spaces(b->s, 0));
        size_t end = 0;
        for (size_t next = skip_blob(b->s, 0); next > end; next = skip_blob(b->s, end)) {
            end = next;
        }
        size_t refwd = skip_refwd(b->s, end);
        if (refwd == end) {
            remove_blobs(b, end);
            return;
        }
        b->s = str_skip(b->s, refwd);
        b->is_reply = true;
    }
}

/* (6) */
static bool remove_forward(struct base *b)
{
    if (!str_starts_nocase(b->s, STR("[fwd:")) || !str_ends(b->s, STR("]"))) {
        return false;
    }
    b->s = str_sub(b->s, 5, b->s.n - 6);
    b->is_reply = true;
    return true;
}

struct str subject_find_base(struct str text, struct buf *scratch, bool *is_reply)
{
    buf_clear(scratch);
    collapse(text, scratch);
    struct base b = {.s = buf_str(scratch)};
    do {
        remove_trailers(&b);
        remove_leaders(&b);
    } while (remove_forward(&b));
    if (is_reply != NULL) {
        *is_reply = b.is_reply;
    }
    return b.s;
}
