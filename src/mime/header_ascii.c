/* A header in UTF-8 as a header in ASCII, where that can be without loss. What a field is made of decides:
 *
 *     addresses (From, To ...)        display names become encoded words, domains A-labels. A local part beyond ASCII cannot be
 *                                     written: nobody but its own host may change it (RFC 5321, 2.3.11)
 *     parameters (Content-Type ...)   extended form: name*=utf-8''...
 *     trace (Received, Return-Path)   "?" for each octet: of use to people only
 *     ids (Message-ID, References)    cannot be written: what refers to them would no longer find them
 *     all others                      text: encoded words
 *
 * A field that is rewritten is decoded first, so encoded words that stood beside UTF-8 are not encoded twice. Comments in
 * rewritten address fields are dropped, unless they name the mailbox. */
#include "mime/header_ascii.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "mime/address.h"
#include "mime/field.h"
#include "mime/fold.h"
#include "mime/idna.h"
#include "mime/param.h"
#include "mime/words.h"

enum {
    ARENA_MOST = 16 * 1024 * 1024,
    TEXT_MOST = 1024 * 1024,
    FRAME = 12, /* =?utf-8?Q??= */
    WORD_TEXT_MOST = 75 - FRAME,
    WORD_TEXT_LEAST = 12
};

enum form { FORM_TEXT, FORM_ADDRESS, FORM_PARAMS, FORM_TRACE, FORM_ID };

struct form_row {
    struct str name;
    enum form form;
};

static const struct form_row FORMS[] = {
    {{"From", 4}, FORM_ADDRESS},
    {{"Sender", 6}, FORM_ADDRESS},
    {{"Reply-To", 8}, FORM_ADDRESS},
    {{"To", 2}, FORM_ADDRESS},
    {{"Cc", 2}, FORM_ADDRESS},
    {{"Bcc", 3}, FORM_ADDRESS},
    {{"Resent-From", 11}, FORM_ADDRESS},
    {{"Resent-Sender", 13}, FORM_ADDRESS},
    {{"Resent-To", 9}, FORM_ADDRESS},
    {{"Resent-Cc", 9}, FORM_ADDRESS},
    {{"Resent-Bcc", 10}, FORM_ADDRESS},
    {{"Resent-Reply-To", 15}, FORM_ADDRESS},
    {{"Disposition-Notification-To", 27}, FORM_ADDRESS},
    {{"Delivered-To", 12}, FORM_ADDRESS},
    {{"Content-Type", 12}, FORM_PARAMS},
    {{"Content-Disposition", 19}, FORM_PARAMS},
    {{"Received", 8}, FORM_TRACE},
    {{"Return-Path", 11}, FORM_TRACE},
    {{"Message-ID", 10}, FORM_ID},
    {{"In-Reply-To", 11}, FORM_ID},
    {{"References", 10}, FORM_ID},
    {{"Resent-Message-ID", 17}, FORM_ID},
    {{"Content-ID", 10}, FORM_ID},
    {{"Content-Transfer-Encoding", 25}, FORM_ID},
    {{"MIME-Version", 12}, FORM_ID},
    {{"Date", 4}, FORM_ID},
};

bool header_has_8bit(struct str header)
{
    for (size_t i = 0; i < header.n; i++) {
        if ((unsigned char)header.p[i] > 0x7F) {
            return true;
        }
    }
    return false;
}

static enum form find_form(struct str name)
{
    for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
        if (str_eq_nocase(FORMS[i].name, name)) {
            return FORMS[i].form;
        }
    }
    return FORM_TEXT;
}

/* ---- encoded words ---- */

/* Stands for itself in Q, also in phrases (RFC 2047, 5 (3)). */
static bool is_q_plain(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c != '\0' && strchr("!*+-/", c) != NULL);
}

static size_t measure_q(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        n += is_q_plain(text.p[i]) || text.p[i] == ' ' ? 1 : 3;
    }
    return n;
}

static void write_q(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (is_q_plain(c) || c == ' ') {
            buf_add_char(out, c == ' ' ? '_' : c);
        } else {
            buf_addf(out, "=%02X", (unsigned)(unsigned char)c);
        }
    }
}

