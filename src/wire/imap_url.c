/* Reading IMAP URLs (RFC 5092, 11), one function a rule.
 *
 *     imap://  user;AUTH=mech @ host:port  /  mailbox;UIDVALIDITY=n  /;UID=n  /;SECTION=s  /;PARTIAL=o.l
 *     '-form-' '------- authority ------'     '------ mailbox ref -'  '------ message, part, range ----'
 *
 *     ;EXPIRE=date-time ;URLAUTH=access :mechanism:token
 *     '-------------- iurlauth ----------------------'
 *
 * The text is cut before it is decoded: percent-encoding hides delimiters, so "%3BUID=1" is part of a mailbox name and never
 * a UID. The path's parts after the mailbox are recognised by their ";NAME=", which an unencoded mailbox cannot hold
 * (bchar has no ";"). So the mailbox is the longest run of bchar, less the "/" that introduces the next part.
 *
 * Stricter than the grammar: %00 is refused anywhere, user, access user and mailbox are UTF-8, a token is 32 hex digits
 * or more, UIDVALIDITY and the like are given once and in the grammar's order, since a URL that is signed must have one
 * meaning. Laxer: ";PARTIAL=" may follow without a section, and names compare without case, as the ABNF says. */
#include "wire/imap_url.h"

#include "base/scan.h"
#include "wire/chars.h"
#include "wire/imap_date.h"
#include "base/utf8.h"

/* ---- percent-encoding ---- */

/* Decodes raw, which may hold "%" only as pct-encoded. Unchanged text is borrowed. */
static struct str decode(struct scan *c, struct arena *a, struct str raw)
{
    if (str_find_char(raw, '%') == raw.n) {
        return raw;
    }
    char *to = arena_alloc(a, raw.n);
    size_t n = 0;
    if (to == NULL) {
        scan_fail(c, ERR_LIMIT, "a shorter URL");
        return STR_EMPTY;
    }
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] != '%') {
            to[n++] = raw.p[i];
            continue;
        }
        int high = raw.n - i > 2 ? ascii_hex_value(raw.p[i + 1]) : -1;
        int low = high >= 0 ? ascii_hex_value(raw.p[i + 2]) : -1;
        if (low < 0 || high + low == 0) {
            scan_fail(c, ERR_BAD_URL, "two hex digits, not 00");
            return STR_EMPTY;
        }
        to[n++] = (char)(unsigned char)(high * 16 + low);
        i += 2;
    }
    return str_make(to, n);
}

static struct str decode_utf8(struct scan *c, struct arena *a, struct str raw)
{
    struct str s = decode(c, a, raw);
    if (!utf8_is_valid(s)) {
        scan_fail(c, ERR_BAD_URL, "UTF-8");
    }
    return s;
}

/* 1*achar, or 1*bchar */
static struct str scan_encoded(struct scan *c, bool (*is_member)(unsigned char octet),
                               const char *expected)
{
    struct str raw = scan_run(c, is_member);
    if (raw.n == 0) {
        scan_fail(c, ERR_BAD_URL, expected);
    }
    return raw;
}

static uint32_t scan_nz(struct scan *c)
{
    if (scan_peek(c) == '0') {
        scan_fail(c, ERR_BAD_URL, "a nonzero number");
    }
    return (uint32_t)scan_number(c, UINT32_MAX, "a nonzero number");
}

/* ---- authority ---- */

/* iuserinfo = enc-user [iauth] / [enc-user] iauth; iauth = ";AUTH=" ("*" / enc-auth-type) */
static void scan_userinfo(struct scan *c, struct arena *a, struct imap_url *out)
{
    struct str user = scan_run(c, is_url_achar);
    out->has_user = user.n > 0;
    out->user = decode_utf8(c, a, user);
    if (scan_accept_nocase(c, STR(";AUTH="))) {
        out->has_auth = true;
        out->auth = decode(c, a, scan_encoded(c, is_url_achar, "a mechanism"));
    }
    if (!out->has_user && !out->has_auth) {
        scan_fail(c, ERR_BAD_URL, "a user or ;AUTH=");
    }
    if (!scan_accept(c, '@')) {
        scan_fail(c, ERR_BAD_URL, "an @");
    }
}

static bool is_host_char(unsigned char octet)
{
    return is_ldh(octet) || octet == '.';
}

static bool is_ip_literal_char(unsigned char octet)
{
    return ascii_hex_value((char)octet) >= 0 || octet == ':' || octet == '.';
}

