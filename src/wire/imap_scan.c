/* The small words of IMAP: atoms, strings, numbers, mailbox names, dates (RFC 3501, 9; RFC 9051, 9).
 *
 * One function a rule, in the RFC's words, over a command that is complete. A literal is read where it stands: the framer
 * left "{n}", a line end, and n octets in the text, or "{n!}" and a line end for one that it streamed elsewhere.
 *
 * Where clients in the field are laxer than the grammar and nothing becomes ambiguous, so are we: quoted strings may hold
 * 8-bit octets. Where laxness would make two readings possible we are not: one space between arguments, no NUL. */
#include "wire/imap_scan.h"

#include "base/utf8.h"
#include "wire/chars.h"
#include "wire/utf7.h"

enum { OBJECTID_MOST = 255 };

/* ---- spaces, atoms ---- */

void scan_sp(struct scan *c)
{
    scan_require(c, ' ', "a space");
}

static struct str scan_some(struct scan *c, bool (*is_member)(unsigned char octet),
                            const char *expected)
{
    struct str s = scan_run(c, is_member);
    if (s.n == 0) {
        scan_fail(c, ERR_SYNTAX, expected);
    }
    return s;
}

/* tag = 1*<any ASTRING-CHAR except "+"> */
struct str scan_tag(struct scan *c)
{
    return scan_some(c, is_tag_char, "a tag");
}

/* atom = 1*ATOM-CHAR */
struct str scan_atom(struct scan *c)
{
    return scan_some(c, is_atom_char, "an atom");
}

bool scan_accept_word(struct scan *c, struct str keyword)
{
    struct str rest = scan_rest(c);
    if (!str_starts_nocase(rest, keyword)
        || (rest.n > keyword.n && is_atom_char((unsigned char)rest.p[keyword.n]))) {
        return false;
    }
    c->at += keyword.n;
    return true;
}

/* ---- strings ---- */

/* Finds the closing quote from behind the opening one; counts the escapes on the way. */
static bool find_quote(struct scan *c, size_t *escapes)
{
    *escapes = 0;
    while (true) {
        (void)scan_run(c, is_quoted_text);
        int octet = scan_peek(c);
        if (octet != '\\') {
            return octet == '"';
        }
        c->at++;
        octet = scan_peek(c);
        if (octet != '\\' && octet != '"') {
            return false;
        }
        c->at++;
        (*escapes)++;
    }
}

static struct str unescape(struct scan *c, struct arena *a, struct str raw, size_t escapes)
{
    char *to = arena_alloc(a, raw.n - escapes);
    size_t n = 0;
    if (to == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter command");
        return STR_EMPTY;
    }
    for (size_t i = 0; i < raw.n; i++) {
        i += raw.p[i] == '\\' ? 1 : 0;
        to[n++] = raw.p[i];
    }
    return str_make(to, n);
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE */
struct str scan_quoted(struct scan *c, struct arena *a)
{
    size_t escapes = 0;
    scan_require(c, '"', "a quoted string");
    size_t start = c->at;
    if (!scan_is_ok(c) || !find_quote(c, &escapes)) {
        scan_fail(c, ERR_SYNTAX, "the end of a quoted string");
        return STR_EMPTY;
    }
    struct str raw = str_sub(c->s, start, c->at - start);
    if (c->is_utf8 && !utf8_is_valid(raw)) {
        /* RFC 9755 §3: BAD */
        scan_fail(c, ERR_SYNTAX, "a quoted string in UTF-8");
        return STR_EMPTY;
    }
    c->at++;
    return escapes == 0 ? raw : unescape(c, a, raw, escapes);
}

/* literal = "{" number ["+"] "}" CRLF *CHAR8; literal8 = "~" literal (RFC 3516, 7888) */
struct scan_literal_out scan_literal(struct scan *c)
{
    struct scan_literal_out out = {STR_EMPTY, 0, false, false};
    out.is_binary = scan_accept(c, '~');
    scan_require(c, '{', "a literal");
    out.size = scan_number(c, INT64_MAX, "a literal's size");
    out.is_streamed = scan_accept(c, '!');
    if (!out.is_streamed) {
        (void)scan_accept(c, '+');
    }
    scan_require(c, '}', "a literal");
    (void)scan_accept(c, '\r');
    scan_require(c, '\n', "a literal's line end");
    if (!out.is_streamed) {
        out.octets = scan_take(c, (size_t)out.size, "a literal's octets");
    }
    return out;
}

/* string = quoted / literal */
struct str scan_string(struct scan *c, struct arena *a)
{
    if (scan_peek(c) == '"') {
        return scan_quoted(c, a);
    }
    if (scan_peek(c) != '{') {
        scan_fail(c, ERR_SYNTAX, "a string");
        return STR_EMPTY;
    }
    size_t start = c->at;
    struct scan_literal_out literal = scan_literal(c);
    /* CHAR8 = %x01-ff: any OCTET except NUL */
    if (literal.is_streamed || str_find_char(literal.octets, '\0') < literal.octets.n) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, "a string without NUL");
        return STR_EMPTY;
    }
    return literal.octets;
}

