/* The grammar of ManageSieve (RFC 5804, 4).
 *
 *     command  = atom *(SP (string / number)) CRLF
 *     string   = quoted / "{" number "+}" CRLF octets
 *     response = ("OK" / "NO" / "BYE") [SP "(" code ")"] [SP string] CRLF
 *
 * It is IMAP's without tags and with fewer words, so the framer and the writing of strings are IMAP's. What differs is here: a client's
 * literal has its "+" always, a quoted string is UTF-8, may hold controls, and has at most 1024 octets. */
#include "wire/managesieve.h"

#include "base/utf8.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

/* ---- commands ---- */

/* ATOM-CHAR = "!" / %x23-27 / %x2A-5B / %x5D-7A / %x7C-7E */
static bool is_atom_octet(unsigned char c)
{
    return c == 0x21 || (c >= 0x23 && c <= 0x27) || (c >= 0x2A && c <= 0x5B)
           || (c >= 0x5D && c <= 0x7A) || (c >= 0x7C && c <= 0x7E);
}

enum err managesieve_command_parse(struct str text, struct managesieve_command *out)
{
    out->args = scan_make(text);
    out->name = scan_run(&out->args, is_atom_octet);
    if (out->name.n == 0 || out->name.n > MANAGESIEVE_WORD_MOST) {
        scan_fail(&out->args, ERR_SYNTAX, "the name of a command");
    }
    return scan_get_err(&out->args);
}

struct str managesieve_find_name(struct str text)
{
    struct scan c = scan_make(text);
    return scan_run(&c, is_atom_octet);
}

/* QUOTED-CHAR = SAFE-UTF8-CHAR / "\" QUOTED-SPECIALS. Octets of a quoted string up to its end; SIZE_MAX: it has none. */
static size_t find_quote(struct str s, bool *has_escapes)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"') {
            return i;
        }
        if (s.p[i] == '\\') {
            *has_escapes = true;
            i++;
        }
    }
    return SIZE_MAX;
}

static bool is_bad_octet(char c)
{
    return c == '\0' || c == '\r' || c == '\n';
}

/* Takes the escapes away. False: something in it cannot be quoted. */
static bool unquote(struct str s, char *to, size_t *n)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_bad_octet(s.p[i])) {
            return false;
        }
        if (s.p[i] == '\\') {
            i++;
            if (i == s.n || (s.p[i] != '"' && s.p[i] != '\\')) {
                return false;
            }
        }
        to[(*n)++] = s.p[i];
    }
    return true;
}

static struct str scan_quoted_utf8(struct scan *c, struct arena *a)
{
    bool has_escapes = false;
    char plain[MANAGESIEVE_QUOTED_MOST];
    size_t n = 0;
    struct str rest = scan_rest(c);
    size_t size = find_quote(rest, &has_escapes);
    if (size > MANAGESIEVE_QUOTED_MOST) {
        scan_fail(c, ERR_SYNTAX, "a quoted string of at most 1024 octets");
        return STR_EMPTY;
    }
    struct str inside = str_sub(rest, 0, size);
    if (!unquote(inside, plain, &n) || !utf8_is_valid(inside)) {
        scan_fail(c, ERR_SYNTAX, "UTF-8 without line ends between quotes");
        return STR_EMPTY;
    }
    c->at += size + 1;
    if (!has_escapes) {
        return inside;
    }
    struct str out = arena_str(a, str_make(plain, n));
    if (n > 0 && out.n == 0) {
        scan_fail(c, ERR_LIMIT, NULL);
    }
    return out;
}

/* literal-c2s = "{" number "+}" CRLF *OCTET */
static struct str scan_client_literal(struct scan *c)
{
    uint64_t size = scan_number(c, UINT32_MAX, "the size of a literal");
    scan_require(c, '+', "a literal \"{n+}\"");
    scan_require(c, '}', "a literal \"{n+}\"");
    (void)scan_accept(c, '\r');
    scan_require(c, '\n', "a line end");
    return scan_take(c, size, "the octets of the literal");
}

struct str managesieve_scan_bare_string(struct scan *c, struct arena *a)
{
    if (scan_accept(c, '"')) {
        return scan_quoted_utf8(c, a);
    }
    scan_require(c, '{', "a string");
    return scan_client_literal(c);
}

struct str managesieve_scan_string(struct scan *c, struct arena *a)
{
    scan_sp(c);
    return managesieve_scan_bare_string(c, a);
}