/* host [":" port]: a name, an IPv4 address, or an IPv6 address in brackets */
static void scan_host(struct scan *c, struct imap_url *out)
{
    size_t start = c->at;
    if (scan_accept(c, '[')) {
        (void)scan_encoded(c, is_ip_literal_char, "an IPv6 address");
        if (!scan_accept(c, ']')) {
            scan_fail(c, ERR_BAD_URL, "a closing bracket");
        }
    } else {
        (void)scan_encoded(c, is_host_char, "a host");
    }
    out->host = str_sub(c->s, start, c->at - start);
    if (scan_accept(c, ':')) {
        out->port = (uint16_t)scan_number(c, UINT16_MAX, "a port");
        if (out->port == 0) {
            scan_fail(c, ERR_BAD_URL, "a port");
        }
    }
}

/* iserver = [iuserinfo "@"] host [":" port] */
static void scan_server(struct scan *c, struct arena *a, struct imap_url *out)
{
    struct str rest = scan_rest(c);
    struct str authority = str_sub(rest, 0, str_find_char(rest, '/'));
    if (str_find_char(authority, '@') < authority.n) {
        scan_userinfo(c, a, out);
    }
    scan_host(c, out);
}

/* ---- path ---- */

/* 1*bchar, where a "/" at the end introduces the part that follows, unless it is kept_by. */
static struct str scan_component(struct scan *c, struct str kept_by, const char *expected)
{
    struct str raw = scan_encoded(c, is_url_bchar, expected);
    bool is_last = scan_peek(c) != ';' || str_starts_nocase(scan_rest(c), kept_by);
    if (!is_last && str_ends(raw, STR("/"))) {
        raw.n--;
        c->at--;
    }
    return raw;
}

/* What begins like another scheme is no mailbox (RFC 3986, 4.2: a colon in the first segment of a relative path). */
static bool is_like_scheme(struct str raw)
{
    struct str first = str_sub(raw, 0, str_find_char(raw, '/'));
    return str_find_char(first, ':') < first.n;
}

/* enc-mailbox [uidvalidity] */
static void scan_mailbox_ref(struct scan *c, struct arena *a, struct imap_url *out)
{
    struct str raw = scan_component(c, STR(";UIDVALIDITY="), "a mailbox");
    out->has_mailbox = true;
    out->mailbox = decode_utf8(c, a, raw);
    if (str_eq_nocase(out->mailbox, STR("INBOX"))) {
        out->mailbox = STR("INBOX");
    }
    bool is_other = out->form == IMAP_URL_RELATIVE_PATH && is_like_scheme(raw);
    if (raw.n == 0 || raw.p[0] == '/' || is_other) {
        scan_fail(c, ERR_BAD_URL, "a mailbox");
    }
    if (scan_accept_nocase(c, STR(";UIDVALIDITY="))) {
        out->uidvalidity = scan_nz(c);
    }
}

/* partial-range = number ["." nz-number] */
static void scan_partial_only(struct scan *c, struct imap_url *out)
{
    out->has_partial = true;
    out->partial_offset = scan_number(c, INT64_MAX, "an offset");
    if (scan_accept(c, '.')) {
        out->has_partial_length = true;
        out->partial_length = scan_number(c, INT64_MAX, "a length");
        if (out->partial_length == 0) {
            scan_fail(c, ERR_BAD_URL, "a nonzero length");
        }
    }
}

/* Steps over "/" and the name, or over the name alone where a relative URL begins with it. */
static bool accept_part(struct scan *c, struct str name)
{
    struct scan probe = *c;
    if (c->at > 0 && !scan_accept(&probe, '/')) {
        return false;
    }
    if (!scan_accept_nocase(&probe, name)) {
        return false;
    }
    *c = probe;
    return true;
}

/* [iuid] [isection] [ipartial] */
static void scan_message_part(struct scan *c, struct arena *a, struct imap_url *out)
{
    if (accept_part(c, STR(";UID="))) {
        out->uid = scan_nz(c);
    }
    if (accept_part(c, STR(";SECTION="))) {
        out->has_section = true;
        out->section = decode(c, a, scan_component(c, STR(";EXPIRE="), "a section"));
    }
    if (accept_part(c, STR(";PARTIAL="))) {
        scan_partial_only(c, out);
    }
}

/* ---- URLAUTH ---- */

static bool is_application_char(unsigned char octet)
{
    return is_url_achar(octet) && octet != '+' && octet != '%';
}

/* "submit", "user", "authuser", "anonymous" or another name; the first two need a user, the next two have none */
static void check_access(struct scan *c, struct imap_url *out)
{
    static const struct {
        struct str name;
        enum imap_url_access access;
        bool must_user;
        bool may_user;
    } rows[] = {
        {{"submit", 6}, IMAP_ACCESS_SUBMIT, true, true},
        {{"user", 4}, IMAP_ACCESS_USER, true, true},
        {{"authuser", 8}, IMAP_ACCESS_AUTHUSER, false, false},
        {{"anonymous", 9}, IMAP_ACCESS_ANONYMOUS, false, false},
        {{"stream", 6}, IMAP_ACCESS_STREAM, false, true},
    };
    out->access = IMAP_ACCESS_OTHER;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!str_eq_nocase(out->access_name, rows[i].name)) {
            continue;
        }
        out->access = rows[i].access;
        if (out->has_access_user ? !rows[i].may_user : rows[i].must_user) {
            scan_fail(c, ERR_BAD_URL, "an access identifier");
        }
    }
}