/* Takes off *text as many characters as are at most room octets when encoded, one at least. */
static struct str take_piece(struct str *text, bool is_q, size_t room)
{
    size_t taken = 0;
    while (taken < text->n) {
        size_t n = utf8_check(str_skip(*text, taken));
        struct str piece = str_sub(*text, 0, taken + n);
        size_t cost = is_q ? measure_q(piece) : (piece.n + 2) / 3 * 4;
        if (taken > 0 && cost > room) {
            break;
        }
        taken += n;
    }
    struct str piece = str_sub(*text, 0, taken);
    *text = str_skip(*text, taken);
    return piece;
}

static void write_words(struct fold *f, struct str text)
{
    bool is_q = measure_q(text) <= (text.n + 2) / 3 * 4;
    while (text.n > 0) {
        CLEANUP(buf_release) struct buf word = BUF_INIT(1024);
        size_t room = fold_get_room(f);
        if (room < FRAME + WORD_TEXT_LEAST) {
            fold_break(f);
            room = fold_get_room(f);
        }
        room -= FRAME;
        struct str piece = take_piece(&text, is_q, room < WORD_TEXT_MOST ? room : WORD_TEXT_MOST);
        buf_add(&word, is_q ? STR("=?utf-8?Q?") : STR("=?utf-8?B?"));
        if (is_q) {
            write_q(&word, piece);
        } else {
            base64_write(&word, piece);
        }
        buf_add(&word, STR("?="));
        fold_token(f, buf_str(&word), 0);
        if (text.n > 0) {
            fold_break(f);
        }
    }
}

/* The text of raw in encoded words. */
static void write_text(struct fold *f, struct str raw)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(4 * raw.n + 16);
    words_decode(raw, &text);
    write_words(f, buf_str(&text));
}

/* ---- addresses ---- */

static bool is_atom(struct str s, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c)
            && (c == '\0'
                || (strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL && strchr(more, c) == NULL))) {
            return false;
        }
    }
    return s.n > 0;
}

/* A display name, or the name of a group. */
static void write_phrase(struct fold *f, struct str name)
{
    if (header_has_8bit(name)) {
        write_text(f, name);
    } else if (is_atom(name, " .")) {
        fold_text(f, name); /* encoded words among them */
    } else {
        CLEANUP(buf_release) struct buf quoted = BUF_INIT(2 * name.n + 2);
        buf_add_quoted(&quoted, name);
        fold_token(f, buf_str(&quoted), 0);
    }
}

/* local@domain */
static enum err write_spec(struct buf *out, const struct address *a)
{
    if (header_has_8bit(a->mailbox)) {
        return ERR_UTF8_HEADER;
    }
    if (is_atom(a->mailbox, ".")) {
        buf_add(out, a->mailbox);
    } else {
        buf_add_quoted(out, a->mailbox);
    }
    if (a->host.n > 0) {
        buf_add_char(out, '@');
        TRY(idna_to_ascii(a->host, out) == ERR_OK ? ERR_OK : ERR_UTF8_HEADER);
    }
    return ERR_OK;
}

static enum err write_mailbox(struct fold *f, const struct address *a, bool is_followed)
{
    CLEANUP(buf_release) struct buf spec = BUF_INIT(TEXT_MOST);
    if (a->name.n > 0) {
        write_phrase(f, a->name);
        fold_white(f, STR(" "));
    }
    buf_add(&spec, a->name.n > 0 ? STR("<") : STR_EMPTY);
    TRY(write_spec(&spec, a));
    buf_add(&spec, a->name.n > 0 ? STR(">") : STR_EMPTY);
    buf_add(&spec, is_followed ? STR(",") : STR_EMPTY);
    fold_token(f, buf_str(&spec), 0);
    return buf_err(&spec);
}

static enum err write_addresses(struct fold *f, struct arena *a, struct str value)
{
    struct address_list list;
    TRY(address_list_parse(a, value, &list));
    for (uint32_t i = 0; i < list.count; i++) {
        const struct address *at = &list.at[i];
        bool is_last = i + 1 == list.count;
        if (at->is_group_end) {
            fold_token(f, is_last ? STR(";") : STR(";,"), 0);
        } else if (at->is_group_start) {
            fold_white(f, STR(" "));
            write_phrase(f, at->mailbox);
            fold_token(f, STR(":"), 0);
        } else {
            fold_white(f, STR(" "));
            TRY(write_mailbox(f, at, !is_last && !list.at[i + 1].is_group_end));
        }
    }
    return ERR_OK;
}

