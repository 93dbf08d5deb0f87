/* HTML to text (the tokens are those of the HTML Living Standard, 13.2.5, as far as text depends on them).
 *
 * Mail needs the words of an HTML part three times: to search them, for a preview, and to read them on a device that
 * shows plain text. None of these needs a document tree. So this is a tokeniser of one octet of look-ahead, with a
 * function a state, and a writer that knows what white space is due before the next word:
 *
 *     octets --> TEXT | REFERENCE | TAG ... ATTRIBUTE ... VALUE | COMMENT | RAW --> words --> CRLF, " ", word
 *
 * What the tokeniser does with broken input is what browsers do, where that changes what is read: "<" that begins no tag is
 * itself, a comment that never ends and a <style> without its end take the rest, a quote that is missing swallows up to the
 * next one. References are decoded by browsers' rules, too: numbers in the C1 range mean windows-1252, and those old
 * names that came without ";" may.
 *
 * Bounds: a name is compared by its first HTML_NAME_MOST octets; an attribute longer than HTML_VALUE_MOST is not
 * shown; each octet of input is looked at a constant number of times. Only addresses that say where they lead (http, https,
 * mailto, tel) are shown. */
#include "mime/html.h"

#include "base/utf8.h"

#include <stdlib.h>

enum state {
    IN_TEXT,
    IN_REFERENCE,    /* behind "&" */
    IN_TAG_OPEN,     /* behind "<" */
    IN_END_TAG_OPEN, /* behind "</" */
    IN_TAG_NAME,
    IN_TAG, /* between attributes */
    IN_ATTRIBUTE,
    IN_ATTRIBUTE_END, /* behind an attribute's name: "=" may come */
    IN_VALUE_BEGIN,
    IN_VALUE,
    IN_DECLARATION, /* behind "<!" */
    IN_COMMENT,
    IN_BOGUS,  /* up to ">" */
    IN_RAW,    /* content that is passed over */
    IN_RAW_LT, /* "<" there */
    IN_RAW_END /* "</" and a name there */
};

/* ---- elements ---- */

enum kind {
    KIND_LINE,      /* on lines of its own */
    KIND_PARAGRAPH, /* with an empty line around it */
    KIND_BREAK,     /* <br> */
    KIND_CELL,
    KIND_ITEM,
    KIND_PRE,
    KIND_LINK,
    KIND_IMAGE,
    KIND_RAW /* its content is not for the reader */
};

struct element {
    const char *name;
    enum kind kind;
};

/* Sorted by name. */
static const struct element ELEMENTS[] = {
    {"a", KIND_LINK},
    {"address", KIND_LINE},
    {"article", KIND_LINE},
    {"aside", KIND_LINE},
    {"blockquote", KIND_PARAGRAPH},
    {"body", KIND_LINE},
    {"br", KIND_BREAK},
    {"caption", KIND_LINE},
    {"center", KIND_LINE},
    {"dd", KIND_LINE},
    {"details", KIND_LINE},
    {"div", KIND_LINE},
    {"dl", KIND_PARAGRAPH},
    {"dt", KIND_LINE},
    {"fieldset", KIND_LINE},
    {"figcaption", KIND_LINE},
    {"figure", KIND_LINE},
    {"footer", KIND_LINE},
    {"form", KIND_LINE},
    {"h1", KIND_PARAGRAPH},
    {"h2", KIND_PARAGRAPH},
    {"h3", KIND_PARAGRAPH},
    {"h4", KIND_PARAGRAPH},
    {"h5", KIND_PARAGRAPH},
    {"h6", KIND_PARAGRAPH},
    {"header", KIND_LINE},
    {"hr", KIND_PARAGRAPH},
    {"iframe", KIND_RAW},
    {"img", KIND_IMAGE},
    {"legend", KIND_LINE},
    {"li", KIND_ITEM},
    {"main", KIND_LINE},
    {"nav", KIND_LINE},
    {"ol", KIND_PARAGRAPH},
    {"option", KIND_LINE},
    {"p", KIND_PARAGRAPH},
    {"pre", KIND_PRE},
    {"script", KIND_RAW},
    {"section", KIND_LINE},
    {"style", KIND_RAW},
    {"summary", KIND_LINE},
    {"table", KIND_PARAGRAPH},
    {"td", KIND_CELL},
    {"template", KIND_RAW},
    {"th", KIND_CELL},
    {"title", KIND_RAW},
    {"tr", KIND_LINE},
    {"ul", KIND_PARAGRAPH},
};

