/* Which transport do these octets need? The sender's BODY= parameter is a claim; what counts for the next hop is what is
 * there, because a part fetched by BURL may be anything, and many clients declare nothing and send 8-bit text. So every
 * message is looked at once, while it streams into the spool, and the answer is kept beside it.
 *
 * RFC 5321, 4.5.3.1.6 (line length) and 2.3.8 (CR and LF only as CRLF), RFC 6152, RFC 3030. */
#include "smtp/content.h"

static void end_line(struct content_scan *c)
{
    c->line_len = 0;
}

static void scan_octet(struct content_scan *c, unsigned char o)
{
    if (o == '\n') {
        c->has_bare = c->has_bare || !c->is_after_cr;
        c->is_after_cr = false;
        end_line(c);
        return;
    }
    if (c->is_after_cr) {
        c->has_bare = true;
    }
    c->is_after_cr = o == '\r';
    if (c->is_after_cr) {
        return;
    }
    c->line_len++;
    c->has_8bit = c->has_8bit || o > 127;
    c->has_nul = c->has_nul || o == 0;
    c->has_long_line = c->has_long_line || c->line_len > CONTENT_LINE_MOST;
}

void content_scan_add(struct content_scan *c, struct str octets)
{
    for (size_t i = 0; i < octets.n; i++) {
        scan_octet(c, (unsigned char)octets.p[i]);
    }
}

enum content_kind content_get_kind(const struct content_scan *c)
{
    if (c->has_nul || c->has_long_line || c->has_bare || c->is_after_cr) {
        return CONTENT_BINARY;
    }
    return c->has_8bit ? CONTENT_8BIT : CONTENT_7BIT;
}

struct str content_get_body_value(enum content_kind kind)
{
    switch (kind) {
    case CONTENT_7BIT:
        return STR("7BIT");
    case CONTENT_8BIT:
        return STR("8BITMIME");
    case CONTENT_BINARY:
        break;
    }
    return STR("BINARYMIME");
}
