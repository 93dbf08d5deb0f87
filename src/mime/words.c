/* Text of header fields: encoded words (RFC 2047) and extended parameters (RFC 2231).
 *
 *   encoded-word = "=?" charset ["*" language] "?" ("B" / "Q") "?" encoded-text "?="
 *
 * Read more widely than written: words may touch other text, be longer than 75 octets, and have spaces in them. White
 * space between two encoded words is no part of the text (section 6.2). Words of one charset in a row feed one
 * converter, so a character that a sender cut in two between words comes out whole.
 *
 *   parameters   name=v   name*=charset'language'%XX   name*0="a"; name*1*=%XX ...
 *
 * The first segment's charset holds for all segments with "*" at the end. Segments are taken by number, from 0 up to
 * the first that is missing, wherever they stand; the work is bounded by PARAM_SEGMENTS_MOST. A plain name loses
 * against the extended form. */
#include "mime/words.h"

#include "mime/charset.h"
#include "mime/transfer.h"
#include "mime/words_priv.h"
#include "base/utf8.h"

#include <stdint.h>

enum { PARAM_SEGMENTS_MOST = 100, SEGMENT_DIGITS_MOST = 3 };

/* The converter that goes on from word to word. */
struct run {
    struct charset *charset; /* NULL: none */
    struct str name;
    bool is_raw;      /* encodings are removed, charsets stay as they are */
    bool has_unknown; /* there was a word in a charset that is not known here */
};

static bool is_charset_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f) {
            return false;
        }
    }
    return s.n > 0;
}

bool word_find(struct str s, struct word *out)
{
    struct str rest = str_skip(s, 2);
    struct str charset = str_split(&rest, '?');
    struct str encoding = str_split(&rest, '?');
    size_t text_n = str_find_char(rest, '?');
    bool is_b = str_eq_nocase(encoding, STR("b"));
    bool is_q = str_eq_nocase(encoding, STR("q"));
    if (!is_charset_name(charset) || !(is_b || is_q) || text_n + 1 >= rest.n
        || rest.p[text_n + 1] != '=') {
        return false;
    }
    out->charset = str_split(&charset, '*');
    out->language = charset;
    out->text = str_sub(rest, 0, text_n);
    out->is_q = is_q;
    out->size = (size_t)(rest.p - s.p) + text_n + 2;
    return true;
}

static void decode_q(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '=' && i + 2 < s.n ? ascii_hex_value(s.p[i + 1]) : -1;
        int low = high >= 0 ? ascii_hex_value(s.p[i + 2]) : -1;
        if (low >= 0) {
            buf_add_char(out, (char)(unsigned char)(high * 16 + low));
            i += 2;
        } else {
            buf_add_char(out, s.p[i] == '_' ? ' ' : s.p[i]);
        }
    }
}

void word_decode(const struct word *w, struct buf *out)
{
    if (w->is_q) {
        decode_q(w->text, out);
        return;
    }
    struct transfer t;
    transfer_init(&t, TRANSFER_BASE64);
    transfer_decode(&t, w->text, true, out);
}

static void end_run(struct run *r, struct buf *out)
{
    if (r->charset != NULL) {
        charset_convert(r->charset, STR_EMPTY, true, out);
        charset_free(&r->charset);
    }
}

/* Decodes one word; false when its charset is unknown. */
static bool add_word(struct run *r, const struct word *w, struct buf *out)
{
    if (r->is_raw) {
        word_decode(w, out);
        return true;
    }
    if (r->charset != NULL && !str_eq_nocase(r->name, w->charset)) {
        end_run(r, out);
    }
    if (r->charset == NULL && charset_new(w->charset, &r->charset) != ERR_OK) {
        r->has_unknown = true;
        return false;
    }
    r->name = w->charset;
    struct buf raw = BUF_INIT(w->text.n + 3); /* what transfer_decode() may ask for at once */
    word_decode(w, &raw);
    charset_convert(r->charset, buf_str(&raw), false, out);
    buf_release(&raw);
    return true;
}