/* Without case; name is a struct str. */
static int compare_element(const void *name, const void *element)
{
    const struct str *s = name;
    struct str other = str_from_c(((const struct element *)element)->name);
    for (size_t i = 0; i < s->n && i < other.n; i++) {
        int difference = ascii_lower(s->p[i]) - other.p[i];
        if (difference != 0) {
            return difference;
        }
    }
    return (s->n > other.n) - (s->n < other.n);
}

static const struct element *find_element(struct str name)
{
    return bsearch(&name, ELEMENTS, sizeof(ELEMENTS) / sizeof(ELEMENTS[0]), sizeof(ELEMENTS[0]),
                   compare_element);
}

static bool is_kind(const struct html *h, enum kind kind)
{
    const struct element *e = h->element;
    return e != NULL && e->kind == kind;
}

/* ---- character references ---- */

struct entity {
    const char *name;
    uint32_t code_point;
};

static const struct entity ENTITIES[] = {
#define ENTITY(name, code_point) {#name, code_point},
#include "mime/html_entities.def"
#undef ENTITY
};

static int compare_entity(const void *name, const void *entity)
{
    return str_cmp(*(const struct str *)name, str_from_c(((const struct entity *)entity)->name));
}

/* What windows-1252 has at 0x80 to 0x9f; 0: nothing. */
static const uint16_t C1[32] = {0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017d, 0,
                                0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};

/* "#38", "#x26": the number; UINT32_MAX when it is none. */
static uint32_t get_number(struct str name)
{
    bool is_hex = name.n > 1 && ascii_lower(name.p[1]) == 'x';
    struct str digits = str_skip(name, is_hex ? 2 : 1);
    uint32_t v = 0;
    for (size_t i = 0; i < digits.n; i++) {
        int digit = ascii_hex_value(digits.p[i]);
        if (digit < 0 || (!is_hex && digit > 9)) {
            return UINT32_MAX;
        }
        v = v > 0x10ffff ? v : v * (is_hex ? 16U : 10U) + (uint32_t)digit;
    }
    if (digits.n == 0) {
        return UINT32_MAX;
    }
    if (v >= 0x80 && v <= 0x9f && C1[v - 0x80] != 0) {
        return C1[v - 0x80];
    }
    return v == 0 || v > 0x10ffff ? 0xfffd : v;
}

/* The character that "&name" means; UINT32_MAX: none. is_ended: ";" follows. */
static uint32_t get_reference(struct str name, bool is_ended)
{
    if (name.n > 0 && name.p[0] == '#') {
        return get_number(name);
    }
    const struct entity *e = bsearch(&name, ENTITIES, sizeof(ENTITIES) / sizeof(ENTITIES[0]),
                                     sizeof(ENTITIES[0]), compare_entity);
    if (e == NULL) {
        return UINT32_MAX;
    }
    bool is_old = (e->code_point >= 0xa0 && e->code_point <= 0xff) || str_eq(name, STR("amp"))
                  || str_eq(name, STR("lt")) || str_eq(name, STR("gt"))
                  || str_eq(name, STR("quot"));
    return is_ended || is_old ? e->code_point : UINT32_MAX;
}

static bool is_reference_char(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '#';
}

