/* The text of a message, read once for all who want some of it: the texts looked for, or the text index.
 *
 * The shape says where text is. A plan of stretches is made from it: the message's own header, the headers of parts and of
 * messages inside, and every part that is text (text/ and what is left of message/, such as delivery reports), decoded
 * and converted to UTF-8, of text/html what its reader would see. BODY means the parts alone: nobody who looks for "image" means
 * every Content-Type that says so. TEXT means the headers, too, where the names of attachments are. Each step reads at most
 * PIECE octets of a stretch from the store, so its caller yields within a message, and a part of any size passes through.
 *
 * What is text is decided here alone, so a search that reads messages and an index that was made of them agree.
 *
 * Header stretches are read field by field: unfolded, encoded words decoded, told as "Name: value" and, for
 * SEARCH_HEADER, the value alone. A piece is cut behind its last line end, and a field that may go on in the next
 * piece is left for it. Of a
 * field longer than a piece only the first piece is looked at. */
#include "search/content.h"

#include "mime/field.h"
#include "mime/words.h"

enum {
    PIECE = 32 * 1024,
    TEXT_CAP = 16 * PIECE,
    FIELDS_A_STEP = 64, /* fields may be tiny, and each is a text of its own for whoever looks */
    FIELD_COST = 16
};

struct plan {
    struct content *c;
    struct content_wants wants;
    size_t most;
};

static void add_stretch(struct plan *p, struct content_stretch s)
{
    if (s.size > 0 && p->c->count < p->most) {
        p->c->at[p->c->count++] = s;
    }
}

static void plan_text(struct plan *p, const struct part *part)
{
    struct content_stretch s = {.offset = part->body_offset,
                                .size = part->body_size,
                                .charset = param_find(&part->params, STR("charset"))};
    if (!str_eq_nocase(part->type, STR("text")) && !str_eq_nocase(part->type, STR("message"))) {
        return;
    }
    s.is_html = str_eq_nocase(part->type, STR("text")) && str_eq_nocase(part->subtype, STR("html"));
    if (transfer_find(part->encoding, &s.transfer) != ERR_OK) {
        s.transfer = TRANSFER_IDENTITY;
    }
    add_stretch(p, s);
}

/* The depth is bounded by SHAPE_DEPTH_MOST. */
static void plan_part(struct plan *p, const struct part *part, bool is_root)
{
    bool is_wanted = is_root ? p->wants.has_header : p->wants.has_part_headers;
    if (is_wanted) {
        add_stretch(p, (struct content_stretch){.offset = part->header_offset,
                                                .size = part->header_size,
                                                .is_header = true,
                                                .is_main = is_root});
    }
    if (!p->wants.has_body) {
        return;
    }
    if (part->child_count == 0) {
        plan_text(p, part);
    }
    for (uint32_t i = 0; i < part->child_count; i++) {
        plan_part(p, &part->children[i], false);
    }
}

static size_t count_parts(const struct part *part)
{
    size_t n = 1;
    for (uint32_t i = 0; i < part->child_count; i++) {
        n += count_parts(&part->children[i]);
    }
    return n;
}

enum err content_init(struct content *c, const struct content_args *args)
{
    *c = (struct content){.sink = args->sink};
    buf_init(&c->decoded, TEXT_CAP);
    buf_init(&c->text, TEXT_CAP);
    const struct part *root = &args->shape->root;
    struct plan p = {.c = c, .wants = args->wants, .most = 2 * count_parts(root)};
    c->at = arena_array(args->arena, struct content_stretch, p.most);
    if (c->at == NULL) {
        return ERR_LIMIT;
    }
    plan_part(&p, root, true);
    c->is_main_done = c->count == 0 || !c->at[0].is_main;
    return body_reader_new(args->account, args->body_id, &c->reader);
}

void content_release(struct content *c)
{
    body_reader_free(&c->reader);
    charset_free(&c->charset);
    buf_release(&c->decoded);
    buf_release(&c->text);
}

bool content_is_done(const struct content *c)
{
    return c->next == c->count;
}

static void end_stretch(struct content *c)
{
    c->is_main_done = c->is_main_done || c->at[c->next].is_main;
    c->next++;
    c->done = 0;
    c->is_in_field = false;
    c->is_in_line = false;
    charset_free(&c->charset);
}

/* ---- headers ---- */

static bool begin(const struct content *c, enum content_kind kind, struct str field)
{
    const struct content_text t = {kind, field};
    return c->sink.begin(c->sink.owner, &t);
}

static bool add(const struct content *c, struct str utf8)
{
    return c->sink.add(c->sink.owner, utf8);
}

/* The field's value, decoded, in c->text; once for both texts. */
static void decode_value(struct content *c, const struct field *f)
{
    if (c->text.len > 0) {
        return;
    }
    buf_clear(&c->decoded);
    field_unfold(f->value, &c->decoded);
    words_decode_search(buf_str(&c->decoded), &c->text);
}

