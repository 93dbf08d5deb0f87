/* Header fields (RFC 5322, 2.2), found in any octets.
 *
 * A line ends with LF; a CR before it belongs to the line end; a CR elsewhere is an octet like any other. A field begins
 * with a line "name:" (white space before the colon is obsolete syntax, RFC 5322, 4.5) and goes on while lines begin with
 * a space or tab. A name has no white space or controls inside, which keeps mbox's "From joe Mon Jan  1 10:00:00" from
 * being a field. Other lines are passed over: a header ends with the first empty line and with nothing else. */
#include "mime/field.h"

struct str field_line(struct str s, size_t at)
{
    struct str rest = str_skip(s, at);
    return str_sub(rest, 0, str_find_char(rest, '\n') + 1);
}

bool field_is_empty_line(struct str line)
{
    return str_eq(line, STR("\r\n")) || str_eq(line, STR("\n"));
}

static bool is_continuation(struct str header, size_t at)
{
    return at < header.n && (header.p[at] == ' ' || header.p[at] == '\t');
}

/* Reads "name:" at the start of the line; false when that is not there. */
static bool read_name(struct str line, struct field *out)
{
    size_t n = 0;
    while (n < line.n && (unsigned char)line.p[n] > ' ' && line.p[n] != ':' && line.p[n] != 0x7f) {
        n++;
    }
    size_t colon = n;
    while (colon < line.n && (line.p[colon] == ' ' || line.p[colon] == '\t')) {
        colon++;
    }
    if (n == 0 || colon >= line.n || line.p[colon] != ':') {
        return false;
    }
    out->name = str_sub(line, 0, n);
    out->value = str_skip(line, colon + 1);
    return true;
}

static struct str without_line_end(struct str s)
{
    if (s.n > 0 && s.p[s.n - 1] == '\n') {
        s.n--;
        if (s.n > 0 && s.p[s.n - 1] == '\r') {
            s.n--;
        }
    }
    return s;
}

bool field_next(struct str header, size_t *at, struct field *out)
{
    while (*at < header.n) {
        size_t from = *at;
        struct str line = field_line(header, from);
        if (field_is_empty_line(line)) {
            return false;
        }
        bool is_field = read_name(line, out);
        *at += line.n;
        while (is_continuation(header, *at)) {
            *at += field_line(header, *at).n;
        }
        if (is_field) {
            size_t value_at = (size_t)(out->value.p == NULL ? header.p + from + line.n - header.p
                                                            : out->value.p - header.p);
            out->offset = from;
            out->size = *at - from;
            out->value = without_line_end(str_sub(header, value_at, *at - value_at));
            return true;
        }
    }
    return false;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void field_unfold(struct str value, struct buf *out)
{
    value = str_trim(value);
    for (size_t i = 0; i < value.n;) {
        size_t end = i;
        while (end < value.n && is_white(value.p[end])) {
            end++;
        }
        struct str white = str_sub(value, i, end - i);
        if (str_find_char(white, '\n') < white.n) {
            buf_add_char(out, ' ');
            i = end;
            continue;
        }
        for (size_t k = 0; k < white.n; k++) {
            buf_add_char(out, white.p[k] == '\r' ? ' ' : white.p[k]);
        }
        i = end;
        if (i < value.n) {
            buf_add_char(out, value.p[i] == '\0' ? ' ' : value.p[i]);
            i++;
        }
    }
}