/* ---- writing ---- */

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static void need_lines(struct html *h, unsigned n)
{
    h->lines_due = h->lines_due > n ? h->lines_due : n;
}

/* White space that is due before a word. */
static void write_due(struct html *h, struct buf *out)
{
    if (h->lines_due > 0 && h->is_begun) {
        buf_add_c(out, h->lines_due > 1 ? "\r\n\r\n" : "\r\n");
    } else if (h->is_space_due && h->is_begun) {
        buf_add_char(out, ' ');
    }
    if (h->is_item_due && h->mode == HTML_READABLE) {
        buf_add_c(out, "* ");
    }
    h->lines_due = 0;
    h->is_space_due = false;
    h->is_item_due = false;
    h->is_begun = true;
}

/* Does the link's text go on repeating its address? */
static void follow_link(struct html *h, struct str s)
{
    struct str rest = str_make(h->link + h->link_at, h->link_n - h->link_at);
    h->is_link_text_other = h->is_link_text_other || !str_starts(rest, s);
    h->link_at += h->is_link_text_other ? 0 : s.n;
}

/* Octets of a word. */
static void write_word(struct html *h, struct str s, struct buf *out)
{
    if (h->link_n > 0) {
        follow_link(h, s);
    }
    write_due(h, out);
    buf_add(out, s);
}

/* A white-space octet of the text. */
static void take_white(struct html *h, char c, struct buf *out)
{
    if (h->pre_depth == 0) {
        h->is_space_due = true;
    } else if (c == '\n') {
        write_due(h, out);
        h->lines_due = 1;
    } else if (c != '\r') {
        write_due(h, out);
        buf_add_char(out, c);
    }
}

static void write_code_point(struct html *h, uint32_t c, struct buf *out)
{
    char octets[8];
    struct buf one = {octets, 0, sizeof(octets), sizeof(octets) - 1, false};
    if (c == 0xa0) {
        c = ' ';
    }
    if (c < 0x80 && is_white((char)c)) {
        take_white(h, (char)c, out);
    } else if (c >= ' ') {
        utf8_add(&one, c);
        write_word(h, buf_str(&one), out);
    }
}

/* The value of an attribute, whole. Unlike in text, "&copy=2" is no reference: it is what addresses are made of. */
static void write_decoded(struct html *h, struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        size_t n = 1;
        while (s.p[i] == '&' && i + n < s.n && n <= HTML_NAME_MOST
               && is_reference_char(s.p[i + n])) {
            n++;
        }
        bool is_ended = i + n < s.n && s.p[i + n] == ';';
        bool is_query = i + n < s.n && s.p[i + n] == '=';
        uint32_t c = UINT32_MAX;
        if (s.p[i] == '&' && !is_query) {
            c = get_reference(str_sub(s, i + 1, n - 1), is_ended);
        }
        if (c != UINT32_MAX) {
            write_code_point(h, c, out);
            i += is_ended ? n : n - 1;
        } else if (is_white(s.p[i])) {
            take_white(h, s.p[i], out);
        } else {
            write_word(h, str_sub(s, i, 1), out);
        }
    }
}

/* ---- tags, when they are whole ---- */

/* The address of a link, decoded and without white space; none when it leads to no place of its own. */
static void open_link(struct html *h)
{
    struct buf address = {h->link, 0, sizeof(h->link), sizeof(h->link) - 1, false};
    struct html plain;
    html_init(&plain, HTML_WORDS);
    write_decoded(&plain, str_trim(str_make(h->value, h->value_n)), &address);
    struct str s = buf_str(&address);
    bool is_shown = str_starts_nocase(s, STR("https://")) || str_starts_nocase(s, STR("http://"))
                    || str_starts_nocase(s, STR("mailto:")) || str_starts_nocase(s, STR("tel:"));
    bool is_whole = !address.is_full && str_find_char(s, ' ') == s.n;
    h->link_n = is_shown && is_whole ? s.n : 0;
    h->link_at = 0;
    h->is_link_text_other = false;
}

