/* Writing IMAP: tokens that cannot be anything but themselves, and response lines.
 *
 * A string is quoted when it is short and every octet is printable ASCII (or, for a client that takes it, all of it is UTF-8
 * without controls); whatever else it is becomes a literal, whose
 * length says where it ends, whatever it holds. So no octets of a message can end a line, close a parenthesis or begin a
 * response (RFC 3501, 4.3).
 *
 * A literal of a server needs no consent of the client: the octets follow at once. */
#include "wire/imap_write.h"

#include "base/utf8.h"
#include "wire/chars.h"
#include "wire/imap_scan.h"
#include "wire/utf7.h"

enum { QUOTED_MOST = 1000, NAME_MOST = 64 * 1024 };

/* ---- tokens ---- */

static bool may_quote(struct str s, bool is_utf8)
{
    if (s.n > QUOTED_MOST) {
        return false;
    }
    bool is_ascii = true;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char octet = (unsigned char)s.p[i];
        if (octet < 0x20 || octet == 0x7F) {
            return false;
        }
        is_ascii = is_ascii && octet < 0x7F;
    }
    return is_ascii || (is_utf8 && utf8_is_valid(s));
}

void imap_write_literal_head(struct buf *out, uint64_t n, bool is_binary)
{
    buf_add_c(out, is_binary ? "~{" : "{");
    buf_add_u64(out, n);
    buf_add_c(out, "}\r\n");
}

void imap_write_client_literal_head(struct buf *out, uint64_t n, bool is_sync)
{
    buf_add_char(out, '{');
    buf_add_u64(out, n);
    buf_add_c(out, is_sync ? "}\r\n" : "+}\r\n");
}

void imap_write_text(struct buf *out, struct str s, bool is_utf8)
{
    if (may_quote(s, is_utf8)) {
        buf_add_quoted(out, s);
        return;
    }
    imap_write_literal_head(out, s.n, false);
    buf_add(out, s);
}

void imap_write_ntext(struct buf *out, struct str s, bool is_present, bool is_utf8)
{
    if (!is_present) {
        buf_add_c(out, "NIL");
        return;
    }
    imap_write_text(out, s, is_utf8);
}

void imap_write_string(struct buf *out, struct str s)
{
    imap_write_text(out, s, false);
}

static void write_astring(struct buf *out, struct str s, bool is_utf8)
{
    struct scan c = scan_make(s);
    (void)scan_run(&c, is_atom_char);
    if (s.n > 0 && scan_is_end(&c) && !str_eq_nocase(s, STR("NIL"))) {
        buf_add(out, s);
        return;
    }
    imap_write_text(out, s, is_utf8);
}

void imap_write_astring(struct buf *out, struct str s)
{
    write_astring(out, s, false);
}

void imap_write_binary(struct buf *out, struct str s)
{
    if (str_find_char(s, '\0') == s.n) {
        imap_write_string(out, s);
        return;
    }
    imap_write_literal_head(out, s.n, true);
    buf_add(out, s);
}

void imap_write_mailbox(struct buf *out, struct str name)
{
    struct buf spelt = BUF_INIT(NAME_MOST);
    if (utf7_write(&spelt, name) == ERR_OK) {
        imap_write_astring(out, buf_str(&spelt));
    } else {
        imap_write_literal_head(out, name.n, false);
        buf_add(out, name);
    }
    buf_release(&spelt);
}

void imap_write_utf8_mailbox(struct buf *out, struct str name)
{
    write_astring(out, name, true);
}

void imap_write_address(struct buf *out, const struct imap_address *address)
{
    buf_add_char(out, '(');
    imap_write_ntext(out, address->name, address->has_name, address->is_utf8);
    buf_add_char(out, ' ');
    imap_write_ntext(out, address->route, address->has_route, address->is_utf8);
    buf_add_char(out, ' ');
    imap_write_ntext(out, address->mailbox, address->has_mailbox, address->is_utf8);
    buf_add_char(out, ' ');
    imap_write_ntext(out, address->host, address->has_host, address->is_utf8);
    buf_add_char(out, ')');
}

bool imap_write_system_flags(struct buf *out, unsigned system)
{
    static const struct {
        unsigned bit;
        const char *name;
    } rows[] = {
        {IMAP_SEEN, "\\Seen"},       {IMAP_ANSWERED, "\\Answered"}, {IMAP_FLAGGED, "\\Flagged"},
        {IMAP_DELETED, "\\Deleted"}, {IMAP_DRAFT, "\\Draft"},
    };
    bool has_written = false;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((system & rows[i].bit) == 0) {
            continue;
        }
        if (has_written) {
            buf_add_char(out, ' ');
        }
        buf_add_c(out, rows[i].name);
        has_written = true;
    }
    return has_written;
}

/* ---- response lines ---- */

void imap_write_crlf(struct buf *out)
{
    buf_add_c(out, "\r\n");
}

/* resp-text holds no CR, LF or NUL. */
static void write_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char octet = text.p[i];
        buf_add_char(out, octet == '\r' || octet == '\n' || octet == '\0' ? ' ' : octet);
    }
}

void imap_write_response(struct buf *out, struct str tag, struct str condition, struct str code,
                         struct str text)
{
    buf_add(out, tag.n == 0 ? STR("*") : tag);
    buf_add_char(out, ' ');
    buf_add(out, condition);
    buf_add_char(out, ' ');
    if (code.n > 0) {
        buf_add_char(out, '[');
        write_text(out, code);
        buf_add_c(out, "] ");
    }
    /* resp-text = ["[" resp-text-code "]" SP] text, and text is never empty */
    write_text(out, text.n == 0 ? STR("-") : text);
    imap_write_crlf(out);
}

void imap_write_err(struct buf *out, struct str tag, enum err e)
{
    const struct err_info *info = err_get_info(e);
    imap_write_response(out, tag, info->is_bad ? STR("BAD") : STR("NO"), str_from_c(info->code),
                        str_from_c(info->text));
}

void imap_write_scan_err(struct buf *out, struct str tag, const struct scan *c)
{
    if (c->err != ERR_SYNTAX && c->err != ERR_TOO_DEEP) {
        imap_write_err(out, tag, c->err);
        return;
    }
    buf_add(out, tag.n == 0 ? STR("*") : tag);
    buf_add_c(out, " BAD at octet ");
    buf_add_u64(out, c->err_at + 1);
    buf_add_c(out, ": expected ");
    buf_add_c(out, c->expected == NULL ? "something else" : c->expected);
    imap_write_crlf(out);
}

void imap_write_continue(struct buf *out, struct str text)
{
    buf_add_c(out, "+ ");
    write_text(out, text);
    imap_write_crlf(out);
}