static bool tell_field(struct content *c, const struct field *f)
{
    bool is_new = false;
    buf_clear(&c->text);
    if (c->at[c->next].is_main && begin(c, CONTENT_VALUE, f->name)) {
        decode_value(c, f);
        is_new = add(c, buf_str(&c->text));
    }
    if (begin(c, CONTENT_FIELD, f->name)) {
        decode_value(c, f);
        buf_clear(&c->decoded);
        words_decode(f->name, &c->decoded);
        buf_add(&c->decoded, STR(": "));
        is_new = add(c, buf_str(&c->decoded)) || is_new;
        is_new = add(c, buf_str(&c->text)) || is_new;
    }
    return is_new;
}

/* Octets of the piece that belong to a field or a line that was cut before it. */
static size_t skip_rest(struct content *c, struct str piece)
{
    size_t at = c->is_in_line ? field_line(piece, 0).n : 0;
    while (c->is_in_field && at < piece.n && (piece.p[at] == ' ' || piece.p[at] == '\t')) {
        at += field_line(piece, at).n;
    }
    c->is_in_field = c->is_in_field && at == piece.n;
    return at;
}

/* Looks at the whole fields of the piece; returns how many octets are done. */
static size_t tell_fields(struct content *c, struct str piece, bool is_last, bool *is_new)
{
    struct field f;
    size_t at = skip_rest(c, piece);
    size_t from = at;
    for (unsigned told = 0; field_next(piece, &at, &f); told++) {
        if (told == FIELDS_A_STEP) {
            return f.offset;
        }
        bool may_go_on = at == piece.n && !is_last;
        if (may_go_on && f.offset > from) {
            return f.offset;
        }
        *is_new = tell_field(c, &f) || *is_new;
        c->is_in_field = may_go_on;
    }
    return piece.n; /* at the empty line the header is over, whatever the shape says */
}

static enum err step_header(struct content *c, const struct content_stretch *s, bool *is_new,
                            uint64_t *cost)
{
    struct str piece;
    TRY(body_reader_get(c->reader, s->offset + c->done,
                        PIECE < s->size - c->done ? PIECE : (size_t)(s->size - c->done), &piece));
    bool is_last = c->done + piece.n >= s->size;
    if (piece.n == 0) {
        return ERR_CORRUPT;
    }
    if (!is_last) {
        size_t end = str_find_last_char(piece, '\n');
        piece.n = end < piece.n ? end + 1 : piece.n;
    }
    size_t used = tell_fields(c, piece, is_last, is_new);
    c->is_in_line = piece.p[used - 1] != '\n';
    c->done += used;
    *cost = used + FIELDS_A_STEP * FIELD_COST;
    if (c->done >= s->size) {
        *is_new = *is_new || s->is_main;
        end_stretch(c);
    }
    return ERR_OK;
}

/* ---- text parts ---- */

static void begin_text(struct content *c, const struct content_stretch *s)
{
    if (charset_new(s->charset, &c->charset) != ERR_OK) {
        enum err e = charset_new(STR_EMPTY, &c->charset); /* unknown: read as unlabelled */
        (void)e;
    }
    transfer_init(&c->transfer, s->transfer);
    html_init(&c->html, HTML_WORDS);
    c->is_wanted = begin(c, CONTENT_PART, STR_EMPTY);
}

/* The text of the octets, borrowed until the next ones. */
static struct str decode_text(struct content *c, const struct content_stretch *s, struct str octets,
                              bool is_last)
{
    buf_clear(&c->decoded);
    buf_clear(&c->text);
    transfer_decode(&c->transfer, octets, is_last, &c->decoded);
    charset_convert(c->charset, buf_str(&c->decoded), is_last, &c->text);
    if (!s->is_html) {
        return buf_str(&c->text);
    }
    buf_clear(&c->decoded);
    html_to_text(&c->html, buf_str(&c->text), is_last, &c->decoded);
    return buf_str(&c->decoded);
}

static enum err step_text(struct content *c, const struct content_stretch *s, bool *is_new,
                          uint64_t *cost)
{
    struct str piece;
    if (c->done == 0) {
        begin_text(c, s);
    }
    if (!c->is_wanted) {
        end_stretch(c);
        return ERR_OK;
    }
    uint64_t left = s->size - c->done;
    TRY(body_reader_get(c->reader, s->offset + c->done, PIECE < left ? PIECE : (size_t)left,
                        &piece));
    if (piece.n == 0) {
        return ERR_CORRUPT;
    }
    c->done += piece.n;
    bool is_last = c->done >= s->size;
    *is_new = add(c, decode_text(c, s, piece, is_last));
    *cost = piece.n;
    if (is_last) {
        end_stretch(c);
    }
    return ERR_OK;
}

enum err content_step(struct content *c, bool *is_new, uint64_t *cost)
{
    const struct content_stretch *s = &c->at[c->next];
    *is_new = false;
    *cost = 0;
    return s->is_header ? step_header(c, s, is_new, cost) : step_text(c, s, is_new, cost);
}
