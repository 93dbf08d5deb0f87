/* Paths and mailboxes (RFC 5321, 4.1.2).
 *
 *     Path       = "<" [ A-d-l ":" ] Mailbox ">"
 *     A-d-l      = At-domain *( "," At-domain )      read and ignored, as Appendix C asks
 *     Mailbox    = Local-part "@" ( Domain / address-literal )
 *     Local-part = Dot-string / Quoted-string
 *
 * A local part is kept without its quotes, so that "a.b"@x and a.b@x are one mailbox; it is quoted again when written,
 * if it must be. The local part's meaning is nobody's but the final host's: its case stays.
 *
 * Beyond ASCII, local parts and domain labels may hold any UTF-8 but the controls above ASCII and the line separators of
 * Unicode (RFC 6531, 3.3); nothing is normalised. Whether a domain is one that IDNA knows is not looked at here, and whether the
 * client may send such an address, says the parameter SMTPUTF8. */
#include "wire/smtp_path.h"

#include "wire/chars.h"

#include "base/utf8.h"

#include <arpa/inet.h>

enum { LOCAL_MOST = 256, DOMAIN_MOST = 255, LABEL_MOST = 63, ROUTE_MOST = 100 };

/* ---- beyond ASCII ---- */

static bool has_8bit(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > 0x7F) {
            return true;
        }
    }
    return false;
}

bool smtp_is_utf8_text(struct str s)
{
    uint32_t c = 0;
    while (utf8_next(&s, &c)) {
        if ((c >= 0x7F && c < 0xA0) || c < 0x20 || c == 0x2028 || c == 0x2029) {
            return false;
        }
    }
    return s.n == 0;
}

/* ---- domains ---- */

/* sub-domain = Let-dig [Ldh-str], where the last is Let-dig */
static bool is_ldh_or_8bit(unsigned char octet)
{
    return is_ldh(octet) || octet > 0x7F;
}

/* sub-domain, or a U-label (RFC 5890, 2.3.2.1), which is shorter than its A-label but for its octets */
static bool is_label(struct str label)
{
    struct scan c = scan_make(label);
    (void)scan_run(&c, is_ldh_or_8bit);
    bool is_short = label.n <= LABEL_MOST || has_8bit(label);
    return label.n > 0 && is_short && scan_is_end(&c) && label.p[0] != '-'
           && label.p[label.n - 1] != '-';
}

static bool is_domain(struct str domain)
{
    if (domain.n == 0 || domain.n > DOMAIN_MOST || str_ends(domain, STR("."))
        || !smtp_is_utf8_text(domain)) {
        return false;
    }
    while (domain.n > 0) {
        if (!is_label(str_split(&domain, '.'))) {
            return false;
        }
    }
    return true;
}

/* Between the brackets: IPv4-address-literal / IPv6-address-literal */
static bool is_address_literal(struct str inside)
{
    char text[64];
    unsigned char raw[16];
    struct str tag = STR("IPv6:");
    bool is_v6 = str_starts_nocase(inside, tag);
    inside = is_v6 ? str_skip(inside, tag.n) : inside;
    if (inside.n == 0 || inside.n >= sizeof(text) || str_find_char(inside, '\0') < inside.n) {
        return false;
    }
    memcpy(text, inside.p, inside.n);
    text[inside.n] = '\0';
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, text, raw) == 1;
}

static bool is_domain_char(unsigned char octet)
{
    return is_ldh_or_8bit(octet) || octet == '.';
}

/* Domain / address-literal */
static struct str scan_domain(struct scan *c)
{
    size_t start = c->at;
    bool is_right = false;
    if (scan_accept(c, '[')) {
        struct str inside = scan_run(c, is_dcontent);
        is_right = scan_accept(c, ']') && is_address_literal(inside);
    } else {
        is_right = is_domain(scan_run(c, is_domain_char));
    }
    if (!is_right) {
        scan_fail(c, ERR_BAD_ADDRESS, "a domain");
        return STR_EMPTY;
    }
    return str_sub(c->s, start, c->at - start);
}

/* ---- local parts ---- */

static bool is_atext_or_dot(unsigned char octet)
{
    return is_smtp_atext(octet) || octet == '.' || octet > 0x7F;
}

