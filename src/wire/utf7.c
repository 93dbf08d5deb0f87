/* Modified UTF-7 (RFC 3501, 5.1.3): printable ASCII stands for itself, "&-" for "&", and "&" ... "-" holds UTF-16 in
 * base64 without padding, with "," in place of "/".
 *
 *     Entw&APw-rfe          Entwürfe
 *     a&-b                  a&b
 *     &U,BTFw-              台北
 *
 * Decoding is strict, so that a name has one spelling: after a shift is decoded, the code points are checked to be just those
 * that need a shift, and the bits left over to be zero. The UTF-16 never exists as an array; a shift is a stream of bits, of
 * which sixteen at a time are a unit.
 *
 * Both directions first note out's length and cut it back on an error, so that callers never see half a name. */
#include "wire/utf7.h"

#include "base/scan.h"
#include "base/utf8.h"

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool is_direct(uint32_t code_point)
{
    return code_point >= 0x20 && code_point <= 0x7E;
}

/* ---- reading ---- */

/* The inside of a shift: bits that came, and a high surrogate that waits for its other half. */
struct shift_in {
    uint32_t bits;
    unsigned bit_count;
    uint32_t high;
};

/* Takes a UTF-16 unit; false when it cannot stand there. */
static bool take_unit(struct shift_in *in, uint32_t unit, struct buf *out)
{
    bool is_low = unit >= 0xDC00 && unit <= 0xDFFF;
    bool is_high = unit >= 0xD800 && unit <= 0xDBFF;
    if (is_low != (in->high != 0)) {
        return false;
    }
    if (is_high) {
        in->high = unit;
        return true;
    }
    uint32_t v = is_low ? 0x10000 + ((in->high - 0xD800) << 10) + (unit - 0xDC00) : unit;
    in->high = 0;
    if (v == 0 || is_direct(v)) {
        return false;
    }
    utf8_write(out, v);
    return true;
}

static bool take_digit(struct shift_in *in, unsigned value, struct buf *out)
{
    in->bits = in->bits << 6 | value;
    in->bit_count += 6;
    if (in->bit_count < 16) {
        return true;
    }
    in->bit_count -= 16;
    uint32_t unit = in->bits >> in->bit_count & 0xFFFF;
    in->bits &= (1U << in->bit_count) - 1;
    return take_unit(in, unit, out);
}

/* Behind the "&", up to and with the "-". */
static bool take_shift(struct scan *c, struct buf *out)
{
    struct shift_in in = {0, 0, 0};
    if (scan_accept(c, '-')) {
        buf_add_char(out, '&');
        return true;
    }
    size_t start = c->at;
    while (!scan_accept(c, '-')) {
        int octet = scan_peek(c);
        const char *digit = octet <= 0 ? NULL : strchr(DIGITS, octet);
        if (digit == NULL || !take_digit(&in, (unsigned)(digit - DIGITS), out)) {
            return false;
        }
        c->at++;
    }
    /* Whole units only, and no digit that adds no bit to them. */
    return c->at - start > 1 && in.high == 0 && in.bits == 0 && in.bit_count < 6;
}

static bool parse(struct scan *c, struct buf *out)
{
    bool is_after_shift = false;
    while (!scan_is_end(c)) {
        char octet = (char)scan_peek(c);
        c->at++;
        if (octet != '&') {
            if (!is_direct((unsigned char)octet)) {
                return false;
            }
            buf_add_char(out, octet);
            is_after_shift = false;
            continue;
        }
        bool is_ampersand = scan_peek(c) == '-';
        /* Two shifts in a row would be one. "&-" is no shift. */
        if ((is_after_shift && !is_ampersand) || !take_shift(c, out)) {
            return false;
        }
        is_after_shift = !is_ampersand;
    }
    return true;
}

enum err utf7_parse(struct str s, struct buf *out)
{
    size_t old_len = out->len;
    struct scan c = scan_make(s);
    if (!parse(&c, out)) {
        buf_truncate(out, old_len);
        return ERR_SYNTAX;
    }
    return buf_err(out);
}

/* ---- writing ---- */

struct shift_out {
    bool is_open;
    uint32_t bits;
    unsigned bit_count;
};

static void put_unit(struct shift_out *o, uint32_t unit, struct buf *out)
{
    o->bits = o->bits << 16 | unit;
    o->bit_count += 16;
    while (o->bit_count >= 6) {
        o->bit_count -= 6;
        buf_add_char(out, DIGITS[o->bits >> o->bit_count & 0x3F]);
    }
    o->bits &= (1U << o->bit_count) - 1;
}

static void close_shift(struct shift_out *o, struct buf *out)
{
    if (!o->is_open) {
        return;
    }
    if (o->bit_count > 0) {
        buf_add_char(out, DIGITS[o->bits << (6 - o->bit_count) & 0x3F]);
    }
    buf_add_char(out, '-');
    *o = (struct shift_out){false, 0, 0};
}

static void put_shifted(struct shift_out *o, uint32_t v, struct buf *out)
{
    if (!o->is_open) {
        buf_add_char(out, '&');
        o->is_open = true;
    }
    if (v < 0x10000) {
        put_unit(o, v, out);
        return;
    }
    put_unit(o, 0xD800 + ((v - 0x10000) >> 10), out);
    put_unit(o, 0xDC00 + ((v - 0x10000) & 0x3FF), out);
}

enum err utf7_write(struct buf *out, struct str s)
{
    size_t old_len = out->len;
    struct shift_out o = {false, 0, 0};
    uint32_t v = 0;
    while (s.n > 0) {
        if (!utf8_next(&s, &v) || v == 0) {
            buf_truncate(out, old_len);
            return ERR_SYNTAX;
        }
        if (!is_direct(v)) {
            put_shifted(&o, v, out);
            continue;
        }
        close_shift(&o, out);
        buf_add(out, v == '&' ? STR("&-") : str_make((const char[]){(char)v}, 1));
    }
    close_shift(&o, out);
    return buf_err(out);
}
