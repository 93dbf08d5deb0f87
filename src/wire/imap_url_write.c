/* Writing IMAP URLs: the other direction of imap_url.c, rule by rule.
 *
 * Only unreserved characters stand bare, and "/" in mailboxes: fewer than the grammar allows, but then no reader has to be
 * right about the rest. */
#include "wire/imap_url.h"

#include "wire/chars.h"
#include "wire/imap_date.h"

void imap_url_write_encoded(struct buf *out, struct str s, bool may_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char octet = (unsigned char)s.p[i];
        if (is_url_unreserved(octet) || (may_slash && octet == '/')) {
            buf_add_char(out, s.p[i]);
            continue;
        }
        const char escaped[] = {'%', hex[octet >> 4], hex[octet & 15]};
        buf_add(out, str_make(escaped, sizeof(escaped)));
    }
}

static void write_number(struct buf *out, const char *name, uint64_t v)
{
    buf_add_c(out, name);
    buf_add_u64(out, v);
}

static void write_server(struct buf *out, const struct imap_url *url)
{
    buf_add_c(out, "imap://");
    imap_url_write_encoded(out, url->user, false);
    if (url->has_auth) {
        buf_add_c(out, ";AUTH=");
        if (str_eq(url->auth, STR("*"))) {
            buf_add_char(out, '*');
        } else {
            imap_url_write_encoded(out, url->auth, false);
        }
    }
    if (url->has_user || url->has_auth) {
        buf_add_char(out, '@');
    }
    buf_add(out, url->host);
    if (url->port != 0) {
        write_number(out, ":", url->port);
    }
}

/* A leading or trailing slash of the name would be taken for one of the path. */
static void write_mailbox(struct buf *out, struct str name)
{
    struct str head = str_starts(name, STR("/")) ? str_sub(name, 0, 1) : STR_EMPTY;
    struct str tail =
        name.n > head.n && str_ends(name, STR("/")) ? str_skip(name, name.n - 1) : STR_EMPTY;
    imap_url_write_encoded(out, head, false);
    imap_url_write_encoded(out, str_sub(name, head.n, name.n - head.n - tail.n), true);
    imap_url_write_encoded(out, tail, false);
}

static void write_part_slash(struct buf *out, bool *is_first)
{
    if (!*is_first) {
        buf_add_char(out, '/');
    }
    *is_first = false;
}

static void write_message_part(struct buf *out, const struct imap_url *url)
{
    bool is_first = !url->has_mailbox;
    if (url->uid != 0) {
        write_part_slash(out, &is_first);
        write_number(out, ";UID=", url->uid);
    }
    if (url->has_section) {
        write_part_slash(out, &is_first);
        buf_add_c(out, ";SECTION=");
        imap_url_write_encoded(out, url->section, false);
    }
    if (url->has_partial) {
        write_part_slash(out, &is_first);
        write_number(out, ";PARTIAL=", url->partial_offset);
        if (url->has_partial_length) {
            write_number(out, ".", url->partial_length);
        }
    }
}

static void write_urlauth(struct buf *out, const struct imap_url *url)
{
    if (url->has_expire) {
        struct civil t = civil_from_unix(url->expire_s);
        buf_addf(out, ";EXPIRE=%04lld-%02u-%02uT%02u:%02u:%02uZ", (long long)t.year, t.month, t.day,
                 t.hour, t.minute, t.second);
    }
    buf_add_c(out, ";URLAUTH=");
    buf_add(out, url->access_name);
    if (url->has_access_user) {
        buf_add_char(out, '+');
        imap_url_write_encoded(out, url->access_user, false);
    }
    if (url->token.n > 0) {
        buf_add_char(out, ':');
        buf_add(out, url->mechanism);
        buf_add_char(out, ':');
        buf_add(out, url->token);
    }
}

void imap_url_write(struct buf *out, const struct imap_url *url)
{
    if (url->form == IMAP_URL_ABSOLUTE) {
        write_server(out, url);
    }
    if (url->form == IMAP_URL_ABSOLUTE_PATH
        || (url->form == IMAP_URL_ABSOLUTE && url->has_mailbox)) {
        buf_add_char(out, '/');
    }
    if (url->has_mailbox) {
        write_mailbox(out, url->mailbox);
    }
    if (url->uidvalidity != 0) {
        write_number(out, ";UIDVALIDITY=", url->uidvalidity);
    }
    if (url->has_search) {
        buf_add_char(out, '?');
        imap_url_write_encoded(out, url->search, false);
    }
    write_message_part(out, url);
    if (url->access != IMAP_ACCESS_NONE) {
        write_urlauth(out, url);
    }
}