/* Dot-string = Atom *("." Atom) */
static bool is_dot_string(struct str s)
{
    struct scan c = scan_make(s);
    (void)scan_run(&c, is_atext_or_dot);
    return s.n > 0 && scan_is_end(&c) && s.p[0] != '.' && s.p[s.n - 1] != '.'
           && str_find_str(s, STR("..")) == s.n;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE, behind the first quote; unquoted into a. */
static struct str scan_quoted_local(struct scan *c, struct arena *a)
{
    struct str rest = scan_rest(c);
    char *to = arena_alloc(a, rest.n < LOCAL_MOST ? rest.n : LOCAL_MOST);
    size_t n = 0;
    if (to == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter address");
        return STR_EMPTY;
    }
    while (!scan_accept(c, '"')) {
        (void)scan_accept(c, '\\');
        int octet = scan_peek(c);
        if (octet < 0x20 || octet == 0x7F || n == LOCAL_MOST) {
            scan_fail(c, ERR_BAD_ADDRESS, "a local part");
            return STR_EMPTY;
        }
        to[n++] = (char)octet;
        c->at++;
    }
    return str_make(to, n);
}

static struct str scan_local(struct scan *c, struct arena *a)
{
    bool is_quoted = scan_accept(c, '"');
    struct str local = is_quoted ? scan_quoted_local(c, a) : scan_run(c, is_atext_or_dot);
    bool is_right = is_quoted || (is_dot_string(local) && local.n <= LOCAL_MOST);
    if (!is_right || !smtp_is_utf8_text(local)) {
        scan_fail(c, ERR_BAD_ADDRESS, "a local part");
    }
    return local;
}

/* ---- mailboxes and paths ---- */

void smtp_address_write(struct buf *out, struct str local, struct str domain)
{
    if (is_dot_string(local)) {
        buf_add(out, local);
    } else {
        buf_add_char(out, '"');
        for (size_t i = 0; i < local.n; i++) {
            if (local.p[i] == '"' || local.p[i] == '\\') {
                buf_add_char(out, '\\');
            }
            buf_add_char(out, local.p[i]);
        }
        buf_add_char(out, '"');
    }
    if (domain.n > 0) {
        buf_add_char(out, '@');
        buf_add(out, domain);
    }
}

static void finish_path(struct scan *c, struct arena *a, struct smtp_path *out)
{
    if (!scan_is_ok(c)) {
        return;
    }
    struct buf address = BUF_INIT(1024);
    smtp_address_write(&address, out->local, out->domain);
    out->address = arena_str(a, buf_str(&address));
    buf_release(&address);
    out->is_utf8 = has_8bit(out->address);
    if (out->address.p == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter address");
    }
}

/* Mailbox = Local-part "@" (Domain / address-literal): what follows the local part */
static void scan_at_domain(struct scan *c, struct arena *a, struct smtp_path *out)
{
    if (!scan_accept(c, '@')) {
        scan_fail(c, ERR_BAD_ADDRESS, "an @");
    }
    out->domain = scan_domain(c);
    finish_path(c, a, out);
}

/* [A-d-l ":"]; A-d-l = At-domain *("," At-domain) */
static void scan_route(struct scan *c)
{
    unsigned count = 0;
    while (scan_accept(c, '@')) {
        (void)scan_domain(c);
        if (scan_accept(c, ':')) {
            return;
        }
        if (!scan_accept(c, ',') || scan_peek(c) != '@' || ++count == ROUTE_MOST) {
            scan_fail(c, ERR_BAD_ADDRESS, "a colon behind the route");
        }
    }
}

void scan_smtp_path(struct scan *c, struct arena *a, enum smtp_path_kind kind,
                    struct smtp_path *out)
{
    *out = (struct smtp_path){.is_null = false};
    if (!scan_accept(c, '<')) {
        scan_fail(c, ERR_BAD_ADDRESS, "an address in angle brackets");
        return;
    }
    if (kind == SMTP_REVERSE_PATH && scan_accept(c, '>')) {
        out->is_null = true;
        return;
    }
    scan_route(c);
    out->local = scan_local(c, a);
    /* "<Postmaster>" needs no domain (RFC 5321, 4.1.1.3); another name without one is for the server to complete or to
     * refuse (RFC 6409, 4.2), and names an account in our own LMTP. */
    if (scan_peek(c) == '>') {
        finish_path(c, a, out);
    } else {
        scan_at_domain(c, a, out);
    }
    if (!scan_accept(c, '>')) {
        scan_fail(c, ERR_BAD_ADDRESS, "a closing angle bracket");
    }
}

enum err smtp_address_parse(struct arena *a, struct str s, struct smtp_path *out)
{
    struct scan c = scan_make(s);
    struct smtp_path path = {.is_null = false};
    path.local = scan_local(&c, a);
    scan_at_domain(&c, a, &path);
    if (!scan_is_end(&c)) {
        scan_fail(&c, ERR_BAD_ADDRESS, "the end of the address");
    }
    TRY(scan_get_err(&c));
    *out = path;
    return ERR_OK;
}
