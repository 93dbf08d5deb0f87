/* Previews: what a person would read first (RFC 8970, 3.3).
 *
 *     octets --transfer--> --charset--> UTF-8 [--html-->] text --lines--> words --> "Dear Anna, the tickets are"
 *
 * Of text, lines that quote (">") are passed over, and so are the armour of PGP and everything behind a signature mark;
 * text that is encrypted by PGP gives nothing. Of words, those are left out that draw a line ("-----"), and of
 * characters those that nobody sees: senders of newsletters fill their previews with them. White space of any kind is one
 * space. Characters that change the direction of text are left out, too: they would turn around what a client writes
 * beside the preview. */
#include "mime/preview.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mime/charset.h"
#include "mime/html.h"
#include "mime/transfer.h"

#include <stdlib.h>

enum {
    PIECE_MOST = 4 * 1024,
    STAGE_MOST = 64 * PIECE_MOST, /* octets that a piece becomes, in any stage */
    LINE_MOST = 512,
    WORD_MOST = 128,
    CANDIDATES_MOST = 4
};

/* ---- which part ---- */

enum filter { FILTER_ANY, FILTER_PLAIN, FILTER_HTML };

static bool is_html(const struct part *p)
{
    return str_eq_nocase(p->subtype, STR("html"));
}

static bool is_shown(const struct part *p, enum filter filter)
{
    enum transfer_kind kind;
    bool is_plain = str_eq_nocase(p->subtype, STR("plain"));
    bool is_wanted = (is_plain && filter != FILTER_HTML) || (is_html(p) && filter != FILTER_PLAIN);
    return is_wanted && str_eq_nocase(p->type, STR("text")) && p->body_size > 0
           && !str_eq_nocase(p->disposition.s, STR("attachment"))
           && transfer_find(p->encoding, &kind) == ERR_OK;
}

static const struct part *find(const struct part *p, enum filter filter, unsigned *skip);

static const struct part *find_in(const struct part *p, enum filter filter, unsigned *skip)
{
    const struct part *found = NULL;
    for (uint32_t i = 0; i < p->child_count && found == NULL; i++) {
        found = find(&p->children[i], filter, skip);
    }
    return found;
}

/* The depth is bounded by SHAPE_DEPTH_MOST. */
static const struct part *find(const struct part *p, enum filter filter, unsigned *skip)
{
    if (p->is_multipart) {
        if (str_eq_nocase(p->subtype, STR("encrypted"))) {
            return NULL;
        }
        if (filter != FILTER_ANY || !str_eq_nocase(p->subtype, STR("alternative"))) {
            return find_in(p, filter, skip);
        }
        const struct part *found = find_in(p, FILTER_PLAIN, skip);
        return found != NULL ? found : find_in(p, FILTER_HTML, skip);
    }
    if (p->is_message || !is_shown(p, filter)) {
        return NULL;
    }
    return (*skip)-- == 0 ? p : NULL;
}

const struct part *preview_find_part(const struct shape *s, unsigned n)
{
    return n < CANDIDATES_MOST ? find(&s->root, FILTER_ANY, &n) : NULL;
}

/* ---- words ---- */

struct preview {
    struct transfer transfer;
    struct charset *charset;
    struct html html;
    bool is_html;
    bool is_in_line;  /* the beginning of the line has been judged */
    bool is_skipping; /* the rest of the line is not wanted */
    bool is_in_armour;
    bool is_over;
    unsigned chars; /* in text */
    struct buf decoded;
    struct buf utf8;
    struct buf plain; /* of HTML */
    struct buf line;
    struct buf word;
    struct buf text;
};