/* Unlabelled text of a header: UTF-8, else windows-1252. */
static void add_plain(const struct run *r, struct str s, struct buf *out)
{
    if (r->is_raw) {
        buf_add(out, s);
        return;
    }
    enum err e = charset_to_utf8(STR_EMPTY, s, out);
    (void)e; /* full buffers are the caller's to notice; the charset is known */
}

static bool is_white(struct str s)
{
    return str_trim(s).n == 0;
}

static void decode(struct run *run, struct str value, struct buf *out)
{
    size_t plain_at = 0; /* what has not been written */
    bool was_word = false;
    for (size_t at = 0; at < value.n;) {
        struct str rest = str_skip(value, at);
        size_t next = str_find_str(rest, STR("=?"));
        struct word w;
        if (next == rest.n) {
            break;
        }
        at += next;
        if (!word_find(str_skip(value, at), &w)) {
            at += 2;
            continue;
        }
        struct str plain = str_sub(value, plain_at, at - plain_at);
        if (!was_word || !is_white(plain)) {
            end_run(run, out);
            add_plain(run, plain, out);
        }
        was_word = add_word(run, &w, out);
        plain_at = was_word ? at + w.size : at;
        at += was_word ? w.size : 2;
    }
    end_run(run, out);
    add_plain(run, str_skip(value, plain_at), out);
}

void words_decode(struct str value, struct buf *out)
{
    struct run run = {0};
    decode(&run, value, out);
}

bool words_decode_all(struct str value, struct buf *out)
{
    struct run run = {0};
    size_t at = out->len;
    decode(&run, value, out);
    struct str text = str_skip(buf_str(out), at);
    return !run.has_unknown && str_find_str(text, STR("\xef\xbf\xbd")) == text.n;
}

void words_decode_octets(struct str value, struct buf *out)
{
    struct run run = {.is_raw = true};
    decode(&run, value, out);
}

void words_decode_search(struct str value, struct buf *out)
{
    if (!words_decode_all(value, out)) {
        buf_add_char(out, '\0');
        words_decode_octets(value, out);
    }
}

static void decode_percent(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && i + 2 < s.n ? ascii_hex_value(s.p[i + 1]) : -1;
        int low = high >= 0 ? ascii_hex_value(s.p[i + 2]) : -1;
        buf_add_char(out, low >= 0 ? (char)(unsigned char)(high * 16 + low) : s.p[i]);
        i += low >= 0 ? 2 : 0;
    }
}

/* A segment of an extended parameter. */
struct segment {
    const struct param *param;
    bool is_extended; /* "*" at the end: %XX, and a charset in the first */
};

/* Is the parameter's name `name`, "*", number (or nothing for -1), and maybe "*"? */
static bool is_segment(const struct param *p, struct str name, int number, struct segment *out)
{
    struct str rest = str_skip(p->name, name.n);
    uint64_t v = 0;
    if (!str_starts_nocase(p->name, name) || !str_starts(rest, STR("*"))) {
        return false;
    }
    rest = str_skip(rest, 1);
    *out = (struct segment){p, true};
    if (number < 0) {
        return rest.n == 0;
    }
    if (str_ends(rest, STR("*"))) {
        rest.n--;
    } else {
        out->is_extended = false;
    }
    return rest.n <= SEGMENT_DIGITS_MOST && str_to_u64(rest, PARAM_SEGMENTS_MOST, &v)
           && v == (uint64_t)number;
}

static bool find_segment(const struct param_list *l, struct str name, int number,
                         struct segment *out)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (is_segment(&l->at[i], name, number, out)) {
            return true;
        }
    }
    return false;
}

/* Appends a segment's octets; the first extended one names the charset. */
static void add_segment(const struct segment *s, bool is_first, struct str *charset,
                        struct buf *raw)
{
    struct str value = s->param->value;
    if (!s->is_extended) {
        buf_add(raw, value);
        return;
    }
    size_t quotes = 0;
    for (size_t i = 0; i < value.n; i++) {
        quotes += value.p[i] == '\'' ? 1U : 0U;
    }
    if (is_first && quotes >= 2) {
        *charset = str_split(&value, '\'');
        (void)str_split(&value, '\'');
    }
    decode_percent(value, raw);
}