uint32_t managesieve_scan_number(struct scan *c)
{
    scan_sp(c);
    bool is_zero = scan_peek(c) == '0';
    size_t begin = c->at;
    uint32_t n = (uint32_t)scan_number(c, UINT32_MAX, "a number");
    if (is_zero && c->at > begin + 1) {
        scan_fail(c, ERR_SYNTAX, "a number without leading zeros");
    }
    return n;
}

/* ---- responses ---- */

void managesieve_write_response(struct buf *out, struct str condition, struct str code,
                                struct str text)
{
    buf_add(out, condition);
    if (code.n > 0) {
        buf_add_c(out, " (");
        buf_add(out, code);
        buf_add_char(out, ')');
    }
    if (text.n > 0) {
        buf_add_char(out, ' ');
        imap_write_text(out, text, true);
    }
    imap_write_crlf(out);
}

void managesieve_write_ok(struct buf *out, const char *text)
{
    managesieve_write_response(out, STR("OK"), STR_EMPTY, str_from_c(text));
}

/* RFC 5804, 1.3 */
static struct str get_code(enum err e)
{
    static const struct {
        enum err err;
        const char *code;
    } CODES[] = {
        {ERR_SCRIPT_SIZE, "QUOTA/MAXSIZE"},     {ERR_TOO_BIG, "QUOTA/MAXSIZE"},
        {ERR_SCRIPT_COUNT, "QUOTA/MAXSCRIPTS"}, {ERR_OVER_QUOTA, "QUOTA"},
        {ERR_SCRIPT_ACTIVE, "ACTIVE"},          {ERR_NOT_FOUND, "NONEXISTENT"},
        {ERR_EXISTS, "ALREADYEXISTS"},          {ERR_TLS_REQUIRED, "ENCRYPT-NEEDED"},
    };
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++) {
        if (CODES[i].err == e) {
            return str_from_c(CODES[i].code);
        }
    }
    return err_get_info(e)->enhanced[0] == '4' ? STR("TRYLATER") : STR_EMPTY;
}

void managesieve_write_err(struct buf *out, enum err e)
{
    managesieve_write_response(out, STR("NO"), get_code(e), str_from_c(err_get_info(e)->text));
}

void managesieve_write_noop(struct buf *out, bool has_tag, struct str tag)
{
    buf_add_c(out, "OK ");
    if (has_tag) {
        buf_add_c(out, "(TAG ");
        imap_write_text(out, tag, true);
        buf_add_c(out, ") ");
    }
    buf_add_c(out, "\"Nothing done\"\r\n");
}

void managesieve_write_sync_bye(struct buf *out)
{
    managesieve_write_response(out, STR("BYE"), STR_EMPTY,
                               STR("Literals are announced by {n+} here, and sent at once"));
}

void managesieve_write_bye(struct buf *out, enum err e)
{
    managesieve_write_response(out, STR("BYE"), get_code(e), str_from_c(err_get_info(e)->text));
}

void managesieve_write_scan_err(struct buf *out, const struct scan *c)
{
    if (c->err != ERR_SYNTAX) {
        managesieve_write_err(out, c->err);
        return;
    }
    struct buf text = BUF_INIT(MANAGESIEVE_QUOTED_MOST);
    buf_addf(&text, "at octet %zu: expected %s", c->err_at + 1,
             c->expected == NULL ? "something else" : c->expected);
    managesieve_write_response(out, STR("NO"), STR_EMPTY, buf_str(&text));
    buf_release(&text);
}

static void write_capability(struct buf *out, const char *name, struct str value)
{
    imap_write_text(out, str_from_c(name), true);
    buf_add_char(out, ' ');
    imap_write_text(out, value, true);
    imap_write_crlf(out);
}

static void write_word(struct buf *out, const char *name)
{
    imap_write_text(out, str_from_c(name), true);
    imap_write_crlf(out);
}

void managesieve_write_capabilities(struct buf *out, const struct managesieve_capabilities *c,
                                    const char *text)
{
    write_capability(out, "IMPLEMENTATION", STR("Limetta"));
    write_capability(out, "SIEVE", c->extensions);
    write_capability(out, "SASL", c->mechanisms);
    if (c->is_tls_offered) {
        write_word(out, "STARTTLS");
    }
    if (c->methods.n > 0) {
        write_capability(out, "NOTIFY", c->methods);
    }
    if (c->redirects.n > 0) {
        write_capability(out, "MAXREDIRECTS", c->redirects);
    }
    if (c->owner.n > 0) {
        write_capability(out, "OWNER", c->owner);
    }
    if (c->has_unauthenticate) {
        write_word(out, "UNAUTHENTICATE");
    }
    write_capability(out, "LANGUAGE", STR("en"));
    write_capability(out, "VERSION", STR("1.0"));
    managesieve_write_ok(out, text);
}