static bool is_space(uint32_t c)
{
    return c <= ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028
           || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Seen by nobody, or a trap: first and last of each range. */
static const uint32_t HIDDEN[][2] = {
    {0x7f, 0x9f},     {0xad, 0xad},     {0x34f, 0x34f},   {0x61c, 0x61c},
    {0x180e, 0x180e}, {0x200b, 0x200b}, {0x200e, 0x200f}, {0x202a, 0x202e},
    {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffc},
};

/* Joiners (U+200C, U+200D) belong to words and pictures, but not to nothing. */
static bool is_hidden(uint32_t c, bool is_in_word)
{
    bool is_joiner = c == 0x200c || c == 0x200d;
    bool is_hidden = is_joiner && !is_in_word;
    for (size_t i = 0; i < sizeof(HIDDEN) / sizeof(HIDDEN[0]); i++) {
        is_hidden = is_hidden || (c >= HIDDEN[i][0] && c <= HIDDEN[i][1]);
    }
    return is_hidden;
}

/* "-----" and the like. */
static bool is_ruler(struct str word)
{
    bool is_same = word.n >= 3 && strchr("-=_*#~+.", word.p[0]) != NULL;
    bool is_dots = word.n == 3 && word.p[0] == '.';
    for (size_t i = 1; is_same && i < word.n; i++) {
        is_same = word.p[i] == word.p[0];
    }
    return is_same && !is_dots;
}

static void add_char(struct preview *p, uint32_t c)
{
    if (p->chars < PREVIEW_CHARS) {
        utf8_add(&p->text, c);
        p->chars++;
    }
}

static void end_word(struct preview *p)
{
    struct str word = buf_str(&p->word);
    uint32_t c = 0;
    if (word.n > 0 && !is_ruler(word)) {
        if (p->chars > 0 && p->chars + 1 < PREVIEW_CHARS) {
            add_char(p, ' ');
        } else if (p->chars > 0) {
            p->chars = PREVIEW_CHARS; /* no space at the end */
        }
        while (utf8_next(&word, &c)) {
            add_char(p, c);
        }
    }
    p->is_over = p->is_over || p->chars == PREVIEW_CHARS;
    buf_clear(&p->word);
}

/* Words that are longer than WORD_MOST are cut in two: languages without spaces pay with a space now and then. */
static void take_words(struct preview *p, struct str s)
{
    uint32_t c = 0;
    while (!p->is_over && utf8_next(&s, &c)) {
        if (is_space(c) || p->word.len + 4 > WORD_MOST) {
            end_word(p);
        }
        if (!is_space(c) && !is_hidden(c, p->word.len > 0)) {
            utf8_add(&p->word, c);
        }
    }
}

/* ---- lines ---- */

/* Looks at the beginning of a line of plain text. */
static void judge_line(struct preview *p, struct str line)
{
    if (p->is_in_armour) {
        p->is_in_armour = str_trim(line).n > 0; /* its header ends with an empty line */
        p->is_skipping = true;
    } else if (str_starts(line, STR("-----BEGIN PGP SIGNED MESSAGE"))) {
        p->is_in_armour = true;
        p->is_skipping = true;
    } else if (str_starts(line, STR("-----BEGIN PGP ")) || str_eq(line, STR("-- "))
               || str_eq(line, STR("-- \r"))) {
        p->is_over = true;
    } else {
        p->is_skipping = str_starts(line, STR(">"));
    }
}

/* What is gathered of the line: its beginning, or more of it. */
static void pass_line(struct preview *p, bool is_end)
{
    if (!p->is_in_line) {
        judge_line(p, buf_str(&p->line));
    }
    if (!p->is_skipping && !p->is_over) {
        take_words(p, buf_str(&p->line));
    }
    p->is_in_line = !is_end;
    p->is_skipping = p->is_skipping && !is_end;
    buf_clear(&p->line);
}

static void take_lines(struct preview *p, struct str s)
{
    while (s.n > 0 && !p->is_over) {
        size_t n = str_find_char(s, '\n');
        size_t room = LINE_MOST - p->line.len;
        bool is_end = n < s.n && n <= room;
        size_t taken = n < room ? n : room;
        while (!is_end && taken > 0 && taken < s.n && ((unsigned char)s.p[taken] & 0xc0) == 0x80) {
            taken--; /* a character is not cut */
        }
        buf_add(&p->line, str_sub(s, 0, taken));
        if (is_end || taken < s.n) {
            pass_line(p, is_end);
        }
        if (is_end) {
            take_words(p, STR(" "));
        }
        s = str_skip(s, taken + (is_end ? 1 : 0));
    }
}

/* ---- the stream ---- */

enum err preview_new(const struct part *part, struct preview **out)
{
    enum transfer_kind kind = TRANSFER_IDENTITY;
    TRY(transfer_find(part->encoding, &kind));
    struct preview *p = mem_new(sizeof(*p));
    transfer_init(&p->transfer, kind);
    if (charset_new(param_find(&part->params, STR("charset")), &p->charset) != ERR_OK
        && charset_new(STR_EMPTY, &p->charset) != ERR_OK) {
        preview_free(&p);
        return ERR_UNKNOWN_CTE;
    }
    p->is_html = is_html(part);
    html_init(&p->html, HTML_WORDS);
    buf_init(&p->decoded, STAGE_MOST);
    buf_init(&p->utf8, STAGE_MOST);
    buf_init(&p->plain, STAGE_MOST);
    buf_init(&p->line, LINE_MOST);
    buf_init(&p->word, WORD_MOST);
    buf_init(&p->text, PREVIEW_CHARS * 4);
    *out = p;
    return ERR_OK;
}

void preview_free(struct preview **p)
{
    if (*p == NULL) {
        return;
    }
    charset_free(&(*p)->charset);
    struct buf *const stages[] = {&(*p)->decoded, &(*p)->utf8, &(*p)->plain,
                                  &(*p)->line,    &(*p)->word, &(*p)->text};
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        buf_release(stages[i]);
    }
    free(*p);
    *p = NULL;
}

static void take_piece(struct preview *p, struct str octets, bool is_last)
{
    buf_clear(&p->decoded);
    buf_clear(&p->utf8);
    buf_clear(&p->plain);
    transfer_decode(&p->transfer, octets, is_last, &p->decoded);
    charset_convert(p->charset, buf_str(&p->decoded), is_last, &p->utf8);
    if (p->is_html) {
        html_to_text(&p->html, buf_str(&p->utf8), is_last, &p->plain);
    }
    take_lines(p, buf_str(p->is_html ? &p->plain : &p->utf8));
    if (is_last && !p->is_over) {
        pass_line(p, true);
    }
    if (is_last || p->is_over) {
        end_word(p);
    }
}

bool preview_feed(struct preview *p, struct str octets, bool is_last)
{
    do {
        struct str piece = str_sub(octets, 0, PIECE_MOST);
        octets = str_skip(octets, piece.n);
        if (!p->is_over) {
            take_piece(p, piece, is_last && octets.n == 0);
        }
    } while (octets.n > 0 && !p->is_over);
    return p->is_over;
}

struct str preview_get(const struct preview *p)
{
    return buf_str(&p->text);
}