static void close_link(struct html *h, struct buf *out)
{
    struct str address = str_make(h->link, h->link_n);
    bool is_repeated = !h->is_link_text_other && h->link_at == h->link_n;
    h->link_n = 0;
    if (address.n > 0 && !is_repeated) {
        bool was_space_due = h->is_space_due;
        unsigned lines_due = h->lines_due;
        h->is_space_due = true;
        h->lines_due = 0;
        write_word(h, STR("<"), out);
        buf_add(out, address);
        buf_add_char(out, '>');
        h->is_space_due = was_space_due;
        h->lines_due = lines_due;
    }
}

static void end_link_tag(struct html *h, struct buf *out)
{
    close_link(h, out); /* a link within a link ends the outer one */
    if (!h->is_end_tag && h->mode == HTML_READABLE) {
        open_link(h);
    }
}

static void end_image(struct html *h, struct buf *out)
{
    struct str text = str_trim(str_make(h->value, h->value_n));
    if (h->mode == HTML_READABLE && !h->is_end_tag && text.n > 0) {
        write_word(h, STR("["), out);
        write_decoded(h, text, out);
        h->is_space_due = false;
        write_word(h, STR("]"), out);
    }
}

static void end_pre(struct html *h)
{
    need_lines(h, 2);
    if (!h->is_end_tag) {
        h->pre_depth++;
    } else if (h->pre_depth > 0) {
        h->pre_depth--;
    }
}

/* ">" of a tag. Returns the state that follows. */
static unsigned end_tag(struct html *h, struct buf *out)
{
    const struct element *e = h->element;
    if (e == NULL) {
        return IN_TEXT;
    }
    switch (e->kind) {
    case KIND_LINE:
        need_lines(h, 1);
        break;
    case KIND_PARAGRAPH:
        need_lines(h, 2);
        break;
    case KIND_BREAK:
        need_lines(h, h->lines_due < 2 ? h->lines_due + 1 : 2);
        break;
    case KIND_CELL:
        h->is_space_due = true;
        break;
    case KIND_ITEM:
        need_lines(h, 1);
        h->is_item_due = !h->is_end_tag;
        break;
    case KIND_PRE:
        end_pre(h);
        break;
    case KIND_LINK:
        end_link_tag(h, out);
        break;
    case KIND_IMAGE:
        end_image(h, out);
        break;
    case KIND_RAW:
        h->raw = h->is_end_tag ? NULL : e;
        return h->is_end_tag ? IN_TEXT : IN_RAW;
    }
    return IN_TEXT;
}

/* ---- states; each takes one octet and returns the next state ---- */

static void gather(struct html *h, char c)
{
    if (h->name_n < HTML_NAME_MOST) {
        h->name[h->name_n++] = c;
    }
}

static struct str get_name(const struct html *h)
{
    return str_make(h->name, h->name_n);
}

static unsigned in_text(struct html *h, char c, struct buf *out)
{
    if (c == '<') {
        return IN_TAG_OPEN;
    }
    if (c == '&') {
        h->name_n = 0;
        return IN_REFERENCE;
    }
    if (is_white(c)) {
        take_white(h, c, out);
    } else if ((unsigned char)c > ' ' && c != '\x7f') {
        write_word(h, str_make(&c, 1), out);
    }
    return IN_TEXT;
}

/* The reference is over; what is none stands for itself. */
static void end_reference(struct html *h, bool is_ended, struct buf *out)
{
    uint32_t c = get_reference(get_name(h), is_ended);
    if (c != UINT32_MAX) {
        write_code_point(h, c, out);
        return;
    }
    write_word(h, STR("&"), out);
    if (h->name_n > 0) {
        write_word(h, get_name(h), out);
    }
    if (is_ended) {
        write_word(h, STR(";"), out);
    }
}

