/* DATA content going out (RFC 5321, 4.5.2): a dot at the beginning of a line is doubled, and CRLF "." CRLF ends it.
 *
 * A message that came by BDAT may hold CR or LF alone. DATA cannot carry them (RFC 5321, 2.3.8), and some readers would take
 * a bare LF for a line end and a dot behind it for the end of the message; so each becomes a CRLF here. Then all readers
 * agree where lines begin, and doubling dots after our CRLFs is enough for all of them. */
#include "wire/smtp_framing.h"

static void end_line(struct smtp_dots *d, struct buf *out)
{
    buf_add_c(out, "\r\n");
    d->is_inside_line = false;
}

/* Octets up to the next CR or LF. */
static struct str take_run(struct str *octets)
{
    size_t n = str_find_char(*octets, '\n');
    n = str_find_char(str_sub(*octets, 0, n), '\r');
    struct str run = str_sub(*octets, 0, n);
    *octets = str_skip(*octets, n);
    return run;
}

static void write_newline(struct smtp_dots *d, char octet, struct buf *out)
{
    bool is_second_half = octet == '\n' && d->is_after_cr;
    d->is_after_cr = octet == '\r';
    if (!is_second_half) {
        end_line(d, out);
    }
}

void smtp_dots_write(struct smtp_dots *d, struct str octets, struct buf *out)
{
    while (octets.n > 0) {
        struct str run = take_run(&octets);
        if (run.n > 0) {
            if (!d->is_inside_line && run.p[0] == '.') {
                buf_add_char(out, '.');
            }
            buf_add(out, run);
            d->is_inside_line = true;
            d->is_after_cr = false;
        }
        if (octets.n > 0) {
            write_newline(d, octets.p[0], out);
            octets = str_skip(octets, 1);
        }
    }
}

void smtp_dots_finish(struct smtp_dots *d, struct buf *out)
{
    if (d->is_inside_line) {
        end_line(d, out);
    }
    buf_add_c(out, ".\r\n");
    *d = (struct smtp_dots){false, false};
}