/* nstring = string / nil */
bool scan_nstring(struct scan *c, struct arena *a, struct str *out)
{
    *out = STR_EMPTY;
    if (scan_accept_word(c, STR("NIL"))) {
        return false;
    }
    *out = scan_string(c, a);
    return true;
}

/* astring = 1*ASTRING-CHAR / string */
struct str scan_astring(struct scan *c, struct arena *a)
{
    int octet = scan_peek(c);
    if (octet == '"' || octet == '{') {
        return scan_string(c, a);
    }
    return scan_some(c, is_astring_char, "an astring");
}

/* ---- mailbox names ---- */

/* Modified UTF-7 to UTF-8, unless it is UTF-8 already. A name without "&" that is printable ASCII is itself. */
static struct str decode_name(struct scan *c, struct arena *a, struct str raw, size_t start)
{
    if (!scan_is_ok(c)) {
        return STR_EMPTY;
    }
    if (c->is_utf8) {
        /* RFC 9051 §5.1: "&" is itself */
        if (!utf8_is_valid(raw)) {
            c->at = start;
            scan_fail(c, ERR_MAILBOX_NAME, "a mailbox name in UTF-8");
        }
        return raw;
    }
    /* UTF-8 can be half again as long: "&AOk-" is shorter decoded, but "&MMgwyDDI-" (3 octets a 16-bit unit) is not. */
    struct buf out = BUF_INIT(2 * raw.n);
    enum err e = utf7_parse(raw, &out);
    struct str name = e == ERR_OK ? arena_str(a, buf_str(&out)) : STR_EMPTY;
    buf_release(&out);
    if (e != ERR_OK) {
        c->at = start;
        scan_fail(c, ERR_MAILBOX_NAME, "a mailbox name in modified UTF-7");
    } else if (name.p == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter command");
    }
    return name;
}

/* mailbox = "INBOX" / astring; INBOX is case-insensitive */
struct str scan_mailbox(struct scan *c, struct arena *a)
{
    size_t start = c->at;
    int octet = scan_peek(c);
    if (octet != '"' && octet != '{' && (octet < 0 || !is_astring_char((unsigned char)octet))) {
        scan_fail(c, ERR_SYNTAX, "a mailbox name");
        return STR_EMPTY;
    }
    struct str name = decode_name(c, a, scan_astring(c, a), start);
    return str_eq_nocase(name, STR("INBOX")) ? STR("INBOX") : name;
}

/* list-mailbox = 1*list-char / string */
struct str scan_list_mailbox(struct scan *c, struct arena *a)
{
    size_t start = c->at;
    int octet = scan_peek(c);
    bool is_string = octet == '"' || octet == '{';
    struct str raw =
        is_string ? scan_string(c, a) : scan_some(c, is_list_char, "a mailbox pattern");
    return decode_name(c, a, raw, start);
}

static bool is_objectid_char(unsigned char octet)
{
    return is_let_dig(octet) || octet == '_' || octet == '-';
}

/* objectid = 1*255(ALPHA / DIGIT / "_" / "-") */
struct str scan_objectid(struct scan *c)
{
    size_t start = c->at;
    struct str id = scan_some(c, is_objectid_char, "an object identifier");
    if (id.n > OBJECTID_MOST) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, "an object identifier of 255 characters at most");
    }
    return id;
}

/* ---- numbers ---- */

/* number = 1*DIGIT: unsigned 32-bit */
uint32_t scan_number32(struct scan *c)
{
    return (uint32_t)scan_number(c, UINT32_MAX, "a number");
}

static uint64_t scan_nonzero(struct scan *c, uint64_t max, const char *expected)
{
    size_t start = c->at;
    bool has_digit = scan_peek(c) != '0';
    uint64_t v = scan_number(c, max, expected);
    if (!has_digit || v == 0) {
        c->at = scan_is_ok(c) ? start : c->at;
        scan_fail(c, ERR_SYNTAX, expected);
    }
    return v;
}

/* nz-number = digit-nz *DIGIT */
uint32_t scan_nz_number(struct scan *c)
{
    return (uint32_t)scan_nonzero(c, UINT32_MAX, "a nonzero number");
}

/* number64 = 1*DIGIT: unsigned 63-bit */
uint64_t scan_number64(struct scan *c)
{
    return scan_number(c, INT64_MAX, "a number");
}

/* mod-sequence-value = 1*DIGIT: positive unsigned 63-bit */
uint64_t scan_mod_sequence_value(struct scan *c)
{
    return scan_nonzero(c, INT64_MAX, "a mod-sequence");
}
