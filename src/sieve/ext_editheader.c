/* editheader (RFC 5293): addheader and deleteheader.
 *
 * A value is written as its field has to be: text beyond ASCII in encoded words, lines folded. Received and Auto-Submitted are never
 * deleted (6), and what says how the body is to be read is neither added nor removed: such a command does nothing. */
#include "sieve/control.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "mime/fold.h"
#include "sieve/match.h"
#include "sieve/run_priv.h"

/* field-name = 1*ftext; ftext = %d33-57 / %d59-126 (RFC 5322, 3.6.8) */
static bool is_field_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == ':') {
            return false;
        }
    }
    return s.n > 0 && s.n <= 76;
}

/* "If a script tries to make a change that isn't permitted, the attempt MUST be silently ignored" (6). The body stays as it is, so what
 * describes it has to; and what stops loops is not taken away. */
static bool is_protected(struct str name, bool is_deleted)
{
    static const char *const names[] = {"mime-version", "content-type", "content-transfer-encoding",
                                        "received", "auto-submitted"};
    size_t count = is_deleted ? 5 : 3;
    for (size_t i = 0; i < count; i++) {
        if (str_eq_nocase(name, str_from_c(names[i]))) {
            return true;
        }
    }
    return false;
}

enum err sieve_addheader_check(struct sieve_compiler *c, struct sieve_node *n)
{
    const struct sieve_string *name = &n->params[0].strings[0];
    if (name->pieces == NULL && !is_field_name(name->text)) {
        return sieve_compile_fail(c, n->line, "\"%.*s\" is no name of a header field",
                                  STR_ARG(str_sub(name->text, 0, 60)));
    }
    return ERR_OK;
}

enum err sieve_deleteheader_check(struct sieve_compiler *c, struct sieve_node *n)
{
    TRY(sieve_addheader_check(c, n));
    return sieve_index_check(c, n);
}

static enum err get_name(struct sieve_run *r, const struct sieve_node *n, struct str *out)
{
    TRY(sieve_expand_kept(r, &n->params[0], out));
    return is_field_name(*out) ? ERR_OK
                               : sieve_run_fail(r, "\"%.*s\" is no name of a header field",
                                                STR_ARG(str_sub(*out, 0, 60)));
}

static bool is_plain(struct str word)
{
    for (size_t i = 0; i < word.n; i++) {
        if (word.p[i] < ' ' || word.p[i] > '~') {
            return false;
        }
    }
    return true;
}

enum {
    WORD_OCTETS =
        42, /* of UTF-8 in one encoded word: 75 characters with all around it (RFC 2047, 2) */
    TOKEN_MOST = 900 /* no line is longer than 998 octets (RFC 5322, 2.1.1) */
};

static bool is_foldable(struct str value)
{
    while (value.n > 0) {
        struct str word = str_split(&value, ' ');
        if (word.n > TOKEN_MOST || !is_plain(word)) {
            return false;
        }
    }
    return true;
}

/* How many octets of text, whole characters, one encoded word takes. */
static size_t count_word(struct str text)
{
    size_t n = 0;
    while (n < text.n) {
        size_t size = utf8_check(str_skip(text, n));
        size = size == 0 || size == SIZE_MAX ? 1 : size;
        if (n + size > WORD_OCTETS) {
            break;
        }
        n += size;
    }
    return n;
}

/* The whole value in encoded words: they are one text, for white space between them is not shown (RFC 2047, 6.2). */
static void write_encoded(struct fold *f, struct str text)
{
    while (text.n > 0) {
        size_t n = count_word(text);
        struct buf word = BUF_INIT(128);
        buf_add_c(&word, "=?UTF-8?B?");
        base64_write(&word, str_sub(text, 0, n));
        buf_add_c(&word, "?=");
        fold_token(f, buf_str(&word), 0);
        fold_white(f, STR(" "));
        buf_release(&word);
        text = str_skip(text, n);
    }
}

/* Control characters, line ends among them, become white space; the value stands without white space around it. */
static struct str clean_value(struct buf *room, struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        bool is_control = (unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f;
        buf_add_char(room, is_control ? ' ' : value.p[i]);
    }
    return str_trim(buf_str(room));
}

/* A new field with all its line ends; its value stands behind the colon. */
static enum err write_field(struct sieve_run *r, struct str name, struct str value,
                            struct sieve_field *out)
{
    struct buf room = BUF_INIT(value.n + 1);
    struct buf text = BUF_INIT(value.n * 4 + 1024);
    struct fold f;
    value = clean_value(&room, value);
    buf_add(&text, name);
    buf_add_c(&text, ": ");
    fold_init(&f, &text, text.len);
    if (is_foldable(value)) {
        fold_text(&f, value);
    } else {
        write_encoded(&f, value);
    }
    f.white = STR_EMPTY;
    buf_add_c(&text, "\r\n");
    struct str kept = STR_EMPTY;
    enum err e = sieve_run_keep(r, buf_str(&text), &kept);
    buf_release(&room);
    buf_release(&text);
    TRY(e);
    size_t n = kept.n - name.n - 3;
    *out = (struct sieve_field){
        .name = str_sub(kept, 0, name.n), .value = str_sub(kept, name.n + 1, n), .octets = kept};
    return ERR_OK;
}