static unsigned in_reference(struct html *h, char c, struct buf *out)
{
    if (is_reference_char(c) && h->name_n < HTML_NAME_MOST) {
        gather(h, c);
        return IN_REFERENCE;
    }
    end_reference(h, c == ';', out);
    return c == ';' ? IN_TEXT : in_text(h, c, out);
}

static unsigned begin_tag(struct html *h, char c, bool is_end_tag)
{
    h->is_end_tag = is_end_tag;
    h->element = NULL;
    h->value_n = 0;
    h->name_n = 0;
    gather(h, c);
    return IN_TAG_NAME;
}

static unsigned in_tag_open(struct html *h, char c, struct buf *out)
{
    if (ascii_is_alpha(c)) {
        return begin_tag(h, c, false);
    }
    if (c == '/') {
        return IN_END_TAG_OPEN;
    }
    if (c == '!') {
        h->dashes = 0;
        return IN_DECLARATION;
    }
    if (c == '?') {
        return IN_BOGUS;
    }
    write_word(h, STR("<"), out);
    return in_text(h, c, out);
}

static unsigned in_end_tag_open(struct html *h, char c, struct buf *out)
{
    (void)out;
    if (ascii_is_alpha(c)) {
        return begin_tag(h, c, true);
    }
    return c == '>' ? IN_TEXT : IN_BOGUS;
}

static unsigned in_tag_name(struct html *h, char c, struct buf *out)
{
    if (c != '>' && c != '/' && !is_white(c)) {
        gather(h, c);
        return IN_TAG_NAME;
    }
    h->element = find_element(get_name(h));
    return c == '>' ? end_tag(h, out) : IN_TAG;
}

static unsigned in_tag(struct html *h, char c, struct buf *out)
{
    if (c == '>') {
        return end_tag(h, out);
    }
    if (c == '/' || is_white(c)) {
        return IN_TAG;
    }
    h->name_n = 0;
    gather(h, c);
    return IN_ATTRIBUTE;
}

static unsigned in_attribute_end(struct html *h, char c, struct buf *out)
{
    if (is_white(c)) {
        return IN_ATTRIBUTE_END;
    }
    if (c != '=') {
        return in_tag(h, c, out);
    }
    /* of two attributes with the same name the first counts */
    h->is_value_wanted = h->value_n == 0
                         && ((is_kind(h, KIND_LINK) && str_eq_nocase(get_name(h), STR("href")))
                             || (is_kind(h, KIND_IMAGE) && str_eq_nocase(get_name(h), STR("alt"))));
    return IN_VALUE_BEGIN;
}

static unsigned in_attribute(struct html *h, char c, struct buf *out)
{
    if (c == '>' || c == '/' || c == '=' || is_white(c)) {
        return in_attribute_end(h, c, out);
    }
    gather(h, c);
    return IN_ATTRIBUTE;
}

static unsigned in_value(struct html *h, char c, struct buf *out)
{
    if (h->quote == '\0' && c == '>') {
        return end_tag(h, out);
    }
    if (h->quote == '\0' ? is_white(c) : c == h->quote) {
        return IN_TAG;
    }
    if (h->is_value_wanted && h->value_n < HTML_VALUE_MOST) {
        h->value[h->value_n++] = c;
    }
    return IN_VALUE;
}

static unsigned in_value_begin(struct html *h, char c, struct buf *out)
{
    if (is_white(c)) {
        return IN_VALUE_BEGIN;
    }
    if (c == '"' || c == '\'') {
        h->quote = c;
        return IN_VALUE;
    }
    h->quote = '\0';
    return in_value(h, c, out);
}

static unsigned in_comment(struct html *h, char c, struct buf *out)
{
    (void)out;
    if (c == '>' && h->dashes >= 2) {
        return IN_TEXT;
    }
    if (c == '-') {
        h->dashes++;
    } else if (c != '!' || h->dashes < 2) { /* "--!>" ends a comment, too */
        h->dashes = 0;
    }
    return IN_COMMENT;
}

