/* The address type "utf-8" of ORCPT and of reports (RFC 6533, 3): a way to write an address in UTF-8 where spaces, "+", "="
 * and perhaps all 8-bit octets are forbidden, by naming characters:
 *
 *     utf-8-addr-xtext   = 1*(QCHAR / EmbeddedUnicodeChar)     ASCII only
 *     utf-8-addr-unitext = 1*(QUCHAR / EmbeddedUnicodeChar)    the same with UTF-8
 *     utf-8-address      = Mailbox                             plain
 *     EmbeddedUnicodeChar = "\x{" HEXPOINT "}"                 2..6 hex digits
 *
 * One reader takes all three: what has no "\x{" is plain. Shortest numbers only, no surrogates, and of ASCII just what may not
 * stand for itself, so that an address has one such form. Controls are refused, for the address may become part of a
 * header. */
#include "wire/smtp_path.h"

#include "base/utf8.h"

enum { HEX_MOST = 6, ORCPT_CAP = 2048 };

/* Controls, SP, and the characters that the parameter's syntax needs. */
static bool is_special(uint32_t c)
{
    return c <= 0x20 || c == 0x7F || c == '\\' || c == '+' || c == '=';
}

/* HEXPOINT, behind "\x{", with its "}" */
static bool take_point(struct str *s, uint32_t *c)
{
    size_t n = str_find_char(*s, '}');
    size_t used = 0;
    *c = 0;
    while (used < n && n <= HEX_MOST && ascii_hex_value(s->p[used]) >= 0) {
        *c = *c * 16 + (uint32_t)ascii_hex_value(s->p[used++]);
    }
    bool is_short = n == 2 || (n > 2 && s->p[0] != '0');
    bool is_right = used == n && n < s->n && is_short && (*c >= 0x80 || is_special(*c))
                    && (*c < 0xD800 || *c > 0xDFFF) && *c <= 0x10FFFF;
    *s = str_skip(*s, n + 1);
    return is_right;
}

static bool take_char(struct str *s, uint32_t *c)
{
    if (str_starts(*s, STR("\\x{"))) {
        *s = str_skip(*s, 3);
        return take_point(s, c);
    }
    return utf8_next(s, c) && !is_special(*c);
}

enum err utf8_address_parse(struct arena *a, struct str s, struct str *out)
{
    CLEANUP(buf_release) struct buf plain = BUF_INIT(ORCPT_CAP);
    while (s.n > 0) {
        uint32_t c = 0;
        if (!take_char(&s, &c)) {
            return ERR_SYNTAX;
        }
        utf8_write(&plain, c);
    }
    if (plain.len == 0 || plain.is_full || !smtp_is_utf8_text(buf_str(&plain))) {
        return ERR_SYNTAX;
    }
    *out = arena_str(a, buf_str(&plain));
    return out->p == NULL ? ERR_LIMIT : ERR_OK;
}

static void write_utf8(struct buf *out, struct str s, bool is_utf8)
{
    uint32_t c = 0;
    while (utf8_next(&s, &c)) {
        if (is_special(c) || (c > 0x7F && !is_utf8)) {
            buf_addf(out, "\\x{%02X}", (unsigned)c);
        } else {
            utf8_write(out, c);
        }
    }
}

struct str smtp_orcpt_get_type(struct str address)
{
    for (size_t i = 0; i < address.n; i++) {
        if ((unsigned char)address.p[i] > 0x7F) {
            return STR("utf-8");
        }
    }
    return STR("rfc822");
}

void smtp_orcpt_write(struct buf *out, struct str orcpt, bool is_utf8)
{
    struct str type = str_split(&orcpt, ';');
    buf_add(out, type);
    buf_add_char(out, ';');
    if (str_eq_nocase(type, STR("utf-8"))) {
        write_utf8(out, orcpt, is_utf8);
    } else {
        xtext_write(out, orcpt);
    }
}