/* The row of fields belongs to the run; it grows by half. */
static enum err make_room(struct sieve_run *r)
{
    struct sieve_message *m = &r->message;
    if (m->count < m->size) {
        return ERR_OK;
    }
    uint32_t size = m->size + m->size / 2 + 8;
    struct sieve_field *fields = sieve_run_array(r, struct sieve_field, size);
    if (fields == NULL) {
        return sieve_run_full(r);
    }
    if (m->count > 0) {
        memcpy(fields, m->fields, m->count * sizeof(*fields));
    }
    m->fields = fields;
    m->size = size;
    return ERR_OK;
}

static void note_edit(struct sieve_run *r)
{
    r->message.is_edited = true;
    r->message.is_written = false;
}

static enum err check_size(struct sieve_run *r, size_t more)
{
    r->message.added += more;
    if (r->message.added > r->limits.header_octets) {
        return sieve_run_fail(r, "A script adds at most %u octets to a header",
                              r->limits.header_octets);
    }
    return sieve_run_spend(r, sieve_steps_for(more + r->message.count, SIEVE_RATE_TEXT));
}

enum err sieve_addheader_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct str name;
    struct str value;
    struct sieve_field field;
    struct sieve_message *m = &r->message;
    TRY(sieve_message_read(r));
    TRY(get_name(r, n, &name));
    TRY(sieve_expand_one(r, &n->params[1], &value));
    if (is_protected(name, false)) {
        sieve_run_trace(r, "addheader: %.*s stays as it is", STR_ARG(name));
        return ERR_OK;
    }
    TRY(write_field(r, name, value, &field));
    TRY(check_size(r, field.octets.n));
    TRY(make_room(r));
    bool is_last = sieve_node_has(n, SIEVE_TAG_LAST);
    if (!is_last && m->count > 0) {
        memmove(m->fields + 1, m->fields, m->count * sizeof(*m->fields));
    }
    m->fields[is_last ? m->count : 0] = field;
    m->count++;
    note_edit(r);
    sieve_run_trace(r, "addheader \"%.*s\"", STR_ARG(name));
    return ERR_OK;
}

/* Does the field say what the patterns ask for? Without patterns it does. */
static enum err fits(struct sieve_run *r, const struct sieve_node *n, const struct sieve_field *f,
                     bool *out)
{
    *out = true;
    if (n->params[1].kind == SIEVE_VALUE_NONE) {
        return ERR_OK;
    }
    struct sieve_match m;
    TRY(sieve_match_init(&m, r, n, &n->params[1]));
    m.is_silent = true;
    struct buf text = BUF_INIT(f->value.n * 4 + 64);
    sieve_field_write_text(f, &text);
    enum err e = sieve_match_give(&m, str_trim(buf_str(&text)));
    buf_release(&text);
    TRY(e);
    return sieve_match_finish(&m, out);
}

/* The fields that are called so; "The counting happens before the <value-patterns> match" (5). Those that fit lose their octets:
 * then they are taken out, all at once. */
static enum err mark_fields(struct sieve_run *r, const struct sieve_node *n,
                            const struct sieve_strings *names, uint32_t *count)
{
    struct sieve_fields fields = sieve_fields_make(names, n);
    const struct sieve_field *f;
    while ((f = sieve_fields_next(r, &fields)) != NULL) {
        bool is_fit;
        TRY(sieve_run_spend(r, sieve_field_count_steps(f)));
        TRY(fits(r, n, f, &is_fit));
        if (is_fit) {
            r->message.fields[f - r->message.fields].octets = STR_EMPTY;
            ++*count;
        }
    }
    return sieve_fields_spend(r, &fields);
}

enum err sieve_deleteheader_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct str name;
    struct sieve_message *m = &r->message;
    uint32_t gone = 0;
    TRY(sieve_message_read(r));
    TRY(get_name(r, n, &name));
    if (is_protected(name, true)) {
        sieve_run_trace(r, "deleteheader: %.*s stays", STR_ARG(name));
        return ERR_OK;
    }
    struct sieve_strings names = {.at = &name, .count = 1};
    TRY(mark_fields(r, n, &names, &gone));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->fields[i].octets.n > 0) {
            m->fields[kept++] = m->fields[i];
        }
    }
    m->count = kept;
    sieve_run_trace(r, "deleteheader \"%.*s\": %u fields", STR_ARG(name), gone);
    if (gone > 0) {
        note_edit(r);
    }
    return ERR_OK;
}