static unsigned in_bogus(struct html *h, char c, struct buf *out)
{
    (void)h;
    (void)out;
    return c == '>' ? IN_TEXT : IN_BOGUS;
}

static unsigned in_declaration(struct html *h, char c, struct buf *out)
{
    if (c == '-') {
        h->dashes++;
        return h->dashes == 2 ? IN_COMMENT : IN_DECLARATION;
    }
    return in_bogus(h, c, out);
}

static unsigned in_raw(struct html *h, char c, struct buf *out)
{
    (void)h;
    (void)out;
    return c == '<' ? IN_RAW_LT : IN_RAW;
}

static unsigned in_raw_lt(struct html *h, char c, struct buf *out)
{
    h->name_n = 0;
    return c == '/' ? IN_RAW_END : in_raw(h, c, out);
}

static unsigned in_raw_end(struct html *h, char c, struct buf *out)
{
    const struct element *raw = h->raw;
    if (ascii_is_alpha(c)) {
        gather(h, c);
        return IN_RAW_END;
    }
    bool is_over = c == '>' || c == '/' || is_white(c);
    if (!is_over || !str_eq_nocase(get_name(h), str_from_c(raw->name))) {
        return in_raw(h, c, out);
    }
    h->raw = NULL;
    h->element = NULL;
    return in_tag(h, c, out);
}

static unsigned (*const STATES[])(struct html *h, char c, struct buf *out) = {
    [IN_TEXT] = in_text,
    [IN_REFERENCE] = in_reference,
    [IN_TAG_OPEN] = in_tag_open,
    [IN_END_TAG_OPEN] = in_end_tag_open,
    [IN_TAG_NAME] = in_tag_name,
    [IN_TAG] = in_tag,
    [IN_ATTRIBUTE] = in_attribute,
    [IN_ATTRIBUTE_END] = in_attribute_end,
    [IN_VALUE_BEGIN] = in_value_begin,
    [IN_VALUE] = in_value,
    [IN_DECLARATION] = in_declaration,
    [IN_COMMENT] = in_comment,
    [IN_BOGUS] = in_bogus,
    [IN_RAW] = in_raw,
    [IN_RAW_LT] = in_raw_lt,
    [IN_RAW_END] = in_raw_end,
};

/* ---- the stream ---- */

void html_init(struct html *h, enum html_mode mode)
{
    *h = (struct html){.mode = mode, .state = IN_TEXT};
}

/* How many octets at the start of s are plain: all of one word, or all passed over. */
static size_t count_plain(const struct html *h, struct str s)
{
    size_t n = 0;
    if (h->state == IN_RAW) {
        return str_find_char(s, '<');
    }
    while (h->state == IN_TEXT && n < s.n && (unsigned char)s.p[n] > ' ' && s.p[n] != '<'
           && s.p[n] != '&' && s.p[n] != '\x7f') {
        n++;
    }
    return n;
}

/* What waits for more octets stands for itself. */
static void end_document(struct html *h, struct buf *out)
{
    if (h->state == IN_REFERENCE) {
        end_reference(h, false, out);
    } else if (h->state == IN_TAG_OPEN) {
        write_word(h, STR("<"), out);
    }
    close_link(h, out);
    html_init(h, h->mode);
}

void html_to_text(struct html *h, struct str piece, bool is_last, struct buf *out)
{
    for (size_t i = 0; i < piece.n;) {
        struct str rest = str_skip(piece, i);
        size_t n = count_plain(h, rest);
        if (n > 0 && h->state == IN_TEXT) {
            write_word(h, str_sub(rest, 0, n), out);
        } else if (n == 0) {
            h->state = STATES[h->state](h, rest.p[0], out);
            n = 1;
        }
        i += n;
    }
    if (is_last) {
        end_document(h, out);
    }
}