/* ---- parameters ---- */

static void write_param(struct fold *f, const struct param *p)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(TEXT_MOST);
    buf_add(&out, p->name);
    if (!header_has_8bit(p->value)) {
        buf_add_char(&out, '=');
        buf_add_quoted(&out, p->value);
        fold_token(f, buf_str(&out), 0);
        return;
    }
    buf_add(&out, STR("*=utf-8''"));
    for (size_t i = 0; i < p->value.n; i++) {
        char c = p->value.p[i];
        if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '-' || c == '_') {
            buf_add_char(&out, c);
        } else {
            buf_addf(&out, "%%%02X", (unsigned)(unsigned char)c);
        }
    }
    fold_token(f, buf_str(&out), 0);
}

static enum err write_params(struct fold *f, struct arena *a, struct str value)
{
    struct param_field field;
    TRY(param_field_parse(a, value, &field));
    CLEANUP(buf_release) struct buf type = BUF_INIT(TEXT_MOST);
    buf_add(&type, field.type);
    buf_add(&type, field.subtype.n > 0 ? STR("/") : STR_EMPTY);
    buf_add(&type, field.subtype);
    if (header_has_8bit(buf_str(&type))) {
        return ERR_UTF8_HEADER;
    }
    fold_white(f, STR(" "));
    fold_token(f, buf_str(&type), 1);
    for (uint32_t i = 0; i < field.params.count; i++) {
        if (header_has_8bit(field.params.at[i].name)) {
            return ERR_UTF8_HEADER;
        }
        fold_token(f, STR(";"), 0);
        fold_white(f, STR(" "));
        write_param(f, &field.params.at[i]);
    }
    return ERR_OK;
}

/* ---- fields ---- */

static void write_trace(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        buf_add_char(out, (unsigned char)value.p[i] > 0x7F ? '?' : value.p[i]);
    }
}

/* The value of a field that is not in ASCII, behind its colon, without the line end. */
static enum err write_value(struct buf *out, struct arena *a, const struct field *field)
{
    CLEANUP(buf_release) struct buf plain = BUF_INIT(TEXT_MOST);
    enum form form = find_form(field->name);
    struct fold f;
    if (form == FORM_TRACE) {
        write_trace(out, field->value);
        return ERR_OK;
    }
    if (form == FORM_ID || !utf8_is_valid(field->value)) {
        return ERR_UTF8_HEADER;
    }
    field_unfold(field->value, &plain);
    TRY(buf_err(&plain));
    fold_init(&f, out, field->name.n + 1);
    if (form == FORM_ADDRESS) {
        return write_addresses(&f, a, buf_str(&plain));
    }
    if (form == FORM_PARAMS) {
        return write_params(&f, a, buf_str(&plain));
    }
    fold_white(&f, STR(" "));
    write_text(&f, buf_str(&plain));
    return ERR_OK;
}

static enum err write_field(struct buf *out, struct arena *a, struct str octets,
                            const struct field *field)
{
    if (!header_has_8bit(octets)) {
        buf_add(out, octets);
        return ERR_OK;
    }
    buf_add(out, field->name);
    buf_add_char(out, ':');
    TRY(write_value(out, a, field));
    buf_add(out, STR("\r\n"));
    arena_clear(a);
    return buf_err(out);
}

enum err header_to_ascii(struct str header, struct buf *out)
{
    struct arena *a = arena_new(ARENA_MOST);
    struct field field;
    size_t start = out->len;
    size_t at = 0;
    size_t done = 0;
    enum err e = ERR_OK;
    while (e == ERR_OK && field_next(header, &at, &field)) {
        buf_add(out, str_sub(header, done, field.offset - done));
        e = write_field(out, a, str_sub(header, field.offset, field.size), &field);
        done = field.offset + field.size;
    }
    arena_free(&a);
    buf_add(out, str_skip(header, done));
    if (e == ERR_OK && header_has_8bit(str_skip(buf_str(out), start))) {
        e = ERR_UTF8_HEADER; /* a line that is no field */
    }
    return e == ERR_OK ? buf_err(out) : e;
}
