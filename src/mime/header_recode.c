/* Encoded words of a header, from their charsets to one.
 *
 *   Subject: =?koi8-r?B?8NLJ18XU?= =?koi8-r?B?INfTxc0=?= (fwd)
 *            '------------- one run, one text -----------'
 *   Subject: =?utf-8?Q?...?=
 *     =?utf-8?Q?...?= (fwd)
 *
 * Words of one charset and language with only white space between them are one run: their octets are joined before they are
 * decoded, so a character that was cut between two words is whole again. The run's text is cut anew, between characters, into
 * words that fit their lines; each is a text of its own, as RFC 2047 (5) wants it for charsets that switch. Q or B,
 * whichever is shorter.
 *
 * What stands around the runs stays as it is, and is folded again only where lines became too long. Words are recoded wherever
 * they stand, in quoted strings, too, where RFC 2047 forbids them and mailers write them: a client that wants utf-8 wants it
 * there. The Q encoding is the narrow one of phrases, so a word breaks nothing around it.
 *
 * Parameters are in recode_params.c. */
#include "mime/header_recode.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "mime/charset.h"
#include "mime/field.h"
#include "mime/recode_priv.h"
#include "mime/words_priv.h"

enum { WORD_MOST = 75, WORD_LEAST = 12, TEXT_SLACK = 16 };

/* ---- writing words ---- */

static bool is_q_plain(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c != '\0' && strchr("!*+-/", c) != NULL);
}

static size_t measure_q(struct str octets)
{
    size_t n = 0;
    for (size_t i = 0; i < octets.n; i++) {
        n += is_q_plain(octets.p[i]) || octets.p[i] == ' ' ? 1 : 3;
    }
    return n;
}

static size_t measure_b(size_t octets)
{
    return (octets + 2) / 3 * 4;
}

static void write_q(struct str octets, struct buf *out)
{
    for (size_t i = 0; i < octets.n; i++) {
        char c = octets.p[i];
        if (is_q_plain(c) || c == ' ') {
            buf_add_char(out, c == ' ' ? '_' : c);
        } else {
            buf_addf(out, "=%02X", (unsigned char)c);
        }
    }
}

/* How words of a run begin and end. */
struct style {
    struct str language;
    bool is_q;
    size_t frame; /* octets of a word besides its text */
};

static void write_word(struct recode *r, struct fold *f, const struct style *style,
                       struct str octets)
{
    struct buf word = BUF_INIT(WORD_MOST * 4 + octets.n * 3);
    buf_add(&word, STR("=?"));
    buf_add(&word, r->charset->name);
    if (style->language.n > 0) {
        buf_add_char(&word, '*');
        buf_add(&word, style->language);
    }
    buf_add(&word, style->is_q ? STR("?Q?") : STR("?B?"));
    if (style->is_q) {
        write_q(octets, &word);
    } else {
        base64_write(&word, octets);
    }
    buf_add(&word, STR("?="));
    fold_token(f, buf_str(&word), 0);
    buf_release(&word);
}

/* The octets that the beginning of text needs, as much of it as fits into room. Takes them off *text. */
static enum err take_piece(struct recode *r, const struct style *style, size_t room,
                           struct str *text, struct buf *octets)
{
    size_t taken = 0;
    size_t cost_q = 0;
    size_t cost_octets = 0;
    while (taken < text->n) {
        struct str rest = str_skip(*text, taken);
        size_t n = utf8_check(rest);
        buf_clear(octets);
        TRY(charset_writer_add(r->writer, str_sub(rest, 0, n), true, octets));
        size_t q = cost_q + measure_q(buf_str(octets));
        size_t b = measure_b(cost_octets + octets->len);
        if (taken > 0 && style->frame + (style->is_q ? q : b) > room) {
            break;
        }
        cost_q = q;
        cost_octets += octets->len;
        taken += n;
    }
    buf_clear(octets);
    struct str piece = str_sub(*text, 0, taken);
    *text = str_skip(*text, taken);
    return charset_writer_add(r->writer, piece, true, octets);
}

static enum err write_words(struct recode *r, struct fold *f, struct str language, struct str text)
{
    struct buf octets = BUF_INIT(text.n * 8 + TEXT_SLACK);
    enum err e = charset_writer_add(r->writer, text, true, &octets);
    struct style style = {
        .language = language,
        .is_q = measure_q(buf_str(&octets)) <= measure_b(octets.len),
        .frame = 7 + r->charset->name.n + (language.n > 0 ? 1 + language.n : 0),
    };
    size_t least = style.frame + WORD_LEAST;
    while (e == ERR_OK && text.n > 0) {
        size_t room = fold_get_room(f);
        if (room < least && f->white.n > 0) {
            fold_break(f);
            room = fold_get_room(f);
        }
        e = take_piece(r, &style, room < WORD_MOST ? room : WORD_MOST, &text, &octets);
        if (e == ERR_OK) {
            write_word(r, f, &style, buf_str(&octets));
        }
        if (text.n > 0) {
            fold_break(f);
        }
    }
    buf_release(&octets);
    return e;
}

