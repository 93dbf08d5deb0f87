/* The key=value codec of link messages.
 *
 *     message = *( key "=" value LF )
 *     key     = 1*32( a-z / 0-9 / "_" / "-" )
 *     value   = *( graphic ASCII except "%" / "%" HEXDIG HEXDIG )
 *
 * What comes over a link is checked as if hostile: a role that was taken over must not confuse its neighbours. So the
 * reader refuses what the writer would not write (other octets, lower-case hex, keys that come twice, a last line
 * without its end) instead of guessing; then one message has one meaning, and there is nothing for two readers to
 * understand in different ways. A value cannot hold a line end or "=" trick: the key ends at the first "=". */
#include "net/fields.h"

#include "base/scan.h"

#include <assert.h>
#include <string.h>

static bool is_key_octet(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '%';
}

static bool is_value_octet(unsigned char c)
{
    return is_plain(c) || c == '%';
}

void fields_add(struct buf *out, struct str key, struct str value)
{
    static const char HEX[] = "0123456789ABCDEF";
    assert(key.n > 0 && key.n <= FIELDS_KEY_MOST);
    buf_add(out, key);
    buf_add_char(out, '=');
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (is_plain(c)) {
            buf_add_char(out, (char)c);
        } else {
            char code[3] = {'%', HEX[c >> 4], HEX[c & 15]};
            buf_add(out, str_make(code, sizeof(code)));
        }
    }
    buf_add_char(out, '\n');
}

void fields_add_u64(struct buf *out, struct str key, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    fields_add(out, key, str_make(digits + at, sizeof(digits) - at));
}

static int hex_value(char c)
{
    return c >= 'a' && c <= 'f' ? -1 : ascii_hex_value(c);
}

/* Decodes in place: what comes out is never longer than what went in. */
static enum err decode(char *p, size_t n, size_t *decoded)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '%') {
            p[to++] = p[i];
            continue;
        }
        int high = n - i > 2 ? hex_value(p[i + 1]) : -1;
        int low = n - i > 2 ? hex_value(p[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return ERR_SYNTAX;
        }
        p[to++] = (char)(unsigned char)(high << 4 | low);
        i += 2;
    }
    *decoded = to;
    return ERR_OK;
}

static enum err parse_line(struct scan *c, struct fields *f)
{
    struct str key = scan_run(c, is_key_octet);
    scan_require(c, '=', "'='");
    size_t start = c->at;
    struct str value = scan_run(c, is_value_octet);
    scan_require(c, '\n', "the end of a line");
    if (!scan_is_ok(c) || key.n == 0 || key.n > FIELDS_KEY_MOST || fields_has(f, key)) {
        return ERR_SYNTAX;
    }
    if (f->count == FIELDS_MOST) {
        return ERR_LIMIT;
    }
    TRY(decode(f->octets.p + start, value.n, &value.n));
    f->keys[f->count] = key;
    f->values[f->count] = value;
    f->count++;
    return ERR_OK;
}

enum err fields_parse(struct str message, struct fields *f)
{
    f->count = 0;
    buf_init(&f->octets, FIELDS_OCTETS_MOST);
    buf_add(&f->octets, message);
    enum err e = buf_err(&f->octets);
    struct scan c = scan_make(buf_str(&f->octets));
    while (e == ERR_OK && !scan_is_end(&c)) {
        e = parse_line(&c, f);
    }
    if (e != ERR_OK) {
        fields_release(f);
    }
    return e;
}

void fields_release(struct fields *f)
{
    /* Credentials travel in messages: do not leave them in freed memory. */
    if (f->octets.p != NULL) {
        explicit_bzero(f->octets.p, f->octets.size);
    }
    buf_release(&f->octets);
    f->count = 0;
}

static size_t find(const struct fields *f, struct str key)
{
    size_t i = 0;
    while (i < f->count && !str_eq(f->keys[i], key)) {
        i++;
    }
    return i;
}

bool fields_has(const struct fields *f, struct str key)
{
    return find(f, key) < f->count;
}

struct str fields_get(const struct fields *f, struct str key)
{
    size_t i = find(f, key);
    return i < f->count ? f->values[i] : STR_EMPTY;
}

uint64_t fields_get_u64(const struct fields *f, struct str key, uint64_t fallback)
{
    uint64_t v = 0;
    size_t i = find(f, key);
    return i < f->count && str_to_u64(f->values[i], UINT64_MAX, &v) ? v : fallback;
}
