/* Octets with a purpose.
 *
 *     --limetta nul--   NUL alone, doubled, between letters
 *     --limetta eight-- octets above 127 (and, in binary content, all controls)
 *     --limetta lines-- CR, LF, CRLF, LFCR in every order: only in binary content
 *     --limetta long--  a line of 4000 octets, or of 990 where SMTP's 998 count
 *     --limetta dots--  lines that begin with dots, one of a dot alone
 *     --limetta bulk--  20 KiB of plain lines
 *     --limetta end--   empty lines
 *
 * Equal octets end the comparison. Else section is held against section, found by its mark; one that differs by nothing but CRs
 * suffered in its newlines, whatever else it was to show, so one defect of a path gives one finding.
 *
 * A box that adds octets and leaves the sizes as they were makes the server take the content for complete too early, and what is
 * left for commands: the empty lines are for that. One that takes octets away has the server wait: then the sender adds more of
 * them (CHECK_PADDING). Of bare CRs, bare LFs and NULs there are even numbers, so that CRLFs stay whole. */
#include "tools/check_octets.h"

#include "base/base64.h"

#include <openssl/sha.h>
#include <stdio.h>

enum {
    BULK_LINES = 270,
    LONG_BINARY = 4000,
    LONG_TEXT = 990,
    MARK_SIZE = 64,
    SHOWN_MOST = 24,
    TAIL_LINES = 100
};

static const struct {
    const char *name;
    enum finding_code code;
    const char *what;
} SECTIONS[] = {
    {"nul", FINDING_OCTETS_NUL, "NUL"},
    {"eight", FINDING_OCTETS_EIGHT, "octets above 127"},
    {"lines", FINDING_OCTETS_NEWLINE, "CR and LF"},
    {"long", FINDING_OCTETS_LONG, "a long line"},
    {"dots", FINDING_OCTETS_DOTS, "dots at the start of a line"},
    {"bulk", FINDING_OCTETS_OTHER, "plain text"},
};

enum { SECTION_COUNT = sizeof(SECTIONS) / sizeof(SECTIONS[0]) };

static void write_mark(struct buf *out, const char *name)
{
    buf_addf(out, "\r\n--limetta %s--\r\n", name);
}

static void write_eight(struct buf *out, bool is_binary)
{
    buf_add(out, STR("\xC3\xA4\xC3\xB6\xC3\xBC \xE2\x82\xAC \xF0\x9F\x93\xB1 UTF-8"));
    for (int c = 1; is_binary && c < 256; c++) {
        if (c != '\r' && c != '\n') {
            buf_add_char(out, (char)c);
        }
    }
}

void check_octets_write(struct buf *out, bool is_binary)
{
    write_mark(out, "nul");
    buf_add(out, is_binary ? STR("a\0b\0\0c\0\0\0d") : STR("none"));
    write_mark(out, "eight");
    write_eight(out, is_binary);
    write_mark(out, "lines");
    buf_add(out, is_binary ? STR("a\rb\nc\r\nd\n\re\r\rf\n\ng\r\r\nh") : STR("a\r\nb\r\n\r\nc"));
    write_mark(out, "long");
    for (int i = 0; i < (is_binary ? LONG_BINARY : LONG_TEXT); i++) {
        buf_add_char(out, (char)('a' + i % 26));
    }
    write_mark(out, "dots");
    buf_add(out, STR(".\r\n..\r\n.a\r\n...b\r\n."));
    write_mark(out, "bulk");
    for (int i = 0; i < BULK_LINES; i++) {
        buf_addf(out, "%06d the quick brown fox jumps over the lazy dog 0123456789 abcdefghij\r\n",
                 i);
    }
    write_mark(out, "end");
    check_octets_pad(out, TAIL_LINES);
}

void check_octets_pad(struct buf *out, unsigned lines)
{
    for (unsigned i = 0; i < lines; i++) {
        buf_add(out, STR("\r\n"));
    }
}

bool check_octets_have_end(struct str got)
{
    return str_find_str(got, STR("--limetta end--")) < got.n;
}

/* What stands between the mark of section i and the next one. False: a mark is missing. */
static bool find_section(struct str s, size_t i, struct str *out)
{
    char mark[MARK_SIZE];
    char next[MARK_SIZE];
    (void)snprintf(mark, sizeof(mark), "--limetta %s--", SECTIONS[i].name);
    (void)snprintf(next, sizeof(next), "--limetta %s--",
                   i + 1 < SECTION_COUNT ? SECTIONS[i + 1].name : "end");
    size_t from = str_find_str(s, str_from_c(mark));
    size_t to = str_find_str(s, str_from_c(next));
    if (from == s.n || to == s.n || to < from) {
        return false;
    }
    from += str_from_c(mark).n;
    *out = str_sub(s, from, to - from);
    return true;
}

static void strip(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\r') {
            buf_add_char(out, s.p[i]);
        }
    }
}

static bool differs_by_cr(struct str a, struct str b)
{
    CLEANUP(buf_release) struct buf x = BUF_INIT(a.n + 1);
    CLEANUP(buf_release) struct buf y = BUF_INIT(b.n + 1);
    strip(a, &x);
    strip(b, &y);
    return str_eq(buf_str(&x), buf_str(&y));
}

static void find_difference(struct check_leg *leg, const char *how, size_t i, struct str sent,
                            struct str got)
{
    size_t at = 0;
    while (at < sent.n && at < got.n && sent.p[at] == got.p[at]) {
        at++;
    }
    CLEANUP(buf_release) struct buf a = BUF_INIT(SHOWN_MOST * 2);
    CLEANUP(buf_release) struct buf b = BUF_INIT(SHOWN_MOST * 2);
    hex_write(&a, str_sub(sent, at, SHOWN_MOST / 2));
    hex_write(&b, str_sub(got, at, SHOWN_MOST / 2));
    bool is_newline = differs_by_cr(sent, got);
    check_find(leg, is_newline ? FINDING_OCTETS_NEWLINE : SECTIONS[i].code,
               "%s: %s came back changed: %zu octets became %zu; first sent %.*s, got %.*s", how,
               is_newline ? "line ends" : SECTIONS[i].what, sent.n, got.n, STR_ARG(buf_str(&a)),
               STR_ARG(buf_str(&b)));
}

bool check_octets_compare(struct check_leg *leg, const char *how, struct str sent, struct str got)
{
    bool is_named = false;
    if (str_eq(sent, got)) {
        return true;
    }
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        struct str a = STR_EMPTY;
        struct str b = STR_EMPTY;
        bool has_both = find_section(sent, i, &a) && find_section(got, i, &b);
        if (has_both && !str_eq(a, b)) {
            find_difference(leg, how, i, a, b);
            is_named = true;
        }
        if (!has_both) {
            check_find(leg, FINDING_OCTETS_OTHER, "%s: of %zu octets, the part of %s is gone", how,
                       sent.n, SECTIONS[i].what);
            is_named = true;
        }
    }
    return !is_named; /* outside the marks servers may trim or end a line */
}

void check_octets_hash(struct str s, struct buf *out)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    (void)SHA256((const unsigned char *)s.p, s.n, hash);
    hex_write(out, str_make((const char *)hash, sizeof(hash)));
}