/* ---- reading words ---- */

static bool is_white(struct str s)
{
    return str_trim(s).n == 0;
}

/* Words of one charset and language, from the one at the start of s on: how many octets of s they are, their octets. */
static size_t gather_run(struct str s, const struct word *first, struct buf *raw)
{
    struct word w = *first;
    size_t end = 0;
    for (size_t at = 0;;) {
        word_decode(&w, raw);
        at += w.size;
        end = at;
        size_t next = str_find_str(str_skip(s, at), STR("=?"));
        if (!is_white(str_sub(s, at, next)) || !word_find(str_skip(s, at + next), &w)) {
            return end;
        }
        if (!str_eq_nocase(w.charset, first->charset)
            || !str_eq_nocase(w.language, first->language)) {
            return end;
        }
        at += next;
    }
}

/* The run at the start of s as UTF-8; *size says how long it is. False: it cannot be decoded. */
static bool read_run(struct str s, const struct word *first, struct buf *text, size_t *size)
{
    struct buf raw = BUF_INIT(s.n + TEXT_SLACK);
    *size = gather_run(s, first, &raw);
    bool is_fine =
        raw.len > 0 && charset_to_utf8_strict(first->charset, buf_str(&raw), text) == ERR_OK;
    buf_release(&raw);
    return is_fine;
}

/* Plain text up to a word: a token that touches the word goes to its line. */
static void write_before(struct fold *f, struct str plain, size_t more)
{
    size_t token = plain.n;
    while (token > 0 && !is_white(str_sub(plain, token - 1, 1))) {
        token--;
    }
    fold_text(f, str_sub(plain, 0, token));
    if (token < plain.n) {
        fold_token(f, str_skip(plain, token), more);
    }
}

enum err recode_words(struct recode *r, struct fold *f, struct str value)
{
    size_t plain_at = 0;
    enum err e = ERR_OK;
    struct buf text = BUF_INIT(value.n * 4 + TEXT_SLACK);
    for (size_t at = 0; e == ERR_OK && at < value.n;) {
        struct word w;
        size_t size = 0;
        at += str_find_str(str_skip(value, at), STR("=?"));
        struct str rest = str_skip(value, at);
        if (rest.n == 0 || !word_find(rest, &w)) {
            at += 2;
            continue;
        }
        buf_clear(&text);
        if (read_run(rest, &w, &text, &size)) {
            write_before(f, str_sub(value, plain_at, at - plain_at),
                         7 + WORD_LEAST + r->charset->name.n);
            e = write_words(r, f, w.language, buf_str(&text));
            plain_at = at + size;
        }
        at += size;
    }
    buf_release(&text);
    fold_text(f, str_skip(value, plain_at));
    fold_end(f);
    return e;
}

/* ---- fields ---- */

static enum err recode_field(struct recode *r, struct str octets, const struct field *field)
{
    struct str head = str_sub(octets, 0, (size_t)(field->value.p - octets.p));
    struct fold f;
    if (recode_has_params(field)) {
        return recode_params(r, octets, field);
    }
    if (str_find_str(field->value, STR("=?")) == field->value.n) {
        buf_add(r->out, octets);
        return ERR_OK;
    }
    buf_add(r->out, head);
    fold_init(&f, r->out, head.n);
    TRY(recode_words(r, &f, field->value));
    buf_add(r->out, str_skip(octets, head.n + field->value.n));
    return ERR_OK;
}

static enum err recode_all(struct recode *r, struct str header)
{
    struct field field;
    size_t at = 0;
    size_t done = 0;
    while (field_next(header, &at, &field)) {
        buf_add(r->out, str_sub(header, done, field.offset - done));
        TRY(recode_field(r, str_sub(header, field.offset, field.size), &field));
        done = field.offset + field.size;
    }
    buf_add(r->out, str_skip(header, done));
    return buf_err(r->out);
}

enum err header_recode(struct str header, const struct header_charset *charset, struct buf *out)
{
    struct recode r = {.charset = charset, .out = out};
    TRY(charset_writer_new(charset->name, &r.writer));
    enum err e = ERR_OK;
    if (charset->has_replacement
        && charset_writer_set_replacement(r.writer, charset->replacement) != ERR_OK) {
        e = ERR_BAD_PARAM;
    }
    if (e == ERR_OK) {
        e = recode_all(&r, header);
    }
    charset_writer_free(&r.writer);
    return e;
}