static enum err decode_plain_param(const struct param_list *l, struct str name, struct buf *out)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (str_eq_nocase(l->at[i].name, name)) {
            words_decode(l->at[i].value, out);
            return buf_err(out);
        }
    }
    return ERR_NOT_FOUND;
}

/* Joins the segments of an extended parameter; false when it has none. */
static bool join_segments(const struct param_list *l, struct str name, struct str *charset,
                          struct buf *raw)
{
    struct segment s = {0};
    if (find_segment(l, name, -1, &s)) {
        add_segment(&s, true, charset, raw);
        return true;
    }
    if (!find_segment(l, name, 0, &s)) {
        return false;
    }
    add_segment(&s, true, charset, raw);
    for (int i = 1; i < PARAM_SEGMENTS_MOST && find_segment(l, name, i, &s); i++) {
        add_segment(&s, false, charset, raw);
    }
    return true;
}

enum err words_decode_param(const struct param_list *l, struct str name, struct buf *out)
{
    struct str charset = STR_EMPTY;
    struct buf raw = BUF_INIT(out->cap);
    if (!join_segments(l, name, &charset, &raw)) {
        return decode_plain_param(l, name, out);
    }
    if (charset_to_utf8(charset, buf_str(&raw), out) == ERR_BAD_CHARSET) {
        add_plain(&(struct run){0}, buf_str(&raw), out);
    }
    buf_release(&raw);
    return buf_err(out);
}

enum err words_decode_param_strict(const struct param_list *l, struct str name, struct buf *out)
{
    struct str charset = STR_EMPTY;
    struct buf raw = BUF_INIT(out->cap);
    enum err e = join_segments(l, name, &charset, &raw) ? ERR_OK : ERR_NOT_FOUND;
    e = e == ERR_OK ? charset_to_utf8_strict(charset, buf_str(&raw), out) : e;
    buf_release(&raw);
    return e;
}

/* ---- segments as they stand ---- */

bool words_parse_segment(struct str name, struct str *base, int *number)
{
    size_t star = str_find_char(name, '*');
    struct str rest = str_skip(name, star + 1);
    uint64_t v = 0;
    if (star >= name.n) {
        return false;
    }
    *base = str_sub(name, 0, star);
    *number = -1;
    if (rest.n == 0) {
        return true;
    }
    rest.n -= str_ends(rest, STR("*")) ? 1 : 0;
    if (rest.n > SEGMENT_DIGITS_MOST || !str_to_u64(rest, PARAM_SEGMENTS_MOST, &v)) {
        return false;
    }
    *number = (int)v;
    return true;
}

/* A plain segment among encoded ones. */
static void encode_percent(struct str value, struct buf *out)
{
    for (size_t i = 0; i < value.n; i++) {
        bool is_plain = ascii_is_digit(value.p[i]) || ascii_is_alpha(value.p[i])
                        || (value.p[i] != '\0' && strchr("!#$&+-.^_`{}~", value.p[i]) != NULL);
        if (is_plain) {
            buf_add_char(out, value.p[i]);
        } else {
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)value.p[i]);
        }
    }
}

enum err words_join_param(const struct param_list *l, struct str base, struct buf *out,
                          bool *is_extended)
{
    struct segment s = {0};
    if (!find_segment(l, base, 0, &s)) {
        return ERR_NOT_FOUND;
    }
    bool has_charset = s.is_extended;
    *is_extended = false;
    for (int i = 0; i < PARAM_SEGMENTS_MOST && find_segment(l, base, i, &s); i++) {
        *is_extended = *is_extended || s.is_extended;
    }
    if (*is_extended && !has_charset) {
        buf_add(out, STR("''"));
    }
    for (int i = 0; i < PARAM_SEGMENTS_MOST && find_segment(l, base, i, &s); i++) {
        if (*is_extended && !s.is_extended) {
            encode_percent(s.param->value, out);
        } else {
            buf_add(out, s.param->value);
        }
    }
    return buf_err(out);
}