/* access = application ["+" enc-user] (RFC 5593, 3) */
static void scan_access(struct scan *c, struct arena *a, struct imap_url *out)
{
    out->access_name = scan_encoded(c, is_application_char, "an access identifier");
    if (scan_accept(c, '+')) {
        out->has_access_user = true;
        out->access_user = decode_utf8(c, a, scan_encoded(c, is_url_achar, "a user"));
    }
    check_access(c, out);
}

static bool is_mechanism_char(unsigned char octet)
{
    return is_let_dig(octet) || octet == '-' || octet == '.';
}

static bool is_hex(unsigned char octet)
{
    return ascii_hex_value((char)octet) >= 0;
}

/* iua-verifier = ":" uauth-mechanism ":" enc-urlauth; enc-urlauth = 32*HEXDIG */
static void scan_verifier(struct scan *c, struct imap_url *out)
{
    if (!scan_accept(c, ':')) {
        return;
    }
    out->mechanism = scan_encoded(c, is_mechanism_char, "a mechanism");
    scan_require(c, ':', "a colon");
    out->token = scan_encoded(c, is_hex, "a token");
    if (out->token.n < 32) {
        scan_fail(c, ERR_BAD_URL, "a token of 32 hex digits");
    }
}

/* [expire] ";URLAUTH=" access [iua-verifier] */
static void scan_urlauth(struct scan *c, struct arena *a, struct imap_url *out)
{
    if (scan_accept_nocase(c, STR(";EXPIRE="))) {
        out->has_expire = true;
        out->expire_s = scan_rfc3339(c);
    }
    if (!scan_accept_nocase(c, STR(";URLAUTH="))) {
        if (out->has_expire) {
            scan_fail(c, ERR_BAD_URL, ";URLAUTH= behind ;EXPIRE=");
        }
        return;
    }
    scan_access(c, a, out);
    out->rump = str_sub(c->s, 0, c->at);
    scan_verifier(c, out);
}

/* ---- the whole ---- */

static void scan_form(struct scan *c, struct arena *a, struct imap_url *out)
{
    out->form = IMAP_URL_RELATIVE_PATH;
    if (scan_accept_nocase(c, STR("imap://"))) {
        out->form = IMAP_URL_ABSOLUTE;
        scan_server(c, a, out);
        if (!scan_is_end(c)) {
            scan_require(c, '/', "a slash");
        }
        return;
    }
    if (scan_accept(c, '/')) {
        out->form = IMAP_URL_ABSOLUTE_PATH;
    }
}

/* icommand, irelative-path: imailbox-ref with a message, a part of it, or a search; or the last alone */
static void scan_path(struct scan *c, struct arena *a, struct imap_url *out)
{
    if (scan_is_end(c)) {
        return;
    }
    if (out->form != IMAP_URL_RELATIVE_PATH || scan_peek(c) != ';') {
        scan_mailbox_ref(c, a, out);
    }
    if (out->has_mailbox && scan_accept(c, '?')) {
        out->has_search = true;
        out->search = decode(c, a, scan_encoded(c, is_url_bchar, "a search"));
        return;
    }
    scan_message_part(c, a, out);
    scan_urlauth(c, a, out);
}

/* A section or range needs a message, and an authorized URL is absolute and names a user and a message (RFC 5092, 11:
 * authimapurl; RFC 4467, 2: the userid is mandatory). */
static bool is_complete(const struct imap_url *url)
{
    bool has_part = url->has_section || url->has_partial;
    if (url->has_mailbox && url->uid == 0 && has_part) {
        return false;
    }
    if (url->access == IMAP_ACCESS_NONE) {
        return true;
    }
    return url->form == IMAP_URL_ABSOLUTE && url->has_user && url->has_mailbox && url->uid != 0;
}

enum err imap_url_parse(struct arena *a, struct str s, struct imap_url *out)
{
    struct imap_url url = {.form = IMAP_URL_RELATIVE_PATH};
    struct scan c = scan_make(s);
    if (s.n > IMAP_URL_MOST) {
        return ERR_BAD_URL;
    }
    scan_form(&c, a, &url);
    scan_path(&c, a, &url);
    scan_require_end(&c);
    if (!scan_is_ok(&c)) {
        return scan_get_err(&c) == ERR_LIMIT ? ERR_LIMIT : ERR_BAD_URL;
    }
    if (!is_complete(&url)) {
        return ERR_BAD_URL;
    }
    *out = url;
    return ERR_OK;
}
