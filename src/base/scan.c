/* The cursor under every parser: IMAP, SMTP, URLs, link frames, stored pages.
 *
 * Errors stick: after the first one every read gives nothing, so a grammar function needs no checks between its
 * steps, and the place of the first error is kept for the BAD reply. */
#include "base/scan.h"

void scan_fail(struct scan *c, enum err e, const char *expected)
{
    if (c->err == ERR_OK) {
        c->err = e;
        c->err_at = c->at;
        c->expected = expected;
    }
}

bool scan_accept(struct scan *c, char ch)
{
    if (scan_peek(c) != (unsigned char)ch) {
        return false;
    }
    c->at++;
    return true;
}

bool scan_accept_nocase(struct scan *c, struct str keyword)
{
    if (!str_starts_nocase(scan_rest(c), keyword)) {
        return false;
    }
    c->at += keyword.n;
    return true;
}

void scan_require(struct scan *c, char ch, const char *expected)
{
    if (!scan_accept(c, ch)) {
        scan_fail(c, ERR_SYNTAX, expected);
    }
}

struct str scan_take(struct scan *c, size_t n, const char *expected)
{
    struct str rest = scan_rest(c);
    if (c->err != ERR_OK || rest.n < n) {
        scan_fail(c, ERR_SYNTAX, expected);
        return STR_EMPTY;
    }
    c->at += n;
    return str_sub(rest, 0, n);
}

struct str scan_run(struct scan *c, bool (*is_member)(unsigned char octet))
{
    struct str rest = scan_rest(c);
    size_t n = 0;
    while (n < rest.n && is_member((unsigned char)rest.p[n])) {
        n++;
    }
    c->at += n;
    return str_sub(rest, 0, n);
}

static bool is_digit(unsigned char octet)
{
    return ascii_is_digit((char)octet);
}

uint64_t scan_number(struct scan *c, uint64_t max, const char *expected)
{
    uint64_t v = 0;
    size_t start = c->at;
    struct str digits = scan_run(c, is_digit);
    if (!str_to_u64(digits, max, &v)) {
        c->at = start;
        scan_fail(c, ERR_SYNTAX, expected);
    }
    return v;
}

void scan_require_end(struct scan *c)
{
    if (c->err == ERR_OK && c->at < c->s.n) {
        scan_fail(c, ERR_SYNTAX, "the end");
    }
}

static uint64_t scan_le(struct scan *c, size_t octets)
{
    uint64_t v = 0;
    struct str rest = scan_rest(c);
    if (rest.n < octets) {
        scan_fail(c, ERR_CORRUPT, "an integer");
        return 0;
    }
    for (size_t i = 0; i < octets; i++) {
        v |= (uint64_t)(unsigned char)rest.p[i] << (8 * i);
    }
    c->at += octets;
    return v;
}

uint16_t scan_le16(struct scan *c)
{
    return (uint16_t)scan_le(c, 2);
}

uint32_t scan_le32(struct scan *c)
{
    return (uint32_t)scan_le(c, 4);
}

uint64_t scan_le64(struct scan *c)
{
    return scan_le(c, 8);
}

uint64_t scan_varint(struct scan *c, uint64_t max)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        int octet = scan_peek(c);
        uint64_t bits = (uint64_t)octet & 0x7f;
        if (octet < 0 || bits << shift >> shift != bits) {
            break;
        }
        c->at++;
        v |= bits << shift;
        if (octet < 0x80) {
            if (v > max) {
                break;
            }
            return v;
        }
    }
    scan_fail(c, ERR_CORRUPT, "an integer");
    return 0;
}
